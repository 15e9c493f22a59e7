"""What holds for every test: no settings from outside, and hypothesis without deadlines."""

import os

from hypothesis import settings

# A developer's own ICEFLOE_STORE must never become the store that a test writes to.
for _name in [name for name in os.environ if name.startswith("ICEFLOE_")]:
    del os.environ[_name]

# No test depends on the time it takes; a failure prints what reproduces it.
settings.register_profile("icefloe", deadline=None, print_blob=True)
settings.load_profile("icefloe")
