"""The command line. Each command is a function in a file of its group; `entry` has what holds for all of them.

main ─► entry (arguments, guard) ─► a command ─► the store ─► terminal (sentences, tables, drawings, or JSON)
"""

from icefloe.cli.entry import main

__all__ = ["main"]
