"""What holds for every test: no settings and no ignored signals from outside, and hypothesis without deadlines."""

import os
import signal

from hypothesis import settings

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
