"""An engine for tests: the real one, whose catalogue has the blocks of this folder beside the installed ones.

It logs JSON lines to standard error, and never outlives who started it. `ICEFLOE_WORKERS` are the dataflow's threads.
"""

import ctypes
import sys

import structlog

from blocks.catalogue import Catalogue
from dataflows.process import open_shell, run
from dataflows.settings import from_environment
from dataflows.workflows import workflows
from tests.acceptance.bad_blocks import bad, bad_async
from tests.acceptance.ledger_blocks import gate, ledger, ledger_async

PR_SET_PDEATHSIG, SIGKILL = 1, 9


def main() -> None:
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
    run(workflows(open_shell(catalogue=Catalogue({**installed, **ours}))), int(from_environment("workers") or 1))


if __name__ == "__main__":
    main()
