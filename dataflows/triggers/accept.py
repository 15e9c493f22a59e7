"""The operator that accepts messages: runs are started, signals and cancellations recorded, the rest is refused.

    messages ─► read ─┬─► starts ─────────────────► one `create` ─┬─► news of the runs
                      ├─► signals, cancellations ─► one `apply` ──┼─► (the echo has these runs)
                      └─► refusals ───────────────────────────────┴─► letters

When it returns, whatever came of a batch is in the store or among the letters.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

import structlog

from dataflows import metrics
from dataflows.kafka.consuming import Message
from dataflows.settings import Binding
from dataflows.shell import News, Shell
from dataflows.triggers.bindings import check_bound
from dataflows.triggers.letters import Letter
from dataflows.triggers.messages import Cancel, Send, Start, read
from dataflows.triggers.refusals import Refusal, Refused
from engine.outcomes import Rejected
from engine.run import WorkflowRun
from engine.transitions import RunCancelled, Signal, SignalReceived
from store.protocol import Creation, Proposal

log = structlog.get_logger("engine")

_CODES = {"workflow": "UNKNOWN_WORKFLOW", "version": "UNKNOWN_VERSION", "inputs": "BAD_INPUTS", "id": "ID_TAKEN"}


Accepted: TypeAlias = tuple[str, News | Letter]
_Started: TypeAlias = tuple[Message, Start]
_Said: TypeAlias = tuple[Message, Send | Cancel]


def is_news(accepted: Accepted) -> TypeGuard[tuple[str, News]]:
    """Whether this is of a run, and not a letter."""
    return isinstance(accepted[1], News)


class Acceptor:
    """Accepts the messages of topics with these bindings."""

    def __init__(self, shell: Shell, bindings: Mapping[str, Binding]) -> None:
        self._shell = shell
        self._bindings = bindings

    def __call__(self, messages: list[Message]) -> list[Accepted]:
        """Accept each or refuse it; those that start runs go first."""
        starts: list[_Started] = []
        said: list[_Said] = []
        letters: list[Letter] = []
        for message in messages:
            match read(message, self._bindings[message.topic]):
                case Refusal() as refusal:
                    letters.append(Letter(message, refusal))
                case Start() as start:
                    starts.append((message, start))
                case request:
                    said.append((message, request))
        news = self._start(starts, letters)
        self._say(said, letters)
        for message, (code, sentence) in letters:
            log.warning("trigger_refused", code=code, reason=sentence, **_place(message))
        metrics.TRIGGERS.labels("refused").inc(len(letters))
        return [*news, *((letter.message.topic, letter) for letter in letters)]

    def _start(self, starts: Sequence[_Started], letters: list[Letter]) -> list[Accepted]:
        """Start runs; their first tasks needn't wait until the change feed tells of them."""
        if not starts:
            return []
        requests = [start.request for _, start in starts]
        creations = self._shell.patiently("trigger", lambda: self._shell.store.create(requests))
        news: list[Accepted] = []
        for (message, _), creation in zip(starts, creations, strict=True):
            if creation.outcome == "refused":
                letters.append(Letter(message, _refusal(creation)))
                continue
            metrics.TRIGGERS.labels("started" if creation.outcome == "created" else "exists").inc()
            if creation.run is not None:  # also one that exists: this may be the second try of a write that was done
                news.append((creation.id, News(creation.run)))
        if news:
            self._shell.heard()
        return news

    def _say(self, said: Sequence[_Said], letters: list[Letter]) -> None:
        """Record signals and cancellations."""
        if not said:
            return
        runs = self._shell.patiently("trigger", lambda: self._shell.store.load({_run(one) for _, one in said}))
        proposals: list[Proposal] = []
        messages: list[Message] = []
        for message, request in said:
            try:
                proposals.append(self._proposal(message, request, runs.get(_run(request))))
            except Refused as refused:
                letters.append(Letter(message, refused.refusal))
            else:
                messages.append(message)
        answers = self._shell.apply("trigger", proposals, durable=True) if proposals else []
        for message, proposal, answer in zip(messages, proposals, answers, strict=True):
            if isinstance(answer.outcome, Rejected):
                letters.append(Letter(message, Refusal(answer.outcome.code, answer.outcome.reason)))
            else:
                cancelled = isinstance(proposal.transition, RunCancelled)
                metrics.TRIGGERS.labels("cancelled" if cancelled else "signalled").inc()
        self._shell.hear(answers)

    def _proposal(self, message: Message, request: Send | Cancel, run: WorkflowRun | None) -> Proposal:
        """What is proposed for the run, if the message's topic has to do with it.

        Raises:
            Refused: it hasn't, or there is no such run.
        """
        binding = self._bindings[message.topic]
        if run is None or run.tenant != binding.tenant:
            raise Refused("UNKNOWN_RUN", f"there is no run {_run(request)!r} of tenant {binding.tenant!r}")
        check_bound(binding, run.workflow, message.topic)
        if isinstance(request, Cancel):
            return request.proposal
        task = run.tasks.get(request.task)
        generation = request.generation or (1 if task is None else task.generation)
        signal = Signal(request.id, generation, request.sender, request.data, groups=request.groups)
        return Proposal(run.id, SignalReceived(request.task, signal), request.sender)


def _run(request: Send | Cancel) -> str:
    return request.proposal.run_id if isinstance(request, Cancel) else request.run


def _refusal(creation: Creation) -> Refusal:
    paths = [fault.path for fault in creation.faults]
    code = next((_CODES[path.partition(".")[0]] for path in paths if path.partition(".")[0] in _CODES), "REFUSED")
    return Refusal(code, "; ".join(map(str, creation.faults)))


def _place(message: Message) -> dict[str, str | int]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset}
