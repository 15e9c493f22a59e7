"""Links: what is signed can be read, and nothing else can."""

import hmac
import string
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.links import KEY_CHARS, TOKEN_CHARS, BadLink, Link, keys_of, read, sign, signal_id, url

KEY = "k" * KEY_CHARS
OTHER = "o" * KEY_CHARS
LINK = Link("run-1", "ask", 1, "ada@example.org", "approve", 2_000_000_000.0)
NOW = 1_800_000_000.0
TEXTS = st.text(max_size=60)


def fault(token: str, *keys: str, at: float = NOW) -> str:
    """The code with which a token is refused."""
    with pytest.raises(BadLink) as refused:
        read(token, keys or (KEY,), at)
    assert str(refused.value)
    return refused.value.code


def test_a_link_is_read_as_it_was_signed() -> None:
    assert read(sign(LINK, KEY), [KEY], NOW) == LINK


@given(
    link=st.builds(Link, TEXTS, TEXTS, st.integers(1, 99), TEXTS, st.sampled_from(["approve", "reject"]), st.just(2e9))
)
def test_any_names_can_be_signed_and_stand_in_a_url_as_they_are(link: Link) -> None:
    token = sign(link, KEY)
    assert set(token) <= {*string.ascii_letters, *string.digits, *"-_."}
    assert read(token, [KEY], NOW) == link


def test_a_token_with_any_byte_changed_is_refused() -> None:
    token = sign(LINK, KEY)
    for place in range(len(token)):
        for flip in range(8):
            changed = token[:place] + chr(ord(token[place]) ^ 1 << flip) + token[place + 1 :]
            assert fault(changed) in {"FORGED", "MALFORMED"}


@pytest.mark.parametrize("cut", [1, 2, 10, 43, 44, 100])
def test_a_token_that_was_cut_is_refused(cut: int) -> None:
    token = sign(LINK, KEY)
    assert fault(token[:-cut]) == fault(token[cut:]) or fault(token[:-cut]) == "MALFORMED"


@pytest.mark.parametrize("token", ["", ".", "a.b", "ä" * 60, "a" * (TOKEN_CHARS + 1), f"{'a' * 9}.{'b' * 43}\n"])
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert fault(token) == "MALFORMED"


def test_a_link_can_be_used_until_it_expires() -> None:
    token = sign(LINK, KEY)
    assert read(token, [KEY], LINK.expires_at - 0.001) == LINK
    assert fault(token, at=LINK.expires_at) == "EXPIRED"
    with pytest.raises(BadLink, match="until 2033-05-18 03:33 UTC"):
        read(token, [KEY], LINK.expires_at)


def test_a_forged_link_is_refused_as_forged_even_if_it_has_expired_too() -> None:
    assert fault(sign(LINK, OTHER), at=LINK.expires_at) == "FORGED"


def test_keys_are_rotated_by_adding_the_new_one_in_front() -> None:
    old = sign(LINK, OTHER)
    assert fault(old) == "FORGED"
    assert read(old, [KEY, OTHER], NOW) == LINK
    assert read(sign(LINK, KEY), [KEY, OTHER], NOW) == LINK
    with pytest.raises(BadLink):
        read(old, [], NOW)


def test_what_the_key_signed_for_another_purpose_is_no_link() -> None:
    payload = sign(LINK, KEY).partition(".")[0]
    for prefix in ("", "icefloe session 1\n", "icefloe decision link 2\n"):
        signature = urlsafe_b64encode(hmac.digest(KEY.encode(), (prefix + payload).encode(), sha256)).rstrip(b"=")
        assert fault(f"{payload}.{signature.decode()}") == "FORGED"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"nonsense", b'{"run": 1}', b"\xff"])
def test_what_was_signed_but_is_no_link_is_malformed(content: bytes) -> None:
    payload = urlsafe_b64encode(content).rstrip(b"=").decode() or "AAAAA"  # one letter too many for base64
    signed = hmac.digest(KEY.encode(), b"icefloe decision link 1\n" + payload.encode(), sha256)
    assert fault(f"{payload}.{urlsafe_b64encode(signed).rstrip(b'=').decode()}") == "MALFORMED"


@pytest.mark.parametrize("key", ["", "k" * (KEY_CHARS - 1)])
def test_a_key_that_is_too_short_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        sign(LINK, key)
    with pytest.raises(ValueError, match="32 characters"):
        read(sign(LINK, KEY), [key], NOW)


def test_the_setting_may_hold_several_keys_none_of_them_short_and_its_error_shows_none() -> None:
    assert keys_of(KEY) == (KEY,)
    assert keys_of(f"{KEY}, {OTHER}") == (KEY, OTHER)
    for text in ("", f"{KEY},", f"{KEY},secret"):
        with pytest.raises(ValueError, match="32 at least") as refused:
            keys_of(text)
        assert "secret" not in str(refused.value)


def test_a_link_with_names_too_long_to_be_clicked_is_not_made() -> None:
    with pytest.raises(ValueError, match="4,096 characters at most"):
        sign(Link("r" * TOKEN_CHARS, "ask", 1, "ada", "approve", NOW), KEY)


def test_following_a_link_twice_sends_one_signal_and_each_link_sends_another() -> None:
    token = sign(LINK, KEY)
    assert signal_id(token) == signal_id(sign(LINK, OTHER))
    other = Link("run-1", "ask", 1, "ada@example.org", "reject", 2_000_000_000.0)
    assert signal_id(token) != signal_id(sign(other, KEY))
    assert len(signal_id(token)) <= 255


@pytest.mark.parametrize("public", ["https://icefloe.example.org", "https://icefloe.example.org/"])
def test_a_link_leads_to_the_server_s_page_for_it(public: str) -> None:
    assert url(public, "abc.def") == "https://icefloe.example.org/links/abc.def"
