"""The frozen dataflow that executes every workflow.

    triggers ─► accept ─┬────► dead letters
                        │
    changes ────────────┤                                                           ┌─► APPROVAL ─────┐
                        ├─► load ─► orchestrate ─► claim ─► (the store says yes) ─┐ ├─► HTTP_REQUEST ─┤
    wake-ups ───────────┘        (state per run id)                               ├─┼─► NOTIFICATION ─┼─► store
                                                                                  │ └─► …one branch  ─┘
    completions ──────────────────────────────────────────────────────────────────┘     a block type

The steps depend on the installed block types alone: no workflow, run or loop in a document adds one. Every write to the
store comes back as a change, and that is all that drives it. What a result makes ready is claimed in the write that
records it, and comes back with the completions.

Run it with `icefloe engine`, or with `python -m bytewax.run dataflows.workflows`.
"""

import bytewax.inputs
import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows.branches import branch, by_type
from dataflows.kafka.changes import kafka_changes
from dataflows.orchestrate import Orchestrator, is_call
from dataflows.process import open_shell
from dataflows.shell import Shell
from dataflows.sink import StoreSink
from dataflows.sources import Completions, Keyed, Source, StoreFeed, WakeUps
from dataflows.triggers.accept import is_news
from dataflows.triggers.outbox import DeadLetterSink
from dataflows.triggers.source import Triggers


def workflows(shell: Shell) -> Dataflow:
    """The dataflow of one engine process."""
    flow = Dataflow("workflows")

    changes = op.input("changes", flow, changes_of(shell))
    wake_ups = op.input("wake-ups", flow, Source(shell, WakeUps))
    completions = op.input("completions", flow, Source(shell, Completions))

    triggers = Triggers(shell, shell.kafka)
    messages = op.input("triggers", flow, triggers.source())
    accepted = op.branch("accepted", op.flat_map_batch("accept", messages, triggers.acceptor()), is_news)
    op.output("dead-letters", accepted.falses, DeadLetterSink(triggers.put))

    news = op.merge("news", changes, wake_ups, accepted.trues)
    runs = op.flat_map_batch("load", news, shell.load)
    moves = op.stateful_batch("orchestrate", runs, lambda _resume: Orchestrator(shell))
    decided = op.branch("calls", moves, is_call)

    claimed = op.flat_map_batch("claim", decided.trues, shell.claim)
    work = op.flat_map_batch("by-type", op.merge("work", claimed, completions), by_type)
    results = [op.flat_map_batch(type_, work, branch(shell, type_)) for type_ in shell.catalogue]

    transitions = op.merge("transitions", decided.falses, *results)
    op.output("store", transitions, StoreSink(shell))
    return flow


def changes_of(shell: Shell) -> bytewax.inputs.Source[Keyed]:
    """Where an engine hears of changes."""
    return Source(shell, StoreFeed) if shell.kafka is None else kafka_changes(shell, shell.kafka)


def __getattr__(name: str) -> Dataflow:
    """`flow`, for `python -m bytewax.run dataflows.workflows`: made only when it is asked for."""
    if name != "flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return workflows(open_shell())
