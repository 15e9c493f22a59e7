"""The shell of an engine process: what the operators of the dataflow share, and what they do to the store.

It decides nothing about runs, that is for `engine.machine`; it loads, claims, calls and records, in batches, and waits
patiently for a store that is away.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from threading import Event, get_ident
from time import monotonic, sleep
from typing import NamedTuple, TypeAlias, TypeVar

import structlog

from blocks.catalogue import Catalogue
from dataflows import metrics
from dataflows.calls import Call, Calls
from dataflows.kafka.connection import Kafka
from dataflows.lease import Lease
from dataflows.quarantine import DEATHS, Quarantine
from dataflows.settings import EngineSettings
from dataflows.vitals import Vitals
from engine.machine import Dispatch, ready
from engine.outcomes import Rejected
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import TaskStatus
from store.protocol import BEGINNING, Follow, Proposal, Recorded, Store, StoreError, StoreGone

E = TypeVar("E", bound=Exception)
T = TypeVar("T")

log = structlog.get_logger("engine")

_RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
_ENDING_SECONDS = 0.25  # between tries when it is about to end


class Stopped(Exception):  # noqa: N818 - it is no error that somebody asked the engine to stop
    """The engine was asked to stop, and the store didn't come back in the time that was left."""


Recordable: TypeAlias = tuple[Proposal, Call | None]
"""A transition to be recorded, and the call that it is the result of, if it is one."""


class News(NamedTuple):
    """Something happened to a run. `run` is its state if that is at hand; `woken`, that it was due to be looked at."""

    run: WorkflowRun | None
    woken: bool = False


class Shell:
    """One engine process. `kafka` is where it hears of changes; None if that is the store."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        settings: EngineSettings,
        vitals: Vitals | None = None,
        kafka: Kafka | None = None,
    ) -> None:
        self.store = store
        self.kafka = kafka
        self.catalogue = catalogue
        self.settings = settings
        self.calls = Calls(catalogue, settings)
        self.slots = self.calls.slots
        self.quarantine = Quarantine(self.calls.holds)
        self.vitals = vitals or Vitals()
        self.troubles = self.vitals.troubles
        self.lease = Lease(store, settings.lease, catalogue, lambda: self.position, self.troubles)
        self.vitals.checks |= {"lease": self.lease.lapsed, "stop": self._draining}
        self.position = BEGINNING
        self.give_up: Callable[[Exception], None] = lambda _error: None
        self.next_wake = 0.0
        self.moving = False
        self._paced: int | None = None
        self._echo: deque[WorkflowRun] = deque()
        self._granted: deque[Call] = deque()
        self._stop_at: float | None = None
        self._last_news = monotonic()
        self._ending = Event()
        self._ended = False

    def begin(self) -> None:
        """Become an owner of claims, and find where to read the feed from."""
        self.position = self.lease.begin()

    def end(self) -> None:
        """Leave; what was in flight has ended or been given back. Idempotent."""
        if self._ended:
            return
        self._ended = True
        try:
            self.lease.end()
        except StoreError as error:
            log.warning("engine_left_silently", owner=self.lease.owner, error=str(error))
        self.store.close()
        log.info("engine_ended", owner=self.lease.owner)

    def stop(self) -> None:
        """Stop taking up work, and end within the grace period. May be called from a signal handler."""
        if self._stop_at is None:
            self._stop_at = monotonic() + self.settings.drain
            self._ending.set()
            self.calls.finished.put(None)

    def hopeless(self, error: E) -> E:
        """What to raise when the engine can't go on; who started the process may end it before that."""
        if isinstance(error, StoreGone):
            log.error("store_gone", error=str(error))
        self.give_up(error)
        return error

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the engine to stop."""
        return self._stop_at is not None

    @property
    def overtime(self) -> bool:
        """Whether the grace period is over."""
        return self._stop_at is not None and monotonic() >= self._stop_at

    def _draining(self) -> str | None:
        return "it was asked to stop, and begins nothing new" if self.stopping else None

    # What the sources read.

    def pause(self) -> float:
        """Seconds to wait for the next completion before looking elsewhere.

        Not at all while something is on its way through the dataflow, since waiting would hold it up.
        """
        moving, self.moving = self.moving, False
        if moving or (self._echo and not self.stopping):
            return 0.0
        return self.pace()

    def paces(self) -> None:
        """The worker that calls this is the one whose turns take as long as `pause` says."""
        self._paced = get_ident()

    def next_turn(self, pace: float | None = None) -> datetime:
        """When a source is to be asked again: there in each turn, in another worker in so many seconds.

        A worker that waits for the later moment of one of its sources goes on asking those that named none.
        """
        if get_ident() == self._paced:
            return _AT_ONCE
        return datetime.now(UTC) + timedelta(seconds=self.pace() if pace is None else pace)

    def pace(self) -> float:
        """Seconds between two looks at the store: the shorter the more is going on."""
        quiet = monotonic() - self._last_news
        return 0.001 if quiet < 0.25 else 0.005 if quiet < 2 else 0.02  # noqa: PLR2004

    def heard(self) -> None:
        """Something is going on."""
        self._last_news = monotonic()

    def echoes(self) -> list[WorkflowRun]:
        """The runs that this process has changed since this was last asked, each in its newest state."""
        runs: dict[str, WorkflowRun] = {}
        while self._echo:
            run = self._echo.popleft()
            known = runs.get(run.id)
            if known is None or known.revision <= run.revision:
                runs[run.id] = run
        return list(runs.values())

    def released(self) -> list[str]:
        """The runs that may try again: a slot has become free, or it is their turn in the quarantine."""
        return self.slots.released() + self.quarantine.released()

    # What the operators do.

    def calls_for(self, run: WorkflowRun) -> Iterator[Call]:
        """The calls that may be claimed of a run now."""
        full: set[str] = set()
        for dispatch in ready(run):
            type_ = dispatch.type
            if type_ in full:
                continue
            call = self.prepare(dispatch)
            if call is not None:
                yield call
            elif self.slots.full(type_):
                full.add(type_)  # of a thousand tasks that wait for slots, not each has to be turned away

    def prepare(self, dispatch: Dispatch) -> Call | None:
        """A call that may be claimed, if it isn't in flight already and there is a free slot for it."""
        run, state = dispatch.run, dispatch.state
        if self.calls.holds(run.id, dispatch.task):
            self.calls.disown(run, dispatch.task)
            return None
        if state.lost >= DEATHS and not self.quarantine.admit(run.id, dispatch.task):
            return None
        if not self.slots.take(dispatch.type, run.id, run.tenant):
            return None
        claim = dispatch.claim(self.lease.token(), self.lease.owner)
        healthy = run.heal == 0 and state.lost == 0
        timed = run.plan.tasks[dispatch.task].timeout is not None  # it takes a claim to time out
        pure = self.catalogue[dispatch.type].pure
        call = self.calls.expect(dispatch, claim, unclaimed=pure and healthy and not timed)
        if call is None:
            self.slots.give(dispatch.type)
        return call

    def disown(self, run: WorkflowRun) -> None:
        """A run has ended: what is still being called for it is of no use any more."""
        for name, task in run.tasks.items():
            if task.status is TaskStatus.CANCELLED:
                self.calls.disown(run, name)

    def withdraw(self, moves: Iterable[Call | Recordable]) -> None:
        """These calls won't be made."""
        for move in moves:
            if isinstance(move, Call):
                self.calls.withdraw(move)

    def load(self, news: list[tuple[str, News]]) -> Iterable[tuple[str, News]]:
        """Read the runs that aren't at hand, in one go; those that are gone are dropped."""
        missing = {run_id for run_id, one in news if one.run is None}
        if not missing:
            return news
        loaded = self.patiently("load", lambda: self.store.load(missing))
        return [
            (run_id, one if one.run is not None else News(loaded[run_id], one.woken))
            for run_id, one in news
            if one.run is not None or run_id in loaded
        ]

    def claim(self, calls: list[tuple[str, Call]]) -> list[tuple[str, Call]]:
        """Claim calls in the store; only those that it grants go on. In a healthy run pure blocks need no claim."""
        if self.stopping or not self.lease.holds():
            self.withdraw(call for _, call in calls)
            return []
        asked = [one for one in calls if not one[1].unclaimed]
        if not asked:
            return calls
        answers = self.apply("claim", [Proposal(run_id, call.claim) for run_id, call in asked], durable=False)
        refused = set()
        for (run_id, call), answer in zip(asked, answers, strict=True):
            if isinstance(answer.outcome, Rejected):
                metrics.CLAIMS_REFUSED.inc()
                log.debug("claim_refused", run_id=run_id, task=call.task, reason=answer.outcome.reason)
                self.calls.withdraw(call)
                refused.add(call)
            elif answer.run is not None:
                call.granted = answer.run.revision
        self.hear(answers)
        return [one for one in calls if one[1] not in refused] if refused else calls

    def start(self, type_: str, calls: list[Call]) -> None:
        """Begin calls; if it is too late for that they are given back."""
        begin = []
        for call in calls:
            if self.stopping or not self.lease.covers(call.claim):
                self.calls.give_back(call)
            else:
                begin.append(call)
        if begin:
            self.calls.start(type_, begin)

    def record(self, moves: list[Recordable]) -> None:
        """Record results, and whatever else the orchestrator has to say; claim what follows from it in the same write.

        So a task in the middle of a run costs one write, and not two.
        """
        following: dict[str, list[Call]] = {}

        def follow(run: WorkflowRun) -> list[Proposal]:
            # It is asked again if somebody else wrote meanwhile, or if part of a write got there and its answer didn't.
            before = following.pop(run.id, [])
            claimed = following[run.id] = [call for call in before if _is_claimed(run, call)]
            self.withdraw(call for call in before if call not in claimed)
            if self.stopping or not self.lease.holds():
                return []
            calls = list(self.calls_for(run))
            claimed += calls
            return [Proposal(run.id, call.claim) for call in calls if not call.unclaimed]

        answers = self.apply("record", [proposal for proposal, _ in moves], durable=True, follow=follow)
        for (proposal, call), answer in zip(moves, answers, strict=True):
            if isinstance(answer.outcome, Rejected):
                metrics.RESULTS_REFUSED.labels(answer.outcome.code).inc()
                log.info(
                    "result_refused",
                    run_id=proposal.run_id,
                    transition=type(proposal.transition).__name__,
                    code=answer.outcome.code,
                    reason=answer.outcome.reason,
                )
            if call is not None:
                self.calls.forget(call)
                if isinstance(answer.outcome, JournalEntry):
                    metrics.task_ended(call.type, answer.outcome.type).inc()
        self._grant(following, answers)
        self.hear(answers)

    def _grant(self, following: Mapping[str, list[Call]], answers: Iterable[Recorded]) -> None:
        """Let those calls begin whose claims are recorded; those without a claim if the run that they follow from is.

        It isn't if the write that it was made up for got lost, and something else was recorded since. Where that isn't
        known they are withdrawn: the run is heard of, and they are asked for again.
        """
        runs = {answer.run_id: answer.run for answer in answers}
        for run_id, calls in following.items():
            run = runs[run_id]
            is_recorded = run is not None and any(call.dispatch.run is run or _is_claimed(run, call) for call in calls)
            for call in calls:
                if run is not None and (is_recorded if call.unclaimed else _is_claimed(run, call)):
                    call.granted = run.revision
                    self._granted.append(call)
                else:
                    metrics.CLAIMS_REFUSED.inc()
                    self.calls.withdraw(call)

    def granted(self) -> list[Call]:
        """The calls that were claimed together with a result."""
        return [self._granted.popleft() for _ in range(len(self._granted))]  # of all workers, and read by one

    def apply(
        self, doing: str, proposals: list[Proposal], *, durable: bool, follow: Follow | None = None
    ) -> list[Recorded]:
        """Apply transitions."""
        return self.patiently(doing, lambda: self.store.apply(proposals, durable=durable, follow=follow))

    def hear(self, answers: list[Recorded]) -> None:
        """Hear of the runs that were changed, once the calls that it was about have been forgotten."""
        self.heard()
        for answer in answers:
            if answer.run is not None:
                self._echo.append(answer.run)
                wake_at = answer.run.wake_at
                if wake_at is not None and wake_at < self.next_wake:
                    self.next_wake = wake_at

    def patiently(self, doing: str, operation: Callable[[], T]) -> T:
        """Do something with the store, however often it takes: all that is asked of it can be repeated.

        Raises:
            Stopped: it didn't come back before the engine had to end.
            StoreGone: it never will.
        """
        for pause in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
            try:
                done = operation()
            except StoreGone as error:
                raise self.hopeless(error) from None
            except StoreError as error:
                metrics.STORE_UNAVAILABLE.inc()
                self.troubles[doing] = str(error)
                log.warning("store_unavailable", doing=doing, error=str(error))
                if self.overtime:
                    raise self.hopeless(Stopped(str(error))) from error
                if self._ending.wait(pause):
                    sleep(_ENDING_SECONDS)
            else:
                self.troubles.pop(doing, None)
                return done
        raise AssertionError("the pauses have no end")


def _is_claimed(run: WorkflowRun, call: Call) -> bool:
    claim = run.tasks[call.task].claim
    return claim is not None and claim.token == call.claim.token
