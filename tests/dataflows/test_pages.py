"""A store's feed, page by page: what is bookmarked when, and what is read when changes have been lost."""

from collections.abc import Iterator

import pytest

from dataflows import metrics
from dataflows import pages as module
from dataflows.pages import Page, Pages
from engine.transitions import RunCancelled
from store.protocol import BEGINNING, Position, StoreUnavailable
from tests.dataflows.driver import Rig


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)


def all_of(pages: Pages) -> Iterator[Page]:
    """Every page there is, each done before the next."""
    while (page := pages.read()) is not None:
        yield page
        pages.done(page)


def ids(pages: Pages) -> list[str]:
    return [change.id for page in all_of(pages) for change in page.changes if change.entity == "run"]


def test_every_change_is_read_once_and_from_the_bookmark_on_after_a_restart(rig: Rig) -> None:
    for name in "rst":
        rig.start(name, "a")
    assert ids(Pages(rig.people, "relay")) == ["r", "s", "t"]
    assert ids(Pages(rig.people, "another")) == ["r", "s", "t"]
    rig.start("u", "a")
    again = ids(Pages(rig.people, "relay"))
    assert again == ["t", "u"], "the last page wasn't bookmarked yet"


def test_a_page_is_bookmarked_when_the_next_has_been_read_and_only_if_it_is_done(rig: Rig) -> None:
    for name in "rs":
        rig.start(name, "a")
    pages = Pages(rig.people, "relay")
    first = pages.read()
    assert first is not None
    assert rig.people.bookmarked("relay") == BEGINNING
    pages.done(first)
    assert rig.people.bookmarked("relay") == BEGINNING
    second = pages.read()
    assert second is not None
    assert rig.people.bookmarked("relay") == first.position
    pages.bookmark()
    assert rig.people.bookmarked("relay") == first.position
    pages.done(second)
    pages.bookmark()
    assert rig.people.bookmarked("relay") == second.position == rig.people.position()


def test_the_last_page_is_bookmarked_after_a_while_without_another(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    rig.start("r", "a")
    pages = Pages(rig.people, "relay")
    list(all_of(pages))
    assert rig.people.bookmarked("relay") == BEGINNING
    now += module.QUIET_SECONDS
    assert pages.read() is None
    assert rig.people.bookmarked("relay") == rig.people.position()


def test_a_page_that_a_store_which_goes_away_could_not_bookmark_is_read_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start("r", "a")
    pages = Pages(rig.people, "relay")
    with monkeypatch.context() as patched:

        def away(_reader: str, _position: Position) -> None:
            raise StoreUnavailable("nobody home")

        patched.setattr(rig.people, "bookmark", away)
        with pytest.raises(StoreUnavailable):
            pages.read()
    assert ids(pages) == ["r"]


def test_when_changes_are_lost_every_live_run_is_read_instead_and_then_what_comes_later(rig: Rig) -> None:
    for name in "rstuv":
        rig.start(name, "a", tenant="another" if name == "s" else "default")
    rig.do("t", RunCancelled())
    pages = Pages(rig.people, "relay")
    pages._position = "of another store"
    before = metrics.HISTORY_LOST._value.get()
    found = [(change.id, change.revision, change.transition) for page in all_of(pages) for change in page.changes]
    assert sorted(found) == [(name, 1, None) for name in "rsuv"]
    assert metrics.HISTORY_LOST._value.get() == before + 1
    rig.start("w", "a")
    assert ids(pages) == ["w"]
