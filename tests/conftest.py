"""What holds for every test: no settings and no ignored signals from outside, limits, and hypothesis without deadlines.

A test that hangs is failed after `timeout`, with the stacks of its threads shown. Where that is of no use, since it is
deep in C or the end of a `with` hangs as well, its process is ended after `faulthandler_timeout`; pytest-xdist tells
which test it was, and goes on with a new process. Both are set in pyproject.toml.
"""

import faulthandler
import os
import signal
from collections.abc import Generator
from typing import Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key  # the standard error that pytest hasn't caught
from hypothesis import settings

TEAR_DOWN_SECONDS: Final = 120.0

pytest_plugins = ["tests.servers.fixtures"]

# A developer's own ICEFLOE_STORE must never become the store that a test writes to.
for _name in [name for name in os.environ if name.startswith("ICEFLOE_") and not name.startswith("ICEFLOE_TEST_")]:
    del os.environ[_name]

# Who is started in the background of a script ignores Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on the time it takes; a failure prints what reproduces it.
settings.register_profile("icefloe", deadline=None, print_blob=True)
settings.load_profile("icefloe")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the tear-down by itself: pytest forgets the limits as soon as a test has failed."""
    faulthandler.dump_traceback_later(TEAR_DOWN_SECONDS, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])
    return (yield)
