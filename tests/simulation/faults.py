"""Planted faults: each switches one rule off, and names the check that must notice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import dataflows.calls
import dataflows.orchestrate
import dataflows.shell
from blocks.contract import BlockContext
from dataflows.calls import Calls
from dataflows.lease import Lease
from dataflows.orchestrate import Orchestrator
from dataflows.slots import Slots
from engine import controls, machine, results, settle, signals
from engine.draft import Draft
from engine.outcomes import Rejected, Touched
from engine.statuses import TaskStatus
from engine.transitions import (
    SignalReceived,
    TaskClaimed,
    TaskFailed,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
)
from tests.simulation.connection import Connection
from tests.simulation.database import Database
from tests.simulation.scenarios import CHAOS, CHILDREN, EMBEDDED, KILLER, REMOTE, SLOW_NETWORK, Scenario
from tests.simulation.simulation import Simulation

RESULTS = (TaskSucceeded, TaskFailed, TaskSkipped, TaskTimedOut, TaskSuspended)


@dataclass(frozen=True)
class Fault:
    """A rule that is switched off, the check that notices, and what to simulate so that it has to."""

    plant: Callable[[pytest.MonkeyPatch], None]
    caught_by: str
    scenario: Scenario = CHAOS

    @property
    def name(self) -> str:
        """What is wrong."""
        return self.plant.__name__.replace("_", " ")


def fault(caught_by: str, scenario: Scenario = CHAOS) -> Callable[[Callable[[pytest.MonkeyPatch], None]], Fault]:
    """Make a function that plants a fault one of `FAULTS`."""

    def decorate(plant: Callable[[pytest.MonkeyPatch], None]) -> Fault:
        FAULTS.append(Fault(plant, caught_by, scenario))
        return FAULTS[-1]

    return decorate


FAULTS: list[Fault] = []


def _instead(patch: pytest.MonkeyPatch, kinds: tuple[type, ...], change: Callable[[Draft, Any], Any]) -> None:
    """Let transitions of these kinds be judged as if they were others."""

    def changing(rule: Callable[..., Any]) -> Callable[..., Any]:
        return lambda draft, transition, at, luck: rule(draft, change(draft, transition), at, luck)

    for kind in kinds:
        patch.setitem(machine._RULES, kind, changing(machine._RULES[kind]))


# Claims and results.


@fault("LATE_ACCEPTED", REMOTE)
def a_result_counts_with_any_token(patch: pytest.MonkeyPatch) -> None:
    def change(draft: Draft, result: Any) -> Any:
        claim = draft.tasks[result.task].claim
        return result if claim is None else result._replace(token=claim.token)

    _instead(patch, RESULTS, change)


@fault("CLAIM_OVER_CLAIM")
def a_task_is_claimed_although_it_is_not_ready(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(results, "_unclaimable", lambda *_: None)


@fault("CLAIM_IN_PAUSE", SLOW_NETWORK)
def a_task_is_claimed_although_its_run_is_paused(patch: pytest.MonkeyPatch) -> None:
    unclaimable = results._unclaimable

    def unpaused(draft: Draft, *rest: Any) -> Rejected | None:
        paused, draft.paused = draft.paused, False
        try:
            return unclaimable(draft, *rest)
        finally:
            draft.paused = paused

    patch.setattr(results, "_unclaimable", unpaused)


@fault("STALE_CLAIM", replace(SLOW_NETWORK, engines=3))
def a_claim_from_before_counts(patch: pytest.MonkeyPatch) -> None:
    def change(draft: Draft, claim: TaskClaimed) -> TaskClaimed:
        task = draft.tasks[claim.task]
        return claim._replace(generation=task.generation, step=task.step, attempt=task.attempt + 1)

    _instead(patch, (TaskClaimed,), change)


@fault("FALSE_REJECTION")
def a_result_said_again_is_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(results, "_with", lambda *_: ())


@fault("ATTEMPT_CHARGED")
def a_call_that_was_given_back_costs_an_attempt(patch: pytest.MonkeyPatch) -> None:
    given_back = results._given_back
    patch.setattr(results, "_given_back", lambda task, at: given_back(task, at)._replace(attempt=task.attempt))


@fault("LOST_COUNT")
def lost_claims_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(results, "LOST_AT_MOST", 1_000)


@fault("LOST_DECISION")
def a_lost_claim_takes_the_inbox_along(patch: pytest.MonkeyPatch) -> None:
    given_back = results._given_back
    patch.setattr(results, "_given_back", lambda task, at: given_back(task, at)._replace(inbox=()))


@fault("UNFINISHED")
def cancelling_spares_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(controls, "FINAL_TASK", frozenset())


# Signals.


@fault("STALE_SIGNAL")
def a_decision_counts_in_any_generation(patch: pytest.MonkeyPatch) -> None:
    def change(draft: Draft, sent: SignalReceived) -> SignalReceived:
        return sent._replace(signal=sent.signal._replace(generation=draft.tasks[sent.task].generation))

    _instead(patch, (SignalReceived,), change)


@fault("DOUBLE_SIGNAL")
def a_decision_sent_again_is_another_one(patch: pytest.MonkeyPatch) -> None:
    def change(draft: Draft, sent: SignalReceived) -> SignalReceived:
        task = draft.tasks[sent.task]
        others = tuple(one for one in task.accepted if one.id != sent.signal.id)
        draft.tasks[sent.task] = task._replace(accepted=others)
        return sent

    _instead(patch, (SignalReceived,), change)
    patch.setattr(signals, "_unwanted", lambda *_: None)


@fault("NOT_ALLOWED")
def anybody_may_decide(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signals, "_unwanted", lambda *_: None)


@fault("ORDER")
def the_newest_decision_is_processed_first(patch: pytest.MonkeyPatch) -> None:
    received = signals.received

    def reversing(draft: Draft, sent: SignalReceived, at: float, luck: float) -> Any:
        kind = received(draft, sent, at, luck)
        if isinstance(kind, str):
            task = draft.tasks[sent.task]
            draft.put(sent.task, task._replace(inbox=(*task.inbox[-1:], *task.inbox[:-1])))
        return kind

    patch.setitem(machine._RULES, SignalReceived, reversing)


@fault("LOST_DECISION")
def an_expiry_overtakes_a_decision(patch: pytest.MonkeyPatch) -> None:
    _instead(patch, RESULTS, _without_inbox)


@fault("LOST_DECISION")
def an_expiry_is_processed_before_the_decisions(patch: pytest.MonkeyPatch) -> None:
    phase = Draft._phase

    def wake_first(draft: Draft, name: str, old: Any, new: Any) -> Any:
        found = phase(draft, name, old, new)
        return "wake" if found == "signal" and new.due else found

    patch.setattr(Draft, "_phase", wake_first)
    _instead(patch, RESULTS, _without_inbox)


def _without_inbox(draft: Draft, result: Any) -> Any:
    task = draft.tasks[result.task]
    if task.claim is not None and task.claim.phase == "wake":
        draft.tasks[result.task] = task._replace(inbox=())
    return result


@fault("STUCK", CHILDREN)
def a_child_that_ends_early_is_not_heard(patch: pytest.MonkeyPatch) -> None:
    untimely = signals.untimely

    def deaf(draft: Draft, name: str, task: Any, *signal: Any) -> Rejected | None:
        if task.wants is None and task.status is TaskStatus.RUNNING:
            return Rejected("NOT_WAITING", "it waits for nothing yet")
        return untimely(draft, name, task, *signal)

    patch.setattr(signals, "untimely", deaf)


# Waking.


@fault("NO_WAKE")
def nobody_looks_after_what_runs(patch: pytest.MonkeyPatch) -> None:
    wake_at = settle._wake_at

    def forgetful(draft: Draft, at: float, luck: float) -> float | None:
        running, draft.running = draft.running, 0
        try:
            return wake_at(draft, at, luck)
        finally:
            draft.running = running

    patch.setattr(settle, "_wake_at", forgetful)


@fault("TOUCH")
def a_wake_up_in_vain_puts_nothing_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(controls, "_touch", lambda *_: Touched())


@fault("NO_WAKE")
def a_run_that_ended_forgets_its_parent(patch: pytest.MonkeyPatch) -> None:
    wake_at = settle._wake_at
    patch.setattr(settle, "_wake_at", lambda draft, *rest: None if draft.unfinished == 0 else wake_at(draft, *rest))


@fault("STUCK", CHILDREN)
def a_parent_is_told_after_that_was_recorded(patch: pytest.MonkeyPatch) -> None:
    tell = dataflows.orchestrate._tell_parent
    patch.setattr(dataflows.orchestrate, "_tell_parent", lambda run: tell(run)[::-1])


@fault("EARLY_TIMER", REMOTE)
def the_time_is_that_of_whoever_writes(patch: pytest.MonkeyPatch) -> None:
    begin = Simulation.run

    def with_their_clocks(simulation: Simulation) -> Any:
        def clock(writer: str | None) -> float:
            skews = {one.shell.lease.owner: simulation.skews[one.number] for one in simulation.processes}
            return simulation.world.now + skews.get(writer or "", 0.0)

        simulation.database.clock = clock
        return begin(simulation)

    patch.setattr(Simulation, "run", with_their_clocks)


@fault("STUCK")
def a_run_that_was_touched_is_handed_to_nobody(patch: pytest.MonkeyPatch) -> None:
    wake = Connection.wake

    def in_vain(connection: Connection, limit: int) -> list[Any]:
        wake(connection, limit)
        return []

    patch.setattr(Connection, "wake", in_vain)


# Engines.


@fault("START_UNDER_DEAD_OWNER", REMOTE)
def a_call_begins_without_a_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "covers", lambda *_: True)


@fault("START_UNDER_DEAD_OWNER", REMOTE)
def a_call_begins_under_a_lease_of_another_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "covers", lambda lease, _claim: lease.holds())


@fault("JUDGED_TOO_EARLY")
def an_engine_judges_others_right_after_an_outage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "_bury", lambda lease: lease._store.bury(by_time=True))


@fault("JUDGED_TOO_EARLY", REMOTE)
def an_engine_judges_others_after_it_slept_through_an_outage(patch: pytest.MonkeyPatch) -> None:
    always_in_contact = property(lambda _: float("inf"), lambda *_: None)
    patch.setattr(Lease, "_last_contact", always_in_contact, raising=False)


@fault("LOST_ALIVE")
def claims_of_living_engines_are_lost_too(patch: pytest.MonkeyPatch) -> None:
    wake = Database.wake

    def ruthless(database: Database, limit: int, writer: str | None) -> list[Any]:
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(Database, "lives", lambda *_: False)
            return wake(database, limit, writer)

    patch.setattr(Database, "wake", ruthless)


@fault("DOUBLE_CALL")
def a_call_begins_twice(patch: pytest.MonkeyPatch) -> None:
    start = Calls.start

    def twice(calls: Calls, type_: str, begun: list[Any]) -> None:
        start(calls, type_, begun)
        start(calls, type_, begun)

    patch.setattr(Calls, "start", twice)


@fault("STUCK", SLOW_NETWORK)
def a_forgotten_claim_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Orchestrator, "_orphans", lambda *_: [])


@fault("CAPACITY")
def calls_are_made_without_a_free_slot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slots, "take", lambda *_: True)


@fault("INNOCENT_LOST", KILLER)
def suspects_are_called_all_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dataflows.shell, "DEATHS", 1_000)


@fault("KEYS")
def every_attempt_has_its_own_key(patch: pytest.MonkeyPatch) -> None:
    def numbered(*, idempotency_key: str, attempt: int, **rest: Any) -> Any:
        return BlockContext(idempotency_key=f"{idempotency_key}/{attempt}", attempt=attempt, **rest)

    patch.setattr(dataflows.calls, "BlockContext", numbered)


@fault("ACCEPTED_LOST", EMBEDDED)
def results_are_written_like_claims(patch: pytest.MonkeyPatch) -> None:
    apply = Connection.apply
    patch.setattr(Connection, "apply", lambda connection, proposals, **_: apply(connection, proposals, durable=False))


# Books.


@fault("REV_GAP")
def a_revision_is_left_out(patch: pytest.MonkeyPatch) -> None:
    close = Draft.close

    def hasty(draft: Draft, kind: str, *rest: Any, **named: Any) -> Any:
        draft.revision += kind == "TaskSucceeded"
        return close(draft, kind, *rest, **named)

    patch.setattr(Draft, "close", hasty)


@fault("FOLD")
def the_journal_leaves_out_what_followed(patch: pytest.MonkeyPatch) -> None:
    close = Draft.close

    def terse(*given: Any, **named: Any) -> Any:
        entry = close(*given, **named)
        return entry._replace(tasks={name: status for name, status in entry.tasks.items() if name == entry.task})

    patch.setattr(Draft, "close", terse)


@fault("RESTORE")
def a_ready_task_is_forgotten_when_a_callback_comes(patch: pytest.MonkeyPatch) -> None:
    phase = Draft._phase

    def forgetful(draft: Draft, name: str, old: Any, new: Any) -> Any:
        return None if old.status is new.status is TaskStatus.PENDING else phase(draft, name, old, new)

    patch.setattr(Draft, "_phase", forgetful)
