"""What the process says of itself."""

from tests.api.conftest import Desk


def test_who_asks_is_told_who_he_is(desk: Desk) -> None:
    assert desk.ask("ada", "viewer", "approver", groups=("stewards",)).get("/v1/me") == {
        "subject": "ada",
        "tenant": "default",
        "roles": ["approver", "viewer"],
        "groups": ["stewards"],
    }


def test_who_has_no_role_is_refused_with_a_problem_document(desk: Desk) -> None:
    answer = desk.ask("eve").ask("GET", "/v1/me")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["code"] == "role-missing"
    assert answer.json()["instance"] == "/v1/me"
