"""Settings from the environment and from files, and what is said of those that can't be used."""

from pathlib import Path

import pytest
from pydantic import BaseModel, field_validator

from blocks.contract import BlockContext, block
from dataflows.settings import EngineSettings, SettingsError, from_environment, settings_of_blocks


def test_without_an_environment_the_defaults_hold() -> None:
    settings = EngineSettings()
    assert settings.store == "sqlite:///.icefloe/icefloe.db"
    assert (settings.events, settings.lease, settings.drain) == ("store", 30, 20)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_STORE", "sqlite:///x.db")
    monkeypatch.setenv("ICEFLOE_LEASE", "7.5")
    monkeypatch.setenv("LEASE", "1")
    settings = EngineSettings()
    assert (settings.store, settings.lease) == ("sqlite:///x.db", 7.5)


def test_what_is_given_in_code_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_LEASE", "7")
    assert EngineSettings(lease=8).lease == 8


def test_a_value_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sqlite:///é.db\r\n", encoding="utf-8")
    monkeypatch.setenv("ICEFLOE_STORE_FILE", str(file))
    assert EngineSettings().store == "sqlite:///é.db"


def test_a_value_and_a_file_can_not_both_be_given(tmp_path: Path) -> None:
    environment = {"ICEFLOE_STORE": "x", "ICEFLOE_STORE_FILE": str(tmp_path / "x")}
    with pytest.raises(SettingsError, match="ICEFLOE_STORE and ICEFLOE_STORE_FILE are both set: keep one of them"):
        from_environment("store", environment)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"ICEFLOE_STORE_FILE: can't read {file}"):
        from_environment("store", {"ICEFLOE_STORE_FILE": str(file)})


def test_the_settings_as_a_whole_say_the_same_of_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ICEFLOE_STORE_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=f"^ICEFLOE_STORE_FILE: can't read {tmp_path / 'none'}"):
        EngineSettings.load()
    monkeypatch.setenv("ICEFLOE_STORE", "x")
    with pytest.raises(SettingsError, match=r"^ICEFLOE_STORE and ICEFLOE_STORE_FILE are both set: keep one of them$"):
        EngineSettings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [("LEASE", "0"), ("LEASE", "soon"), ("THREADS", "0"), ("CALLS", "1.5"), ("LOG_LEVEL", "loud"), ("DRAIN", "-1")],
)
def test_values_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ICEFLOE_{name}", value)
    with pytest.raises(SettingsError, match=f"^ICEFLOE_{name}: should be "):
        EngineSettings.load()


class MailSettings(BaseModel):
    mail_port: int = 25
    mail_url: str = "smtp://localhost"

    @field_validator("mail_url")
    @classmethod
    def _is_one(cls, url: str) -> str:
        if not url.startswith("smtp"):
            raise ValueError("should begin with smtp")
        return url


class Nothing(BaseModel):
    pass


@block("MAIL", title="Mail", category="Test", settings=MailSettings, secrets=("mail_password", "mail_token"))
async def mail(_arguments: Nothing, _context: BlockContext) -> None:
    """Send nothing."""


def test_blocks_get_their_settings_and_those_secrets_that_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    monkeypatch.setenv("ICEFLOE_MAIL_PORT", "2525")
    monkeypatch.setenv("ICEFLOE_MAIL_TOKEN_FILE", str(file))
    settings, secrets = settings_of_blocks([mail])
    assert settings == {"MAIL": MailSettings(mail_port=2525)}
    assert secrets == {"MAIL": {"mail_token": "t0ken"}}


def test_a_setting_that_does_not_fit_a_block_is_refused_with_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_MAIL_PORT", "none")
    with pytest.raises(SettingsError, match=r"^settings of block type MAIL: ICEFLOE_MAIL_PORT: should be a val"):
        settings_of_blocks([mail])


def test_a_value_that_can_not_be_used_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_MAIL_URL", "ada:s3cret@mail.example")
    monkeypatch.setenv("ICEFLOE_LEASE", "s3cret")
    with pytest.raises(SettingsError) as caught:
        settings_of_blocks([mail])
    assert str(caught.value) == "settings of block type MAIL: ICEFLOE_MAIL_URL: should begin with smtp"
    with pytest.raises(SettingsError) as caught:
        EngineSettings.load()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_stores_place_is_shown_without_its_password() -> None:
    for password in ("s3cret", "s3@cret", "s3/cret", "s3?c@ret"):
        settings = EngineSettings(store=f"mongodb://ada:{password}@db.example:27017/x")
        assert settings.place == "mongodb://ada:…@db.example:27017/x"
    options = "?tls=true&tlsCertificateKeyFilePassword={0}&replicaSet=r&authMechanismProperties=AWS_SESSION_TOKEN:{0}"
    settings = EngineSettings(store="mongodb://db/x" + options.format("s3cret"))
    assert settings.place == "mongodb://db/x" + options.format("…").replace("AWS_SESSION_TOKEN:", "")
    assert EngineSettings().place == "sqlite:///.icefloe/icefloe.db"
