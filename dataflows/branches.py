"""The branches: claimed calls go out to the worker of their block type, completions come back as transitions."""

from collections.abc import Callable
from typing import TypeAlias

from dataflows.calls import Call, Finished, Work
from dataflows.shell import Recordable, Shell
from store.protocol import Proposal

Load: TypeAlias = tuple[str, list[Work]]


def by_type(work: list[tuple[str, Work]]) -> list[Load]:
    """Sort a batch of work, in one go, into what each branch will take."""
    loads: dict[str, list[Work]] = {}
    for _, item in work:
        loads.setdefault(item.call.type if isinstance(item, Finished) else item.type, []).append(item)
    return list(loads.items())


def branch(shell: Shell, type_: str) -> Callable[[list[Load]], list[tuple[str, Recordable]]]:
    """The mapper of one block type; it leaves to the others what is theirs."""

    def turn(loads: list[Load]) -> list[tuple[str, Recordable]]:
        ended: list[tuple[str, Recordable]] = []
        for key, work in loads:
            if key == type_:
                shell.start(type_, [item for item in work if isinstance(item, Call)])
                ended += [_recordable(item) for item in work if isinstance(item, Finished)]
        return ended

    return turn


def _recordable(finished: Finished) -> tuple[str, Recordable]:
    run_id = finished.call.run_id
    return run_id, (Proposal(run_id, finished.result), finished.call)
