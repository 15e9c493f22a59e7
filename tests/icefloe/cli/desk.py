"""A desk at which a person types commands; what an engine would do is done there too, turn by turn."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from blocks.catalogue import Catalogue
from blocks.contract import BlockContext, BlockError, Failed, Outcome, Signal, Succeeded, Waiting, outcome
from engine.machine import Dispatch, ready
from engine.run import WorkflowRun
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import Error, Result, TaskFailed, TaskSucceeded, TaskSuspended, Wants
from icefloe.cli import main
from store.open import open_store
from store.protocol import Proposal, RunQuery, Store

URL = "sqlite:///store/icefloe.db"

APPROVAL = {
    "name": "change-owner",
    "inputs": {
        "type": "object",
        "required": ["asset", "owner"],
        "properties": {
            "asset": {"type": "string"},
            "owner": {"type": "string"},
            "days": {"type": "integer", "default": 9},
        },
        "additionalProperties": False,
    },
    "dag": {
        "entrypoint": "check",
        "exitpoints": ["done", "refused"],
        "tasks": [
            {"name": "check", "type": "NOOP"},
            {"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["{{ inputs.owner }}"]}, "depends": "check"},
            {"name": "done", "type": "NOOP", "depends": "ask"},
            {"name": "refused", "type": "NOOP", "depends": "ask.FAILED"},
        ],
    },
}
INPUTS = '{"asset": "sales.orders", "owner": "olga"}'


class Ended(NamedTuple):
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The error on standard error, as JSON."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return found


class Desk:
    """A folder with a store, and commands that are given in it, in this process."""

    def __init__(self, folder: Path, read: Callable[[], tuple[str, str]]) -> None:
        self.folder = folder
        self._read = read
        self._tokens = count()

    def __call__(self, *arguments: str) -> Ended:
        self._read()
        status = main(arguments)
        return Ended(status, *self._read())

    def write(self, name: str, content: object) -> str:
        """A file, with this text or JSON."""
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return name

    def save(self, document: dict[str, Any] = APPROVAL) -> None:
        """Save a workflow, which must work."""
        assert self("save", self.write(f"{document['name']}.json", document)).status == 0

    def start(
        self, id_: str = "run-1", *options: str, workflow: str = "change-owner", inputs: str = INPUTS, by: str = "ada"
    ) -> None:
        """Start a run, which must work, and let the engine do what it can."""
        ended = self("run", workflow, "--inputs", inputs, "--id", id_, "--as", by, *options)
        assert ended.status == 0, ended.err
        self.turn()

    def store(self) -> Store:
        """The store; close it."""
        return open_store(URL)

    def load(self, id_: str = "run-1") -> WorkflowRun:
        """A run as it stands."""
        store = self.store()
        try:
            return store.load([id_])[id_]
        finally:
            store.close()

    def turn(self) -> None:
        """What an engine would do until every run waits or has ended."""
        store, catalogue = self.store(), Catalogue.load()
        try:
            while dispatches := [one for run in store.load(_live(store)).values() for one in ready(run)]:
                for dispatch in dispatches:
                    claim = dispatch.claim(f"token-{next(self._tokens)}", "the desk")
                    store.apply([Proposal(dispatch.run.id, claim)])
                    result = _result(dispatch, claim.token, _called(catalogue, dispatch))
                    store.apply([Proposal(dispatch.run.id, result)])
        finally:
            store.close()


def _live(store: Store) -> list[str]:
    return [one.id for one in store.find(RunQuery(statuses=frozenset(RunStatus) - FINAL_RUN)).runs]


def _called(catalogue: Catalogue, dispatch: Dispatch) -> Outcome:
    context = BlockContext(f"{dispatch.run.id}/{dispatch.task}", dispatch.run.id, dispatch.task, dispatch.run.workflow)
    sent = dispatch.signal
    signal = None if sent is None else Signal(sent.id, sent.sender, sent.at, sent.data, sent.on_behalf)
    try:
        bound = catalogue[dispatch.type].bind(
            dispatch.phase, dispatch.arguments(), context, signal, dispatch.state.outputs
        )
        return outcome(asyncio.run(bound()))
    except BlockError as error:
        return outcome(error)


def _result(dispatch: Dispatch, token: str, found: Outcome) -> Result:
    match found:
        case Succeeded(outputs):
            return TaskSucceeded(dispatch.task, token, outputs)
        case Failed(code, message, retryable, outputs):
            return TaskFailed(dispatch.task, token, Error(code, message), retryable, outputs)
        case Waiting(until, after, schema, senders, closes, outputs, groups, barred):
            restricted = (schema, senders, groups) != (None, None, None)
            wants = Wants(schema, senders, closes, groups, barred) if restricted else None
            return TaskSuspended(dispatch.task, token, until, after, wants, outputs)
    raise AssertionError(f"no workflow at this desk ends so: {found}")
