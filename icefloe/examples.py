"""The examples that come with a clone of the project, and how their workflows get into a store."""

from pathlib import Path
from typing import Final

from blocks.catalogue import Catalogue
from engine.faults import Fault, Invalid
from engine.validation import read_workflow
from icefloe.cli.failures import CommandError
from store.protocol import Store

EXAMPLES: Final = Path(__file__).parents[1] / "examples"


def see_to(needed: Path) -> None:
    """See that a part of the examples is there.

    Raises:
        CommandError: it isn't.
    """
    if not needed.exists():
        sentence = f"{needed} isn't there: the examples come with a clone of the project; say where with --examples"
        raise CommandError("NO_EXAMPLES", sentence)


def save_workflows(store: Store, catalogue: Catalogue, directory: Path, by: str) -> int:
    """Check and save the workflows of a directory, as `icefloe save` does; how many.

    Raises:
        Invalid: one can't be used.
    """
    files = sorted(directory.glob("*.json"))
    for file in files:
        report = read_workflow(file.read_bytes(), catalogue)
        if report.workflow is None:
            raise Invalid(*(Fault(f"{file.name}: {fault.path}", fault.message) for fault in report.faults))
        store.save_workflow(report.workflow, by=by)
    return len(files)
