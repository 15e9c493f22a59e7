"""`icefloe dev`: an engine and the HTTP API in one process, which begin and end together.

    main thread             the dataflow ◄──┐
                                            ├──► one store, which each of them has open for itself
    a thread of its own     the API ◄───────┘

Whichever of the two can't go on says why, and ends the other.
"""

import os
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from threading import Event, Thread
from typing import Final

from pydantic import SecretStr
from rich.text import Text

from api.auth import ApiSettingsError
from api.serving import ApiServer, listening, url_of
from blocks.catalogue import Catalogue
from dataflows.ending import stop_on_signals
from dataflows.process import open_shell, run
from dataflows.settings import SettingsError, variable
from dataflows.shell import Shell
from dataflows.workflows import workflows
from icefloe import logs
from icefloe.cli.app import Session
from icefloe.cli.failures import CommandError, explained
from icefloe.cli.wording import count
from icefloe.examples import save_workflows, see_to
from icefloe.settings import Settings
from store.open import open_store

BY: Final = "dev"  # who saves the examples


def dev(session: Session, settings: Settings, examples: Path | None = None) -> None:
    """Run both until they are asked to end; the workflows of the directory `examples` are saved before.

    Raises:
        SettingsError: a setting can't be used, or a port not be had.
        StoreError: the store can't be used.
        Invalid: an example is none.
        CommandError: there are no examples, or the API couldn't go on.
    """
    logs.configure(settings.log_level)
    if examples is not None:
        see_to(examples / "workflows")
    catalogue = Catalogue.load()
    with closing(open_store(settings.store)) as store:
        try:
            listener = listening(settings.api_host, settings.api_port)
            settings = _for_development(settings, url_of(listener))
            server = ApiServer(settings, store, catalogue, listener)
        except ApiSettingsError as error:
            raise SettingsError(str(error)) from error
        with closing(_Serving(server)) as serving:
            saved = 0 if examples is None else save_workflows(store, catalogue, examples / "workflows", BY)
            shell = open_shell(settings, catalogue, session.tell)
            try:
                serving.begin(shell)
                _tell(session, settings, server.url, saved)
                run(workflows(shell))
            finally:
                shell.end()
    if serving.failure is not None:
        worded = explained(serving.failure)
        raise CommandError("API", f"the API ended: {serving.failure if worded is None else worded.message}")


def _for_development(settings: Settings, url: str) -> Settings:
    """The settings, with what nobody wants to set to try things out: no authentication, and links that work here."""
    key = token_urlsafe(32)  # so links end with the process
    own: dict[str, object] = {"api_auth": "none", "public_url": url, "link_key": SecretStr(key)}
    own = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    for name, value in (("public_url", url), ("link_key", key)):
        if name in own:
            os.environ[variable(name)] = value  # where block types look for theirs
    return settings.model_copy(update=own)


class _Serving:
    """The API in a thread of its own. It and an engine end each other."""

    def __init__(self, server: ApiServer) -> None:
        self.failure: Exception | None = None
        self._server = server
        self._shell: Shell | None = None
        self._settled = Event()
        self._thread = Thread(target=self._run, name="api", daemon=True)  # who asks twice to end needn't wait for it

    def begin(self, shell: Shell) -> None:
        """Begin to answer; from now on signals stop both."""
        self._shell = shell
        stop_on_signals(self)
        self._thread.start()
        self._settled.wait()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked them to stop."""
        return self._shell is not None and self._shell.stopping

    def stop(self) -> None:
        """Stop both."""
        self._server.stop()
        if self._shell is not None:
            self._shell.stop()

    def end(self) -> None:
        """The engine has ended: the API ends as well."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._server.end()

    close = end

    def _run(self) -> None:
        try:
            self._server.run(self._settled.set)
        except Exception as error:  # noqa: BLE001 - of a thread: the main thread tells it
            self.failure = error
        except SystemExit:
            self.failure = CommandError("API", "it couldn't start: see the log")
        finally:
            self.stop()
            self._settled.set()


def _tell(session: Session, settings: Settings, url: str, saved: int) -> None:
    session.terminal.give({"ready": True, "url": url, "docs": f"{url}/docs", "store": settings.place})
    with_examples = f", with {count(saved, 'workflow')} of the examples" if saved else ""
    session.terminal.show(
        Text.assemble("engine and API are ready on ", (settings.place, "bold"), with_examples),
        Text.assemble("  the API      ", (url, "bold")),
        Text.assemble("  how to use   ", (f"{url}/docs", "bold")),
        Text.assemble("  its runs     ", (f"{url}/v1/runs", "bold")),
        "Everybody on this machine may do everything there." if settings.api_auth == "none" else "",
        "Ctrl-C ends both.",
    )
