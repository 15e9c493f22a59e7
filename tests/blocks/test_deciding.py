"""APPROVAL on the real state machine: whatever people do in whatever order, everybody counts once and nobody is stuck.

A few people decide, hand over and let time pass, all of them at any moment, also while the block is being called.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks.approval import approval
from blocks.asking import AskingSettings
from blocks.contract import BlockContext, Expired, Failed, Outcome, Signal, Succeeded, Waiting, outcome
from engine.asked import people_asked
from engine.invariants import stuck
from engine.outcomes import Applied
from engine.transitions import (
    Error,
    Result,
    SignalReceived,
    TaskDelegated,
    TaskFailed,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Wants,
)
from engine.transitions import Signal as Sent
from tests.engine.driver import Play, task

PEOPLE = ("ada", "grace", "bob", "gus")
MEMBERS = {"gus": ("stewards",), "grace": ("stewards",)}

NO_MAILS = AskingSettings(smtp_url=SecretStr("smtp://127.0.0.1:1"))  # for nobody has an address here

NAMES = st.lists(st.sampled_from(PEOPLE[:3]), max_size=3, unique=True)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments that are valid."""
    approvers = draw(NAMES)
    groups = ["stewards"] if not approvers or draw(st.booleans()) else []
    words = ["any"] if groups else ["any", "all"]
    require: str | int = draw(st.sampled_from(words))
    if draw(st.booleans()):
        require = draw(st.integers(1, 3 if groups else len(approvers)))
    self_approval: bool = draw(st.booleans())
    arguments: dict[str, Any] = {
        "approvers": approvers,
        "groups": groups,
        "require": require,
        "self_approval": self_approval,
    }
    escalate_to = draw(NAMES)
    if escalate_to:
        arguments |= {"escalate_after": "2h", "escalate_to": escalate_to}
    if draw(st.booleans()) and approvers:
        arguments |= {"remind_every": "90m", "reminders": 2}
    if draw(st.booleans()):
        arguments["expires_in"] = "3h"
    return arguments


DEEDS = st.one_of(
    st.tuples(st.sampled_from(["approve", "reject"]), st.sampled_from(PEOPLE)),
    st.tuples(st.just("delegate"), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)),
    st.just(("work",)),
    st.just(("settle",)),
    st.just(("time",)),
)


class Asking:
    """One run with one APPROVAL, asked for by ada."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.play = Play(task("ask", type="APPROVAL"))
        self.play.run = self.play.run._replace(requested_by="ada")
        self.arguments = arguments
        self._calls: Iterator[tuple[str, Outcome]] = iter(())
        self._in_flight: tuple[str, Outcome] | None = None

    def begin(self) -> bool:
        """Begin the call that is due, and have its result at hand."""
        if self._in_flight is not None or not self.play.ready:
            return False
        dispatch = self.play.dispatch("ask")
        asked = people_asked(dispatch.state) if dispatch.phase == "wake" else None
        context = BlockContext("r/ask/1", "r", "ask", "w", requested_by="ada", asked=asked, settings=NO_MAILS)
        sent = dispatch.signal
        signal = None if sent is None else Signal(sent.id, sent.sender, 5.0, sent.data, sent.on_behalf)
        token = self.play.claim("ask")
        made = approval.bind(dispatch.phase, self.arguments, context, signal, dispatch.state.outputs)
        self._in_flight = token, _made(made)
        return True

    def end(self) -> None:
        """Record what the call came to."""
        assert self._in_flight is not None
        (token, found), self._in_flight = self._in_flight, None
        self.play.do(_result(token, found))
        self.check()

    def do(self, deed: tuple[str, ...]) -> None:
        match deed:
            case ("work",):
                self.end() if self._in_flight is not None else self.begin()
            case ("settle",):
                self.settle()
            case ("time",):
                if self.play.run.timers:
                    self.play.wake()
            case ("delegate", who, to):
                self.play.propose(TaskDelegated("ask", 1, who, to, "", MEMBERS.get(who, ())), by=who)
            case (decision, who):
                data = {"decision": decision}
                sent = Sent(f"{who}-{self.play.now}", 1, who, data, groups=MEMBERS.get(who, ()))
                self.play.propose(SignalReceived("ask", sent), by=who)
        self.check()

    def settle(self) -> None:
        """Do all that is to be done without people and time."""
        while self._in_flight is not None or self.begin():
            self.end()

    def check(self) -> None:
        assert stuck(self.play.run) is None, self.play["ask"]
        state = self.play["ask"]
        decisions = (state.outputs or {}).get("decisions", [])
        spoke = [one["who"] for one in decisions]
        voices = [one.get("on_behalf") or one["who"] for one in decisions]
        assert len(set(spoke)) == len(spoke)
        assert len(set(voices)) == len(voices)
        if not self.arguments["self_approval"]:
            assert "ada" not in {*spoke, *voices}


def _made(made: Any) -> Outcome:
    try:
        return outcome(asyncio.run(made()))
    except Exception as error:  # noqa: BLE001 - as the engine does
        return outcome(error)


def _result(token: str, found: Outcome) -> Result:
    match found:
        case Succeeded(outputs):
            return TaskSucceeded("ask", token, outputs)
        case Failed(code, message, _, outputs):
            assert code in {"REJECTED", "NO_APPROVER"}, found
            return TaskFailed("ask", token, Error(code, message), outputs=outputs)
        case Expired(reason, outputs):
            return TaskTimedOut("ask", token, reason, outputs=outputs)
        case Waiting():
            wants = None
            if found.schema is not None:
                wants = Wants(found.schema, found.senders, found.closes, found.groups, found.barred)
            return TaskSuspended("ask", token, found.until, found.after, wants, found.outputs)
    raise AssertionError(found)


@settings(max_examples=400, deadline=None)
@given(arguments=questions(), deeds=st.lists(DEEDS, max_size=25))
def test_g23_whatever_people_do_an_approval_ends_or_waits_for_somebody_who_can_decide(
    arguments: dict[str, Any], deeds: list[tuple[str, ...]]
) -> None:
    asking = Asking(arguments)
    asking.settle()
    for deed in deeds:
        asking.do(deed)
    asking.settle()
    asking.check()
    for _ in range(20):  # now everybody whom it waits for approves, and else time goes by
        state = asking.play["ask"]
        if asking.play.run.is_final:
            break
        people = people_asked(state) or tuple(
            who for who in ("gus", "hal", "ida", "jan") if state.wants is not None and state.wants.groups
        )
        before = len(state.accepted)
        for who in people:
            sent = Sent(f"end-{who}-{asking.play.now}", 1, who, {"decision": "approve"}, groups=("stewards",))
            if isinstance(asking.play.propose(SignalReceived("ask", sent)), Applied):
                break
        if len(asking.play["ask"].accepted) == before:
            assert asking.play.run.timers, (arguments, state)
            assert asking.play.wake()
        asking.settle()
    assert asking.play.run.is_final
