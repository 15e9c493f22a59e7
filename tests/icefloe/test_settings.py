"""Settings: where they come from, what is said of those that can't be used, and that all are documented."""

import re
from pathlib import Path

import pytest

from blocks.catalogue import Catalogue
from dataflows.settings import SettingsError
from icefloe.settings import Settings, strangers, table

ROOT = Path(__file__).parents[2]
OF_EXAMPLES = {"ICEFLOE_LANDING_FOLDER"}  # of the block that docs/writing-a-block.md writes


def names() -> set[str]:
    return set(re.findall(r"^\| `(ICEFLOE_\w+)`", table(Catalogue.load().values()), re.MULTILINE))


def test_what_is_given_goes_before_the_environment_and_that_before_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().store == "sqlite:///.icefloe/icefloe.db"
    monkeypatch.setenv("ICEFLOE_STORE", "sqlite:///b.db")
    assert Settings.load().store == "sqlite:///b.db"
    assert Settings.load(store="sqlite:///c.db").store == "sqlite:///c.db"


def test_a_value_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lease").write_text("60\n")
    monkeypatch.setenv("ICEFLOE_LEASE_FILE", str(tmp_path / "lease"))
    assert Settings.load().lease == 60.0


def test_settings_are_frozen() -> None:
    settings = Settings.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.store = "sqlite:///x.db"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"LEASE": "soon"}, "ICEFLOE_LEASE: should be a valid number"),
        ({"LEASE": "0", "CALLS": "0"}, "ICEFLOE_LEASE: should be greater than or equal to 1; ICEFLOE_CALLS: should be"),
        ({"LOG_LEVEL": "loud"}, "ICEFLOE_LOG_LEVEL: should be 'debug', 'info', 'warning' or 'error'"),
        ({"DEBUG": "maybe"}, "ICEFLOE_DEBUG: should be a valid boolean"),
    ],
)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"ICEFLOE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(sentence)


def test_variables_that_are_no_settings_are_found_with_what_was_probably_meant() -> None:
    known = dict.fromkeys(("ICEFLOE_STORE", "ICEFLOE_LEASE_FILE", "ICEFLOE_SMTP_URL", "LEASEE", "PATH"), "x")
    misspelt = {"ICEFLOE_LEASEE": "5", "ICEFLOE_SMPT_URL": "x", "ICEFLOE_QQ": "x"}
    assert strangers(Catalogue.load().values(), known | misspelt) == {
        "ICEFLOE_LEASEE": "ICEFLOE_LEASE",
        "ICEFLOE_SMPT_URL": "ICEFLOE_SMTP_URL",
        "ICEFLOE_QQ": None,
    }


def test_the_documentation_has_the_table_of_all_settings() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    written = re.search(r"<!-- settings:begin -->\n(.*)\n<!-- settings:end -->", page, re.DOTALL)
    assert written
    assert written[1] == table(Catalogue.load().values()), "write it anew with `python -m icefloe.settings`"


def test_settings_of_blocks_are_in_the_table() -> None:
    assert names() >= {"ICEFLOE_STORE", "ICEFLOE_OUTBOX", "ICEFLOE_SMTP_URL", "ICEFLOE_HTTP_ALLOW_PRIVATE"}


def test_every_setting_that_a_page_names_is_real() -> None:
    known = names() | {f"{name}_FILE" for name in names()} | OF_EXAMPLES
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        assert set(re.findall(r"ICEFLOE_[A-Z_]*[A-Z]", page.read_text())) <= known, page.name


def test_every_command_is_in_the_manual_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    written = {word for row in rows for word in re.findall(r"`(\w+)", row)}
    from icefloe.cli.entry import commands  # noqa: PLC0415 - the command line is the other half of this package

    there = commands()
    single = {one.callback.__name__ for one in there.registered_commands if one.callback}
    assert written == single | {group.name for group in there.registered_groups}
