"""`doctor` about the HTTP API: settings that don't fit one another, and an API that nobody could use."""

import pytest

from tests.icefloe.cli.desk import Desk

KEY = "0123456789abcdef0123456789abcdef"


def told(desk: Desk) -> list[tuple[str, str]]:
    """What is found about the API: verdict and sentence."""
    return [(one["verdict"], one["sentence"]) for one in desk("doctor", "--json").lines if one["check"] == "api"]


def test_it_says_where_the_api_would_listen_and_that_nobody_has_a_key(desk: Desk) -> None:
    desk.save()
    [(verdict, sentence)] = told(desk)
    assert verdict == "fine"
    assert sentence == "would listen on 127.0.0.1:8080, with authentication by keys; there is no key yet"


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        ({"API_AUTH": "none", "API_HOST": "0.0.0.0"}, "wrong", "makes everybody an admin"),  # noqa: S104 - refused
        ({"API_AUTH": "oidc"}, "wrong", "needs ICEFLOE_API_OIDC"),
        ({"API_OIDC": '{"issuer": "https://login.example.org", "audience": "a"}'}, "doubtful", "lets nobody in by it"),
        ({"API_HOST": "0.0.0.0", "API_RATE": "0"}, "doubtful", "without limit"),  # noqa: S104 - only looked at
        ({"LINK_KEY": KEY}, "doubtful", "without ICEFLOE_PUBLIC_URL"),
        ({"PUBLIC_URL": "https://icefloe.example.org"}, "doubtful", "without ICEFLOE_LINK_KEY"),
        ({"PUBLIC_URL": "http://icefloe.example.org", "LINK_KEY": KEY}, "doubtful", "in the clear"),
        ({"PUBLIC_URL": "http://localhost:8080", "LINK_KEY": KEY}, "fine", "would listen"),
        ({"PUBLIC_URL": "https://icefloe.example.org", "LINK_KEY": KEY}, "fine", "would listen"),
    ],
)
def test_settings_that_do_not_fit_one_another_are_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], verdict: str, words: str
) -> None:
    desk.save()
    for name, value in settings.items():
        monkeypatch.setenv(f"ICEFLOE_{name}", value)
    [(found, sentence)] = told(desk)
    assert found == verdict, sentence
    assert words in sentence
    assert KEY not in sentence


def test_a_key_for_links_that_is_too_short_is_refused_by_every_command(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICEFLOE_LINK_KEY", f"{KEY}, short-secret")
    ended = desk("runs")
    assert ended.status == 1
    assert ended.err.startswith("error: settings: ICEFLOE_LINK_KEY: key 2 of 2 has 12 characters")
    assert "short-secret" not in ended.err
