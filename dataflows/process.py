"""An engine process: from the environment to the end of the dataflow."""

import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

import structlog
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from blocks.catalogue import Catalogue
from dataflows.settings import EngineSettings
from dataflows.shell import Shell
from store.open import open_store

EPOCH = timedelta(seconds=1)

log = structlog.get_logger("engine")


def open_shell(settings: EngineSettings | None = None) -> Shell:
    """Open the store and the catalogue, become an owner of claims, and stop on SIGTERM and SIGINT.

    Raises:
        SettingsError: a setting can't be used.
        CatalogueError: an installed block can't be used.
        StoreError: the store can't be used.
    """
    settings = settings or EngineSettings()
    catalogue = Catalogue.load()
    shell = Shell(open_store(settings.store), catalogue, settings)
    shell.begin()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopper(shell))
    return shell


def run(shell: Shell, dataflow: Callable[[Shell], Dataflow], workers: int = 1) -> None:
    """Run the dataflow until the engine is asked to stop."""
    log.info("engine_started", owner=shell.lease.owner, store=shell.settings.store, blocks=list(shell.catalogue))
    try:
        cli_main(dataflow(shell), workers_per_process=workers, epoch_interval=EPOCH)
    finally:
        shell.end()
    log.info("engine_ended", owner=shell.lease.owner)


def _stopper(shell: Shell) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        if shell.stopping:
            sys.exit(128 + number)
        shell.stop()

    return stop
