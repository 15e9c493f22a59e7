"""An engine for tests: the real one, whose catalogue has the blocks of this folder beside the installed ones.

It logs JSON lines to standard error, and never outlives the process that started it.
"""

import ctypes
import sys

import structlog

from blocks.catalogue import Catalogue
from dataflows.process import open_shell, run
from dataflows.workflows import workflows
from tests.acceptance.bad_blocks import bad, bad_async
from tests.acceptance.ledger_blocks import gate, ledger, ledger_async

PR_SET_PDEATHSIG, SIGKILL = 1, 9


def main(workers: int = 1) -> None:
    """Run until SIGTERM."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    installed = Catalogue.load()
    ours = {one.type: one for one in (bad, bad_async, gate, ledger, ledger_async)}
    run(workflows(open_shell(catalogue=Catalogue({**installed, **ours}))), workers)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
