"""Commands about what runs are made of: `validate` and `save` workflow files, list `workflows` and `blocks`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text

from blocks.catalogue import Catalogue
from engine.faults import Fault, Invalid
from engine.limits import WORKFLOW_BYTES
from engine.validation import Report, read_workflow
from icefloe.cli.app import ByOption, Session, TenantOption, acting, command
from icefloe.cli.failures import CommandError
from icefloe.cli.given import read_file
from icefloe.cli.tables import Column
from icefloe.cli.wording import age, count, printable

PANEL = "Workflows"

_COLUMNS = (
    Column("WORKFLOW"),
    Column("VERSION", right=True),
    Column("TASKS", right=True),
    Column("BY", elastic=True),
    Column("AGE", right=True),
    Column("DESCRIPTION", elastic=True),
)

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Workflow documents (JSON); - is standard input")]


@dataclass(frozen=True, slots=True)
class Checked:
    """A file, and what validation says of it."""

    file: str
    report: Report

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        workflow = self.report.workflow
        return {
            "file": self.file,
            "valid": workflow is not None,
            "workflow": None if workflow is None else workflow.name,
            "faults": [{"path": fault.path, "message": fault.message} for fault in self.report.faults],
            "warnings": [{"path": fault.path, "message": fault.message} for fault in self.report.warnings],
        }


@command(PANEL)
def validate(session: Session, files: Files) -> None:
    """Check workflow files: every fault at once, each with its place.

    Nothing is saved, and no store is needed.
    """
    checked = _check(files)
    for one in checked:
        session.terminal.give(one.document())
        session.terminal.show(*_complaints(one))
        if one.report.workflow is not None:
            tasks = count(len(one.report.workflow.dag.tasks), "task")
            session.terminal.show(Text.assemble(printable(one.file), ": ", ("valid", "green"), f", {tasks}"))
    _refuse_invalid(checked)


@command(PANEL)
def save(session: Session, files: Files, *, by: ByOption = None) -> None:
    """Save workflows, each as a new version.

    A file that says what the latest version says changes nothing. If one of the files is invalid, none is saved.
    """
    checked = _check(files)
    for one in checked:
        if one.report.workflow is None:
            session.terminal.complain(*_complaints(one))
    _refuse_invalid(checked, "; nothing was saved", tell=session.terminal.json)
    with session.store(create=True) as store:
        for one in checked:
            assert one.report.workflow is not None  # noqa: S101 - the invalid were refused
            before = store.workflow(one.report.workflow.name, tenant=one.report.workflow.tenant)
            saved = store.save_workflow(one.report.workflow, by=acting(by))
            is_new = before is None or before.version != saved.version
            session.terminal.give({"file": one.file, "workflow": saved.name, "version": saved.version, "new": is_new})
            done = "saved as version" if is_new else "is already version"
            warned = len(one.report.warnings)
            hint = f" ({count(warned, 'warning')}: icefloe validate {one.file})" if warned and is_new else ""
            session.terminal.show(Text.assemble((saved.name, "bold"), f" {done} {saved.version}", (hint, "yellow")))


@command(PANEL)
def workflows(session: Session, *, tenant: TenantOption = "default") -> None:
    """List the saved workflows in their latest versions."""
    with session.store() as store:
        now, saved = store.now(), store.workflows(tenant=tenant)
    for one in saved:
        session.terminal.give(
            {
                "name": one.name,
                "version": one.version,
                "description": one.description,
                "tasks": len(one.dag.tasks),
                "labels": one.labels,
                "created_by": one.created_by,
                "created_at": one.created_at,
            }
        )
    if not saved:
        session.terminal.show("no workflows are saved yet: `icefloe save FILE` does that")
        return
    session.terminal.table(
        _COLUMNS,
        (
            (
                Text(one.name, style="bold"),
                str(one.version),
                str(len(one.dag.tasks)),
                one.created_by or "",
                age(one.created_at, now) if one.created_at is not None else "",
                one.description,
            )
            for one in saved
        ),
    )


def _check(files: list[str]) -> list[Checked]:
    catalogue = Catalogue.load()
    checked = []
    for file in files:
        try:
            report = read_workflow(read_file(file, WORKFLOW_BYTES), catalogue)
        except Invalid as unreadable:
            report = Report(unreadable.faults)
        checked.append(Checked(file, report))
    return checked


def _complaints(checked: Checked) -> list[Text]:
    """What is wrong or doubtful, one thing a line, as compilers say it."""
    kinds = (("error", "bold red", checked.report.faults), ("warning", "yellow", checked.report.warnings))
    return [
        Text.assemble(printable(checked.file), ": ", (kind, style), f": {printable(fault)}")
        for kind, style, faults in kinds
        for fault in faults
    ]


def _refuse_invalid(checked: list[Checked], consequence: str = "", *, tell: bool = False) -> None:
    """End the command if a file is invalid; the error has the faults if it is to `tell` them."""
    invalid = [one for one in checked if one.report.workflow is None]
    if not invalid:
        return
    faults = tuple(
        Fault(f"{one.file}: {fault.path}" if fault.path else one.file, fault.message)
        for one in invalid
        for fault in one.report.faults
    )
    subject = invalid[0].file if len(checked) == 1 else f"{len(invalid)} of {len(checked)} files"
    verb = "is" if len(invalid) == 1 else "are"
    sentence = f"{subject} {verb} invalid, with {count(len(faults), 'fault')}{consequence}"
    raise CommandError("INVALID", sentence, faults=faults if tell else ())
