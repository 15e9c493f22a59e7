"""Planted faults: each switches one rule off, and names the check that must notice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import dataflows.calls
import dataflows.orchestrate
import dataflows.shell
from blocks.contract import BlockContext
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
from tests.simulation.simulation import CHAOS, Scenario, Simulation

REMOTE = Scenario(embedded=False, topic=False, engines=3, misfortunes=30)
SLOW_NETWORK = Scenario(embedded=False, late=0.5, misfortunes=0, runs=8)
RESULTS = (TaskSucceeded, TaskFailed, TaskSkipped, TaskTimedOut, TaskSuspended)
KILLERS = Scenario(
    embedded=True, topic=False, engines=1, kinds=(("KILLER",), *(("SLOW",) * 3,) * 6), faults=False, deadly=1
)


class Patch(Protocol):
    """What pytest's `monkeypatch` offers."""

    def setattr(self, target: object, name: str, value: object) -> None:
        """Replace an attribute until the end of the test."""

    def setitem(self, dic: Any, name: object, value: object) -> None:
        """Replace an item until the end of the test."""


@dataclass(frozen=True)
class Fault:
    """A rule that is switched off, the check that notices, and what to simulate so that it has to."""

    plant: Callable[[Patch], None]
    caught_by: str
    scenario: Scenario = CHAOS

    @property
    def name(self) -> str:
        """What is wrong."""
        return self.plant.__name__.replace("_", " ")


def fault(caught_by: str, scenario: Scenario = CHAOS) -> Callable[[Callable[[Patch], None]], Fault]:
    """Make a function that plants a fault one of `FAULTS`."""

    def decorate(plant: Callable[[Patch], None]) -> Fault:
        FAULTS.append(Fault(plant, caught_by, scenario))
        return FAULTS[-1]

    return decorate


FAULTS: list[Fault] = []


def _instead(patch: Patch, kinds: tuple[type, ...], change: Callable[[Draft, Any], Any]) -> None:
    """Let transitions of these kinds be judged as if they were others."""
    for kind in kinds:
        rule = machine._RULES[kind]
        patch.setitem(
            machine._RULES,
            kind,
            lambda draft, transition, at, luck, rule=rule: rule(draft, change(draft, transition), at, luck),
        )


# Claims and results.


@fault("LATE_ACCEPTED", REMOTE)
def a_result_counts_with_any_token(patch: Patch) -> None:
    def change(draft: Draft, result: Any) -> Any:
        claim = draft.tasks[result.task].claim
        return result if claim is None else result._replace(token=claim.token)

    _instead(patch, RESULTS, change)


@fault("CLAIM_OVER_CLAIM")
def a_task_is_claimed_although_it_is_not_ready(patch: Patch) -> None:
    patch.setattr(results, "_unclaimable", lambda *_: None)


@fault("CLAIM_IN_PAUSE", SLOW_NETWORK)
def a_task_is_claimed_although_its_run_is_paused(patch: Patch) -> None:
    unclaimable = results._unclaimable

    def unpaused(draft: Draft, *rest: Any) -> Rejected | None:
        paused, draft.paused = draft.paused, False
        try:
            return unclaimable(draft, *rest)
        finally:
            draft.paused = paused

    patch.setattr(results, "_unclaimable", unpaused)


@fault("STALE_CLAIM", SLOW_NETWORK)
def a_claim_from_before_counts(patch: Patch) -> None:
    def change(draft: Draft, claim: TaskClaimed) -> TaskClaimed:
        task = draft.tasks[claim.task]
        return claim._replace(generation=task.generation, step=task.step, attempt=task.attempt + 1)

    _instead(patch, (TaskClaimed,), change)


@fault("FALSE_REJECTION")
def a_result_said_again_is_refused(patch: Patch) -> None:
    patch.setattr(results, "_with", lambda *_: ())


@fault("ATTEMPT_CHARGED")
def a_call_that_was_given_back_costs_an_attempt(patch: Patch) -> None:
    given_back = results._given_back
    patch.setattr(results, "_given_back", lambda task, at: given_back(task, at)._replace(attempt=task.attempt))


@fault("LOST_COUNT")
def lost_claims_are_not_counted(patch: Patch) -> None:
    patch.setattr(results, "LOST_AT_MOST", 1_000)


@fault("LOST_DECISION")
def a_lost_claim_takes_the_inbox_along(patch: Patch) -> None:
    given_back = results._given_back
    patch.setattr(results, "_given_back", lambda task, at: given_back(task, at)._replace(inbox=()))


@fault("UNFINISHED")
def cancelling_spares_nothing(patch: Patch) -> None:
    patch.setattr(controls, "FINAL_TASK", frozenset())


# Signals.


@fault("STALE_SIGNAL")
def a_decision_counts_in_any_generation(patch: Patch) -> None:
    def change(draft: Draft, sent: SignalReceived) -> SignalReceived:
        return sent._replace(signal=sent.signal._replace(generation=draft.tasks[sent.task].generation))

    _instead(patch, (SignalReceived,), change)


@fault("DOUBLE_SIGNAL")
def a_decision_sent_again_is_another_one(patch: Patch) -> None:
    def change(draft: Draft, sent: SignalReceived) -> SignalReceived:
        task = draft.tasks[sent.task]
        others = tuple(one for one in task.accepted if one.id != sent.signal.id)
        draft.tasks[sent.task] = task._replace(accepted=others)
        return sent

    _instead(patch, (SignalReceived,), change)
    patch.setattr(signals, "_unwanted", lambda *_: None)


@fault("NOT_ALLOWED")
def anybody_may_decide(patch: Patch) -> None:
    patch.setattr(signals, "_unwanted", lambda *_: None)


@fault("ORDER")
def the_newest_decision_is_processed_first(patch: Patch) -> None:
    received = signals.received

    def reversing(draft: Draft, sent: SignalReceived, at: float, luck: float) -> Any:
        kind = received(draft, sent, at, luck)
        if isinstance(kind, str):
            task = draft.tasks[sent.task]
            draft.put(sent.task, task._replace(inbox=(*task.inbox[-1:], *task.inbox[:-1])))
        return kind

    patch.setitem(machine._RULES, SignalReceived, reversing)


@fault("LOST_DECISION")
def an_expiry_overtakes_a_decision(patch: Patch) -> None:
    _instead(patch, RESULTS, _without_inbox)


@fault("LOST_DECISION")
def an_expiry_is_processed_before_the_decisions(patch: Patch) -> None:
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


@fault("STUCK")
def a_child_that_ends_early_is_not_heard(patch: Patch) -> None:
    untimely = signals._untimely

    def deaf(draft: Draft, name: str, task: Any, signal: Any) -> Rejected | None:
        if task.wants is None and task.status is TaskStatus.RUNNING:
            return Rejected("NOT_WAITING", "it waits for nothing yet")
        return untimely(draft, name, task, signal)

    patch.setattr(signals, "_untimely", deaf)


# Waking.


@fault("NO_WAKE")
def nobody_looks_after_what_runs(patch: Patch) -> None:
    wake_at = settle._wake_at

    def forgetful(draft: Draft, at: float, luck: float) -> float | None:
        running, draft.running = draft.running, 0
        try:
            return wake_at(draft, at, luck)
        finally:
            draft.running = running

    patch.setattr(settle, "_wake_at", forgetful)


@fault("TOUCH")
def a_wake_up_in_vain_puts_nothing_off(patch: Patch) -> None:
    patch.setattr(controls, "_touch", lambda *_: Touched())


@fault("NO_WAKE")
def a_run_that_ended_forgets_its_parent(patch: Patch) -> None:
    wake_at = settle._wake_at
    patch.setattr(settle, "_wake_at", lambda draft, *rest: None if draft.unfinished == 0 else wake_at(draft, *rest))


@fault("STUCK", REMOTE)
def a_parent_is_told_after_that_was_recorded(patch: Patch) -> None:
    tell = dataflows.orchestrate._tell_parent
    patch.setattr(dataflows.orchestrate, "_tell_parent", lambda run: tell(run)[::-1])


@fault("EARLY_TIMER", Scenario(embedded=False))
def the_time_is_that_of_whoever_writes(patch: Patch) -> None:
    begin = Simulation.run

    def with_their_clocks(simulation: Simulation) -> Any:
        def clock(writer: str | None) -> float:
            skews = {one.shell.lease.owner: simulation.skews[one.number] for one in simulation.processes}
            return simulation.world.now + skews.get(writer or "", 0.0)

        simulation.database.clock = clock
        return begin(simulation)

    patch.setattr(Simulation, "run", with_their_clocks)


@fault("STUCK")
def a_run_that_was_touched_is_handed_to_nobody(patch: Patch) -> None:
    wake = Connection.wake

    def in_vain(connection: Connection, limit: int) -> list[Any]:
        wake(connection, limit)
        return []

    patch.setattr(Connection, "wake", in_vain)


# Engines.


@fault("START_UNDER_DEAD_OWNER", REMOTE)
def a_call_begins_without_a_lease(patch: Patch) -> None:
    patch.setattr(Lease, "covers", lambda *_: True)


@fault("START_UNDER_DEAD_OWNER", REMOTE)
def a_call_begins_under_a_lease_of_another_name(patch: Patch) -> None:
    patch.setattr(Lease, "covers", lambda lease, _claim: lease.holds())


@fault("JUDGED_TOO_EARLY")
def an_engine_judges_others_right_after_an_outage(patch: Patch) -> None:
    patch.setattr(Lease, "_bury", lambda lease: lease._store.bury(by_time=True))


@fault("STUCK", SLOW_NETWORK)
def a_forgotten_claim_is_never_given_back(patch: Patch) -> None:
    patch.setattr(Orchestrator, "_orphans", lambda *_: [])


@fault("CAPACITY")
def calls_are_made_without_a_free_slot(patch: Patch) -> None:
    patch.setattr(Slots, "take", lambda *_: True)


@fault("INNOCENT_LOST", KILLERS)
def suspects_are_called_all_at_once(patch: Patch) -> None:
    patch.setattr(dataflows.shell, "DEATHS", 1_000)


@fault("KEYS")
def every_attempt_has_its_own_key(patch: Patch) -> None:
    def numbered(*, idempotency_key: str, attempt: int, **rest: Any) -> Any:
        return BlockContext(idempotency_key=f"{idempotency_key}/{attempt}", attempt=attempt, **rest)

    patch.setattr(dataflows.calls, "BlockContext", numbered)


@fault("ACCEPTED_LOST", Scenario(embedded=True))
def results_are_written_like_claims(patch: Patch) -> None:
    apply = Connection.apply
    patch.setattr(Connection, "apply", lambda connection, proposals, **_: apply(connection, proposals, durable=False))


# Books.


@fault("FOLD")
def the_journal_leaves_out_what_followed(patch: Patch) -> None:
    close = Draft.close

    def terse(draft: Draft, kind: str, task: str | None, **rest: Any) -> Any:
        entry = close(draft, kind, task, **rest)
        return entry._replace(tasks={name: status for name, status in entry.tasks.items() if name == task})

    patch.setattr(Draft, "close", terse)


@fault("RESTORE")
def a_ready_task_is_forgotten_when_a_callback_comes(patch: Patch) -> None:
    phase = Draft._phase

    def forgetful(draft: Draft, name: str, old: Any, new: Any) -> Any:
        return None if old.status is new.status is TaskStatus.PENDING else phase(draft, name, old, new)

    patch.setattr(Draft, "_phase", forgetful)
