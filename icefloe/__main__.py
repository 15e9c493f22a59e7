"""`python -m icefloe`: the command `icefloe` where it isn't on the path."""

import sys

from icefloe.cli import main

sys.exit(main())
