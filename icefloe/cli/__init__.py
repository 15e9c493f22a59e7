"""The command line. Each command is a function in a file of its group; `entry` has what holds for all of them.

main ─► entry (arguments, guard) ─► a command ─► the store ─► terminal (sentences, tables, drawings, or JSON)
"""

import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Never a traceback, unless ICEFLOE_DEBUG asks for it.

    Imports take a while, and Ctrl-C in them would show a traceback from wherever they are: until the guard of `entry`
    is there, it ends the process as the system does.
    """
    guarded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if guarded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from icefloe.cli import entry  # noqa: PLC0415 - see above
    finally:
        if guarded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    return entry.main(arguments)
