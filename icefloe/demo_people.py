"""The demo's script, and the people in it, who follow the change feed and decide by the same door as `icefloe approve`.

triggers.jsonl ─► the script: runs, what people do in each of them, and how each must end
store ─changes─► is it somebody's cue? ─► SignalReceived ─► store

Now and then somebody who wasn't asked tries first, and somebody who has decided tries again: both must be refused.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.faults import Fault, Invalid
from engine.limits import WORKFLOW_BYTES
from engine.outcomes import Rejected
from engine.reading import read_json
from engine.run import WorkflowRun
from engine.shapes import path_of
from engine.statuses import FINAL_RUN, FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import Signal, SignalReceived
from store.protocol import Change, Proposal, Store, StoreUnavailable

INTRUDER: Final = "mallory@elsewhere.example"
INTRUDED_EVERY: Final = 25  # decisions
PAGE: Final = 1000  # changes


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cue(_Line):
    """What somebody does once a task waits for it: a decision on an approval, or a signal with any data."""

    task: str
    sender: str = Field(alias="as")
    decision: Literal["approve", "reject"] | None = None
    comment: str = ""
    signal: Any = None

    @property
    def data(self) -> Any:
        """What the task is sent."""
        return self.signal if self.decision is None else {"decision": self.decision, "comment": self.comment}


class Ends(_Line):
    """The final statuses of a run and its tasks."""

    status: RunStatus
    tasks: dict[str, TaskStatus]


class Trigger(_Line):
    """One run of the demo: what starts it, what people do in it, in this order, and how it must end."""

    id: str
    workflow: str
    scenario: str
    inputs: dict[str, Any]
    requested_by: str
    expect: Ends
    decisions: tuple[Cue, ...]


def read_script(path: Path, desk: str, limit: int | None = None) -> list[Trigger]:
    """The triggers of a JSON Lines file, or the first few. `desk` is the address of the demo's service desk.

    Raises:
        Invalid: the file can't be read, or a line of it is no trigger.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(Fault(str(path), f"can't be read: {error}")) from None
    return [_read(line, f"{path.name}:{number}", desk) for number, line in enumerate(lines[:limit], 1)]


def _read(line: str, where: str, desk: str) -> Trigger:
    document = read_json(line.replace("$DEMO_SERVER", desk), limit=WORKFLOW_BYTES, what=where)
    try:
        return Trigger.model_validate(document)
    except ValidationError as invalid:
        raise Invalid(*(Fault(f"{where}: {path_of(one['loc'])}", one["msg"]) for one in invalid.errors())) from None


class People:
    """Everybody in the script, and what they have seen and done.

    `ended` counts the runs that have, `called` the tasks that have and were not omitted; `asked` has those that wait
    for somebody. `accepted` and `refused` count decisions, `unexpected` says which of them should have gone otherwise.
    """

    def __init__(self, store: Store, script: Iterable[Trigger]) -> None:
        self.ended = self.called = self.accepted = 0
        self.asked: set[tuple[str, str]] = set()
        self.refused: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._store = store
        self._cues = {trigger.id: deque(trigger.decisions) for trigger in script}
        self._position = store.position()
        self._more = True
        self._until_intrusion = INTRUDED_EVERY

    def act(self) -> bool:
        """Read a page of what has happened, and do whatever it is time for; whether there is more to read.

        Raises:
            StoreError: the store can't be used any more.
        """
        if not (self._more or self._store.changed()):
            return False
        try:
            page = self._store.changes(self._position, limit=PAGE)
            cued = dict.fromkeys(change.id for change in page.changes if self._is_cue(change))
            self._decide(self._store.load(cued).values())
        except StoreUnavailable:  # busy: the same page again, later; a decision has the same id then
            self._more = True
            return False
        for change in page.changes:
            self._count(change)
        self._position, self._more = page.position, len(page.changes) == PAGE
        return self._more

    def _count(self, change: Change) -> None:
        entry, told = change.entry, change.transition or {}
        if entry is None:
            return
        self.ended += entry.status in FINAL_RUN
        if entry.type == "TaskSuspended" and "wants" in told:
            self.asked.add((change.id, told["task"]))
        for name, status in entry.tasks.items():
            if status in FINAL_TASK:
                self.asked.discard((change.id, name))
                self.called += status is not TaskStatus.OMITTED

    def _is_cue(self, change: Change) -> bool:
        cues, entry = self._cues.get(change.id), change.entry
        if not cues or entry is None:
            return False
        return entry.task == cues[0].task or cues[0].task in entry.tasks

    def _decide(self, runs: Iterable[WorkflowRun]) -> None:
        """Whoever is next in each of these runs decides, if their task waits for that; then the next, and so on."""
        while due := [run for run in runs if self._is_due(run)]:
            acts = [act for run in due for act in self._acts(run, self._cues[run.id][0])]
            answers = self._store.apply([proposal for proposal, _ in acts])
            for (proposal, legal), answer in zip(acts, answers, strict=True):
                self._hear(proposal, answer.outcome, legal=legal)
            for run in due:
                self._cues[run.id].popleft()
            runs = {answer.run_id: answer.run for answer in answers if answer.run is not None}.values()

    def _is_due(self, run: WorkflowRun) -> bool:
        cues = self._cues[run.id]
        task = run.tasks.get(cues[0].task) if cues else None
        return task is not None and task.status is TaskStatus.WAITING and task.wants is not None

    def _acts(self, run: WorkflowRun, cue: Cue) -> Iterator[tuple[Proposal, bool]]:
        """A decision, which is legal, and now and then what isn't."""
        task = run.tasks[cue.task]

        def send(number: str, sender: str) -> Proposal:
            return Proposal(
                run.id, SignalReceived(cue.task, Signal(number, task.generation, sender, cue.data)), by=sender
            )

        self._until_intrusion = (self._until_intrusion or INTRUDED_EVERY) - 1
        intruded = not self._until_intrusion and task.wants is not None and task.wants.senders is not None
        if intruded:
            yield send(uuid4().hex, INTRUDER), False
        yield send(f"{run.id}/{cue.task}/{cue.sender}", cue.sender), True
        if intruded:
            yield send(uuid4().hex, cue.sender), False

    def _hear(self, proposal: Proposal, outcome: object, *, legal: bool) -> None:
        refusal = outcome if isinstance(outcome, Rejected) else None
        self.accepted += refusal is None
        if refusal is not None:
            self.refused[refusal.code] += 1
        if legal is not (refusal is None):
            became = "let in, and shouldn't have been" if refusal is None else f"refused: {refusal.reason}"
            self.unexpected.append(f"{proposal.run_id}: {proposal.by} was {became}")
