"""`keys create`, `keys list` and `keys revoke`."""

import asyncio
import json

import pytest

from api.auth_keys import ApiKeys
from api.principal import Role
from api.problems import Problem
from tests.icefloe.cli.desk import Desk, Ended


def make(desk: Desk, *options: str) -> Ended:
    ended = desk("keys", "create", "--subject", "ci@example.org", "--role", "requester", *options)
    assert ended.status == 0, ended.err
    return ended


def test_a_key_is_shown_once_and_works(desk: Desk) -> None:
    options = ("--role", "viewer", "--group", "robots", "--tenant", "finance", "--label", "nightly", "--as", "root")
    [made] = make(desk, *options, "--json").lines
    store = desk.store()
    try:
        who = asyncio.run(ApiKeys(store).principal(made["token"]))
    finally:
        store.close()
    assert (who.subject, who.tenant, who.groups) == ("ci@example.org", "finance", ("robots",))
    assert who.roles == {Role.REQUESTER, Role.VIEWER}
    assert (made["label"], made["created_by"]) == ("nightly", "root")
    assert made["expires_at"] - made["created_at"] == 90 * 86400
    listed = desk("keys", "list", "--json")
    assert listed.lines == [{key: value for key, value in made.items() if key != "token"} | {"valid": True}]
    secret = made["token"][-43:]
    assert secret not in listed.out
    assert all(secret.encode() not in path.read_bytes() for path in (desk.folder / "store").iterdir())


def test_a_person_reads_the_key_and_nothing_else_on_standard_output(desk: Desk) -> None:
    made = make(desk)
    assert made.out.startswith("icf_")
    assert len(made.out.split()) == 1
    assert "shown once" in made.err
    listed = desk("keys", "list")
    assert "ci@example.org" in listed.out
    assert "expires in" in listed.out
    assert made.out.strip() not in listed.out


def test_a_key_may_work_for_another_time_or_for_ever(desk: Desk) -> None:
    [short] = make(desk, "--expires", "12h", "--json").lines
    [never] = make(desk, "--expires", "never", "--json").lines
    assert short["expires_at"] - short["created_at"] == 12 * 3600
    assert never["expires_at"] is None
    assert "never expires" in desk("keys", "list").out


def test_a_revoked_key_works_no_more_and_may_be_revoked_again(desk: Desk) -> None:
    [made], [other] = (make(desk, "--json").lines for _ in range(2))
    ended = desk("keys", "revoke", made["id"])
    assert ended.status == 0
    assert ended.out == f"{made['id']} is revoked, within 5 s everywhere\n"
    assert desk("keys", "revoke", made["id"], other["token"]).out.splitlines() == [
        f"{made['id']} was revoked already",
        f"{other['id']} is revoked, within 5 s everywhere",
    ]
    store = desk.store()
    try:
        with pytest.raises(Problem):
            asyncio.run(ApiKeys(store).principal(made["token"]))
    finally:
        store.close()
    assert [line["valid"] for line in desk("keys", "list", "--json").lines] == [False, False]
    assert desk("keys", "list").out.count("revoked") == 2


def test_if_one_of_the_keys_is_not_there_none_is_revoked(desk: Desk) -> None:
    [made] = make(desk, "--json").lines
    ended = desk("keys", "revoke", made["id"], "icf_0000000000000000_secret", "--json")
    assert (ended.status, ended.error["code"]) == (1, "UNKNOWN_KEY")
    assert "secret" not in json.dumps(ended.error), "it may have been a token"
    assert [line["valid"] for line in desk("keys", "list", "--json").lines] == [True]


def test_only_keys_of_one_tenant_are_listed(desk: Desk) -> None:
    make(desk, "--tenant", "finance")
    make(desk)
    assert len(desk("keys", "list", "--json").lines) == 2
    assert [line["tenant"] for line in desk("keys", "list", "--tenant", "finance", "--json").lines] == ["finance"]
    assert "no API keys" in desk("keys", "list", "--tenant", "other").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--role", "viewer"), "--subject"),
        (("--subject", "a"), "--role"),
        (("--subject", "a", "--role", "king"), "king"),
        (("--subject", " ", "--role", "viewer"), "a subject is a text with at least one character"),
        (("--subject", "a", "--role", "viewer", "--tenant", "a b"), "a tenant is a letter"),
        (("--subject", "a", "--role", "viewer", "--group", ""), "a group is a text"),
        (("--subject", "a", "--role", "viewer", "--expires", "soon"), "--expires: 'soon' is not a duration"),
        (("--subject", "a", "--role", "viewer", "--expires", "0s"), "of no use"),
        (("--subject", "a", "--role", "viewer", "--label", "x" * 201), "--label: has 201 characters"),
    ],
)
def test_what_can_not_be_is_wrong_usage(desk: Desk, options: tuple[str, ...], sentence: str) -> None:
    ended = desk("keys", "create", *options)
    assert ended.status == 2
    assert sentence in ended.err
