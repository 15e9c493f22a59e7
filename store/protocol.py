"""The store, as everybody else sees it: workflows, runs, the changes of both, and the owners of claims.

             create ─► ┌──────────────────────┐ ─► changes(after) ─► the change feed
    apply(proposals) ─► │ workflows  runs      │ ─► load / read / find
         wake(limit) ─► │ changes    owners    │ ─► next_wake
                        └──────────────────────┘

Every operation is one atomic write or one consistent read. Times are Unix seconds by the store's own clock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from engine.documents import Workflow
from engine.faults import Fault
from engine.outcomes import Duplicate, Rejected, Touched
from engine.run import JournalEntry, Parent, WorkflowRun
from engine.statuses import RunStatus
from engine.transitions import Error, Transition


class StoreError(Exception):
    """The store can't do what was asked; the message says what, where and what to do. Nothing was written."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state of the store, as its sentence says
    """The store can't be reached, or is busy or full at the moment: the same call may succeed later.

    Of a write it is not known whether it was done; all writes can be repeated.
    """


class Conflict(StoreError):  # noqa: N818 - as above
    """A record isn't as it was expected to be: read it again."""


class StoreGone(StoreError):  # noqa: N818 - as above
    """What this store object has open is no longer what its URL names: it can't do anything that lasts, ever again."""


class HistoryLost(StoreError):  # noqa: N818 - as above
    """The feed has no longer, or never had, what followed a position: read every live run again, and go on from now."""


Position: TypeAlias = str
"""A place in the feed of one store. Only that store can read it; of two, the later one is the greater text."""

BEGINNING: Final[Position] = ""


class NewRun(NamedTuple):
    """A request to start a run. `id` is the caller's key: the same id with the same content starts nothing twice."""

    id: str
    workflow: str
    inputs: Mapping[str, Any]
    version: int | None = None
    requested_by: str | None = None
    labels: Mapping[str, str] | None = None
    parent: Parent | None = None
    tenant: str = "default"


class Creation(NamedTuple):
    """What became of a NewRun: `created`, `exists` (it was accepted before), or `refused` with all faults.

    `run` is None if it was refused, or can't be read any more.
    """

    id: str
    outcome: Literal["created", "exists", "refused"]
    run: WorkflowRun | None = None
    faults: tuple[Fault, ...] = ()


class Proposal(NamedTuple):
    """A transition proposed for a run; `by` is who does it, for the journal."""

    run_id: str
    transition: Transition
    by: str | None = None


class Recorded(NamedTuple):
    """What became of a proposal. `run` is the run after the whole batch, None if there is no such run."""

    run_id: str
    outcome: JournalEntry | Duplicate | Rejected | Touched
    run: WorkflowRun | None


Follow: TypeAlias = Callable[[WorkflowRun], Sequence[Proposal]]
"""What is to follow from what was recorded, in the same write."""


class Change(NamedTuple):
    """An event of the feed: one transition of one run (with payloads), or a saved workflow version.

    `document` is there on creation: the run's (or workflow's) whole document. `writer` is the owner whose process wrote
    it, if that is known. A change that can't be read any more has neither entry, transition nor document: the run says
    how it stands. That a workflow was deleted is a change with a transition, `{"type": "WorkflowDeleted"}`, and no
    document.
    """

    position: Position
    entity: Literal["run", "workflow"]
    id: str
    revision: int
    at: float
    by: str | None
    transition: Mapping[str, Any] | None
    entry: JournalEntry | None
    document: Mapping[str, Any] | None
    writer: str | None = None
    tenant: str | None = None


class Changes(NamedTuple):
    """A page of the feed, and the position after it."""

    changes: list[Change]
    position: Position


class Owner(NamedTuple):
    """One start of one engine process. `position` is how far it has read the feed."""

    id: str
    alive_until: float
    dead: bool
    position: Position


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to find, newest first. All that is given must hold; `tenant` None means those of all tenants.

    `inputs` are top-level values to be equal; those of `inputs_any` must be equal to one of the values given. `labels`
    are all to be there.
    `waiting_for` are keys of `engine.asked.waiting_for`: the run must wait for at least one of them.
    """

    tenant: str | None = "default"
    workflow: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    requested_by: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    inputs_any: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    waiting_for: frozenset[str] = frozenset()
    created_after: float | None = None
    created_before: float | None = None
    limit: int = 100
    cursor: str | None = None


class RunSummary(NamedTuple):
    """A run as lists show it."""

    id: str
    workflow: str
    version: int
    status: RunStatus
    requested_by: str | None
    created_at: float
    updated_at: float
    finished_at: float | None
    error: Error | None


class Page(NamedTuple):
    """Some runs, and the cursor that the next page begins at (None at the end)."""

    runs: list[RunSummary]
    cursor: str | None


class Sealed(NamedTuple):
    """A journal entry as it is stored: its text, and the seal that chains it to the one before (`store.seals`).

    `seal` is None for an entry that was written before there were seals.
    """

    revision: int
    at: float
    text: str
    seal: str | None


class Record(NamedTuple):
    """A small document that is no workflow and no run: an API key, the secret of a webhook, a bulk operation.

    `revision` is one more at each write; from `expires_at` (Unix seconds) on it is as if there were none.
    """

    kind: str
    tenant: str
    id: str
    document: Mapping[str, Any]
    revision: int
    expires_at: float | None = None


class Store(Protocol):
    """A CDC-enabled document store.

    All methods may raise `StoreUnavailable` (try again) and `StoreError` (don't). A store object may be used by several
    threads.
    """

    incarnation: str
    """Which history this is: another one after a restored backup."""

    def now(self) -> float:
        """The store's clock."""

    # Workflows: versioned, and immutable once saved.

    def save_workflow(self, workflow: Workflow, *, by: str | None = None, after: int | None = None) -> Workflow:
        """Save a new version; a document equal to the latest version gives that one back.

        `after` is the version that the new one is to follow (0: there must be none); by default it is the latest.

        Raises:
            Conflict: the latest version is another than `after`.
        """

    def workflow(self, name: str, version: int | None = None, *, tenant: str = "default") -> Workflow | None:
        """A version of a workflow (the latest by default)."""

    def workflows(self, *, tenant: str = "default", after: str = "", limit: int | None = None) -> list[Workflow]:
        """The latest version of each workflow, by name; those whose names sort `after` another, at most so many."""

    def versions(
        self, name: str, *, tenant: str = "default", before: int | None = None, limit: int = 100
    ) -> list[Workflow]:
        """The versions of a workflow, the latest first; `before` are those older than that one."""

    def delete_workflow(
        self, name: str, *, tenant: str = "default", by: str | None = None, after: int | None = None
    ) -> bool:
        """Delete all versions of a workflow; False if there is none. Its runs keep theirs and go on.

        Nothing else sees the deleted versions any more; who saves it again makes the next version. `after` is the
        version that must be the latest; by default it may be any.

        Raises:
            Conflict: the latest version is another than `after`.
        """

    # Runs.

    def create(self, requests: Sequence[NewRun]) -> list[Creation]:
        """Start runs, durably, in one write; one answer each, in order. A fault in one doesn't touch the others."""

    def apply(
        self, proposals: Sequence[Proposal], *, durable: bool = True, follow: Follow | None = None
    ) -> list[Recorded]:
        """Apply transitions in one write; one answer each, in order.

        `durable=False` may lose the write in a power cut (never in a process crash): for claims. A run whose document
        can't be handled is failed by itself with `ENGINE_ERROR`, and the others go on; if what people proposed can't be
        handled, it is only refused.

        `follow` is asked, of each run that something was recorded of, what else to apply to it in the same write. It
        may be asked again of the same run if somebody else wrote meanwhile: its last answer counts. What became of that
        is not told, but the runs given back have it.
        """

    def load(self, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        """The current state of these runs; the unknown, and those that can't be read (a log says so), are missing.

        Their `wake_at` and `heal` may be those of their last transition: to be put off or made due is no change.
        """

    def journal(self, id: str) -> list[JournalEntry]:  # noqa: A002
        """Everything that happened to a run, in order; no payloads."""

    def sealed(self, id: str) -> list[Sealed]:  # noqa: A002
        """The journal of a run as it is stored, in order, to be verified; entries that make no sense as well."""

    def find(self, query: RunQuery) -> Page:
        """Runs, newest first.

        Raises:
            ValueError: the cursor is not one that this store gave.
        """

    def counts(self, *, tenant: str | None = None) -> dict[RunStatus, int]:
        """How many runs there are in each status."""

    # Waking.

    def wake(self, limit: int) -> list[WorkflowRun]:
        """Wake up to `limit` due runs in one write, the longest due first, and give them back.

        Claims of dead owners become lost, due times become state, and a run that nothing happened to is only touched. A
        run that can't be woken is failed or put off, so that it can't block the others.
        """

    def next_wake(self) -> float | None:
        """The earliest `wake_at` of all runs."""

    def wake_active(self) -> int:
        """Make every run that has something ready or running due now; how many."""

    # The change feed.

    def changes(self, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        """The changes after a position, in order; without those that the owner `excluding` wrote.

        Raises:
            HistoryLost: they are not to be had any more.
        """

    def position(self) -> Position:
        """The position of the newest change."""

    def changed(self) -> bool:
        """Whether another store object may have written since this was last asked; cheap, and may say yes in vain."""

    def bookmark(self, reader: str, position: Position) -> None:
        """Remember, durably, how far a reader of the feed has got. What was read before this is durable as well."""

    def bookmarked(self, reader: str) -> Position | None:
        """How far a reader of the feed had got; None if it never said."""

    # Records: what the rooms around the engine keep.

    def record(self, kind: str, id: str, *, tenant: str = "default") -> Record | None:  # noqa: A002
        """A record."""

    def records(self, kind: str, *, tenant: str | None = "default", after: str = "", limit: int = 100) -> list[Record]:
        """Records of a kind by id, those behind `after`. If `tenant` is None: of all tenants, by tenant and id."""

    def put_record(self, record: Record) -> Record:
        """Write a record durably, and give it back at its new revision.

        `record.revision` is the one that the store should have (0: none).

        Raises:
            Conflict: it has another.
            TypeError: the document holds something that JSON can't say.
        """

    def remove_record(self, kind: str, id: str, *, tenant: str = "default") -> bool:  # noqa: A002
        """Remove a record; False if there was none."""

    # Owners of claims.

    def register(self, owner: str, lease: float) -> Position:
        """Enter an owner with a lease in seconds; from now on this object's writes carry its name.

        Gives the position from which it should read the feed: how far the engines before it got.

        Raises:
            StoreError: there was an owner of this name.
        """

    def beat(self, owner: str, lease: float, position: Position) -> bool:
        """Prolong the lease and say how far the feed was read; False if the owner has been declared dead."""

    def owners(self) -> list[Owner]:
        """The owners that aren't dead."""

    def bury(self, *, by_time: bool) -> list[str]:
        """Declare dead whoever is: its process is gone, or (`by_time`) its lease is over. Gives those newly dead.

        Runs that have something ready or running become due now.
        """

    def leave(self, owner: str, position: Position) -> None:
        """End an owner that has nothing in flight: as `bury`, of itself."""

    def close(self) -> None:
        """Close the files or connections; idempotent."""
