"""The command line's frame: how a command is declared, the options that all of them take, and what each is given.

    @command("Runs")
    def show(session: Session, run: RunArgument) -> None: ...

becomes `icefloe show RUN [--store URL] [--json]`, in the part "Runs" of the help.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from importlib import metadata
from inspect import signature
from typing import Annotated, Any, TypeVar

import typer

from icefloe import logs
from icefloe.cli.failures import CommandError, UsageError, explained
from icefloe.cli.terminal import Terminal
from icefloe.settings import Settings
from store.open import open_store
from store.protocol import Store

Function = TypeVar("Function", bound=Callable[..., None])

app = typer.Typer(
    name="icefloe",
    help="Virtual workflows: JSON documents, all executed by one frozen dataflow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or as much of its beginning as no other has")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="Where workflows and runs are kept; default: ICEFLOE_STORE", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing else, on standard output")]
ByOption = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", help="Who does this, taken on trust; default: your login name", show_default=False
    ),
]
TenantOption = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose workflows and runs")]


@dataclass(frozen=True, slots=True)
class Session:
    """What a command is given: the settings, and where its words go."""

    settings: Settings
    terminal: Terminal

    @contextmanager
    def store(self, *, create: bool = False) -> Iterator[Store]:
        """The open store; `create` makes one where there is none.

        Raises:
            StoreError: it can't be opened, or can't do what it is asked to.
        """
        store = open_store(self.settings.store, create=create)
        try:
            yield store
        finally:
            store.close()

    def tell(self, error: Exception) -> None:
        """Tell why a command that runs until it is stopped can't go on."""
        self.terminal.fail(explained(error) or CommandError("UNEXPECTED", str(error)))


def acting(name: str | None) -> str:
    """Who acts: the one named with `--as`, or who is logged in.

    Raises:
        UsageError: nobody is known.
    """
    if name is None:
        try:
            name = getuser()
        except (KeyError, OSError) as error:  # in a container without an entry for the user
            raise UsageError("say who you are with --as NAME: the system knows no name for this user") from error
    if not name.strip():
        raise UsageError("--as: a name has at least one character")
    return name


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version")] = False,
) -> None:
    """Virtual workflows: JSON documents, all executed by one frozen dataflow."""
    if version:
        terminal, number = Terminal(json=json), metadata.version("icefloe")
        terminal.give({"version": number})
        terminal.show(f"icefloe {number}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UsageError("which command? (see icefloe --help)")
    context.obj = (store, json)


def command(panel: str, name: str | None = None, group: typer.Typer = app) -> Callable[[Function], Function]:
    """Make a function a command, of its own name by default; `panel` is the part of the help that lists it."""

    def register(function: Function) -> Function:
        def call(context: typer.Context, *, store: StoreOption = None, json: JsonOption = False, **given: Any) -> None:
            common_store, common_json = context.obj
            function(_begin(common_store if store is None else store, json=json or common_json), **given)

        common = signature(call, eval_str=True)
        own = signature(function, eval_str=True)
        context, store, json, _ = common.parameters.values()
        parameters = [context, *list(own.parameters.values())[1:], store, json]
        call.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
        for told in ("__name__", "__doc__", "__module__"):
            setattr(call, told, getattr(function, told))
        group.command(name, rich_help_panel=panel)(call)
        return function

    return register


def _begin(store: str | None, *, json: bool) -> Session:
    settings = Settings.load(**({} if store is None else {"store": store}))
    logs.silence()
    return Session(settings, Terminal(json=json))
