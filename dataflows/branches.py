"""The branch of one block type: claimed calls go out to its worker, completions come back as transitions."""

from collections.abc import Callable
from typing import TypeAlias

from dataflows.calls import Call, Finished
from dataflows.shell import Recordable, Shell
from store.protocol import Proposal

Work: TypeAlias = Call | Finished


def branch(shell: Shell, type_: str) -> Callable[[list[tuple[str, Work]]], list[tuple[str, Recordable]]]:
    """The mapper of one block type; it leaves to the others what is theirs."""

    def turn(work: list[tuple[str, Work]]) -> list[tuple[str, Recordable]]:
        begin: list[Call] = []
        ended: list[tuple[str, Recordable]] = []
        for run_id, item in work:
            if isinstance(item, Finished):
                if item.call.dispatch.type == type_:
                    ended.append((run_id, (Proposal(run_id, item.result), item.call)))
            elif item.dispatch.type == type_:
                begin.append(item)
        if begin:
            shell.start(type_, begin)
        return ended

    return turn
