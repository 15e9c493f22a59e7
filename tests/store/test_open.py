"""A store is opened by its URL, and a URL that names none gets a sentence."""

from pathlib import Path

import pytest

from store.open import open_store
from store.protocol import StoreError


def test_three_slashes_name_a_relative_path_and_four_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///.icefloe/relative.db").close()
    open_store(f"sqlite:///{tmp_path}/absolute.db").close()
    assert (tmp_path / ".icefloe" / "relative.db").exists()
    assert (tmp_path / "absolute.db").exists()


@pytest.mark.parametrize("name", ["a b.db", "ünï.db", "100%.db", "a%20b.db", "it's?.db", "#1.db", "a&mode=ro.db"])
def test_any_file_name_can_be_written_in_a_url(tmp_path: Path, name: str) -> None:
    quoted = name.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    open_store(f"sqlite:///{tmp_path}/{quoted}").close()
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgres://olga:secret@db/x", "'postgres' is not a kind of store"),
        ("icefloe.db", "'icefloe.db' is not the URL of a store"),
        ("", "'' is not the URL of a store"),
        ("//olga:secret@db/x", "'this' is not a kind of store"),
        ("sqlite://", "doesn't name a file"),
        ("sqlite:///", "doesn't name a file"),
        ("sqlite://icefloe.db", "doesn't name a file"),
        ("sqlite:///a.db?mode=ro", "doesn't name a file"),
        ("sqlite:///a%00.db", "doesn't name a file"),
        ("http://[", "not the URL of a store"),
    ],
)
def test_what_is_no_store_gets_a_sentence_with_the_right_form_and_no_password(url: str, sentence: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert sentence in str(caught.value)
    assert "sqlite:///relative/path" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_store_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .*icefloe\.db: start an engine first"):
        open_store(f"sqlite:///{tmp_path}/new/icefloe.db", create=False)
    assert list(tmp_path.iterdir()) == []
    open_store(f"sqlite:///{tmp_path}/icefloe.db").close()
    open_store(f"sqlite:///{tmp_path}/icefloe.db", create=False).close()
