"""Whom a waiting task asks: by name, by group, in another's place; and who is barred."""

import pytest

from engine.asked import Voice, asks, people_asked, voice, waiting_for
from engine.outcomes import Applied, Rejected
from engine.run import TaskState
from engine.transitions import RunCancelled, Signal, SignalReceived, TaskDelegated, Wants
from tests.engine.driver import Play

APPROVE = {"decision": "approve"}


def asking(
    *people: str, groups: tuple[str, ...] | None = None, barred: tuple[str, ...] = (), approvals: int = 1
) -> Wants:
    return Wants({}, people, {"approve": approvals}, groups, barred)


def waiting(wants: Wants, *, after: float | None = None) -> Play:
    play = Play("a")
    play.suspend("a", after=after, wants=wants)
    return play


def said(play: Play, sender: str, *groups: str, id_: str = "") -> str:
    """What became of an approval: `applied`, or the code of its refusal."""
    signal = Signal(id_ or f"{sender}-{play.now}", 1, sender, APPROVE, groups=groups)
    outcome = play.propose(SignalReceived("a", signal), by=sender)
    return outcome.code if isinstance(outcome, Rejected) else "applied" if isinstance(outcome, Applied) else "duplicate"


def reason(play: Play, sender: str, *groups: str) -> str:
    """Why an approval is refused."""
    outcome = play.propose(SignalReceived("a", Signal("x", 1, sender, APPROVE, groups=groups)))
    assert isinstance(outcome, Rejected)
    return outcome.reason


def test_the_people_who_are_named_may_decide_and_nobody_else() -> None:
    play = waiting(asking("ada", "grace", approvals=2))
    assert said(play, "eve") == "NOT_ALLOWED"
    assert said(play, "eve", "stewards") == "NOT_ALLOWED"
    assert (said(play, "ada"), said(play, "ada"), said(play, "grace")) == ("applied", "ALREADY_DECIDED", "applied")


def test_a_member_of_a_group_that_is_asked_may_decide_once() -> None:
    play = waiting(asking("ada", groups=("stewards", "owners"), approvals=3))
    assert said(play, "gus") == said(play, "gus", "others") == "NOT_ALLOWED"
    assert said(play, "gus", "others", "owners") == "applied"
    assert said(play, "gus", "stewards") == "ALREADY_DECIDED"
    assert said(play, "ada", "stewards") == "applied"


def test_who_may_decide_is_named_to_who_may_not() -> None:
    play = waiting(asking("ada", groups=("stewards",)))
    assert reason(play, "eve") == "'eve' may not send this to 'a'; it waits for: ada, group stewards"


def test_the_groups_of_a_sender_are_not_kept() -> None:
    play = waiting(asking(groups=("stewards",)))
    said(play, "gus", "stewards", "secret-society")
    assert play["a"].inbox[0].groups == ()


def test_who_is_barred_may_never_decide_by_name_group_or_in_another_s_place() -> None:
    play = waiting(asking("ada", "grace", groups=("stewards",), barred=("ada",)))
    assert said(play, "ada") == said(play, "ada", "stewards") == "NOT_ALLOWED"
    assert play.refusal(TaskDelegated("a", 1, "ada", "bob")) == "NOT_ALLOWED"
    assert play.refusal(TaskDelegated("a", 1, "grace", "ada")) == "BAD_DELEGATE"
    assert people_asked(play["a"]) == ("grace",)


def test_somebody_is_barred_also_from_what_anybody_else_may_send() -> None:
    play = waiting(Wants({}, None, {"*": 2}, None, ("ada",)))
    assert said(play, "ada") == "NOT_ALLOWED"
    assert said(play, "eve") == "applied"


def test_why_somebody_is_barred_is_told() -> None:
    play = waiting(asking("ada", "grace", barred=("ada",)))
    assert reason(play, "ada") == "'ada' may not decide on 'a'"
    play.run = play.run._replace(requested_by="ada")
    assert reason(play, "ada") == "'ada' may not decide on 'a': it is his own request"
    play = waiting(asking("ada", "grace", approvals=2), after=60)
    said(play, "ada")
    play.suspend("a", wants=asking("grace", groups=("stewards",), barred=("ada",)))
    assert reason(play, "ada", "stewards") == "'ada' has already decided on 'a'"


def test_who_stands_in_for_whom_is_barred_may_not_decide() -> None:
    task = TaskState(delegated=(("bob", "ada"),))
    assert voice(task, asking("ada"), "bob", ()) == Voice("ada", "ada")
    assert voice(task, asking("ada", barred=("ada",)), "bob", ()) is None
    assert voice(task, asking("ada"), "ada", ()) is None


def test_an_empty_list_of_people_is_nobody_and_no_list_anybody() -> None:
    nobody = waiting(Wants({}, (), {"*": 1}), after=60)
    assert said(nobody, "ada") == "NOT_ALLOWED"
    assert not asks(nobody["a"])
    assert said(waiting(Wants({}, None, {"*": 1})), "ada") == "applied"


def test_those_are_asked_who_have_not_decided_and_who_stands_in_once() -> None:
    play = waiting(asking("ada", "grace", "edsger", approvals=3), after=60)
    assert people_asked(play["a"]) == ("ada", "grace", "edsger")
    play.do(TaskDelegated("a", 1, "ada", "bob"), by="ada")
    said(play, "grace")
    assert people_asked(play["a"]) == ("bob", "edsger")
    said(play, "bob")
    assert people_asked(play["a"]) == ("edsger",)


def test_a_run_waits_for_people_and_groups_until_it_is_decided() -> None:
    play = waiting(asking("ada", "grace", groups=("stewards",)))
    play.do(TaskDelegated("a", 1, "ada", "bob"), by="ada")
    assert waiting_for(play.run) == {"person:bob", "person:grace", "group:stewards"}
    play.claim("a") if play.ready else None
    said(play, "grace")
    assert waiting_for(play.run) == frozenset()
    play.do(RunCancelled())
    assert waiting_for(play.run) == frozenset()


def test_who_wants_something_new_may_ask_who_has_decided_again() -> None:
    play = waiting(asking("ada"))
    said(play, "ada", id_="first")
    play.suspend("a", wants=asking("ada", "grace", approvals=2))
    assert people_asked(play["a"]) == ("ada", "grace")
    assert said(play, "ada", id_="second") == "applied"


@pytest.mark.parametrize("pending", [False, True])
def test_who_is_asked_himself_stands_in_for_nobody_any_more(pending: bool) -> None:  # noqa: FBT001 - a parameter
    play = waiting(asking("ada", "grace", approvals=3), after=60)
    play.do(TaskDelegated("a", 1, "ada", "bob"), by="ada")
    assert play.wake()
    token = play.claim("a")
    if pending:
        assert said(play, "bob") == "applied"
    play.suspend("a", wants=asking("ada", "grace", "bob", approvals=3))
    assert token
    assert play["a"].delegated == ()
    if pending:  # his decision, which came before, is that of ada: both have had their say
        assert people_asked(play["a"]) == ("grace",)
        assert said(play, "bob") == said(play, "ada") == "ALREADY_DECIDED"
    else:
        assert people_asked(play["a"]) == ("ada", "grace", "bob")
