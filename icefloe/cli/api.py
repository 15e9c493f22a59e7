"""Commands that answer HTTP: `api` serves the API of a store, `dev` runs an engine with it in one process."""

from functools import partial
from typing import Annotated

import structlog
import typer
from rich.text import Text

from blocks.catalogue import Catalogue
from dataflows.ending import stop_on_signals
from dataflows.settings import SettingsError
from icefloe import logs
from icefloe.cli.app import Session, command
from icefloe.examples import EXAMPLES
from icefloe.settings import Settings, strangers
from store.open import open_store

PANEL = "Engine"

HostOption = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Default: ICEFLOE_API_HOST", show_default=False)
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Default: ICEFLOE_API_PORT", show_default=False)
]

log = structlog.get_logger("api")


@command(PANEL)
def api(session: Session, *, host: HostOption = None, port: PortOption = None) -> None:
    """Serve the HTTP API of the store.

    It ends on SIGTERM or Ctrl-C, once the requests under way have ended. Several of them on one store are as one.
    """
    from api.auth import ApiSettingsError  # noqa: PLC0415 - the web framework takes its time, and few commands need it
    from api.serving import ApiServer  # noqa: PLC0415

    settings = listening_on(session.settings, host, port)
    logs.configure(settings.log_level)
    catalogue = Catalogue.load()
    for name, nearest in strangers(catalogue.values()).items():
        log.warning("setting_unknown", variable=name, nearest=nearest)
    with session.store(create=True) as store:
        try:
            again = partial(open_store, settings.store, create=False)
            server = ApiServer(settings, store, catalogue, open_store=again)
        except ApiSettingsError as error:
            raise SettingsError(str(error)) from error
        stop_on_signals(server)

        def ready() -> None:
            session.terminal.give({"ready": True, "url": server.url, "store": settings.place})
            session.terminal.show(
                Text.assemble("the API of ", settings.place, " listens on ", (server.url, "bold"), "; Ctrl-C ends it")
            )

        server.run(ready)


@command(PANEL)
def dev(
    session: Session,
    *,
    host: HostOption = None,
    port: PortOption = None,
    examples: Annotated[bool, typer.Option("--examples", help="Save the workflows of the examples before")] = False,
) -> None:
    """Run an engine and the HTTP API in one process, to try things out and to develop.

    Everybody on this machine may do everything there, unless ICEFLOE_API_AUTH says otherwise. Ctrl-C ends both.
    """
    from icefloe.dev import dev  # noqa: PLC0415 - Bytewax and the web framework take their time

    dev(session, listening_on(session.settings, host, port), EXAMPLES if examples else None)


def listening_on(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with the address that an option gives."""
    given = {"api_host": host, "api_port": port}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})
