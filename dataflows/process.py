"""An engine process: from the environment to the end of the dataflow."""

import atexit
import gc
import sys
from datetime import timedelta
from functools import partial

import structlog
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from blocks.catalogue import Catalogue
from dataflows import health, metrics
from dataflows.ending import Tell, ender, stop_on_signals
from dataflows.kafka.connection import Kafka
from dataflows.settings import EngineSettings
from dataflows.shell import Shell
from dataflows.vitals import Vitals
from store.open import open_store

EPOCH = timedelta(seconds=1)

log = structlog.get_logger("engine")


def open_shell(
    settings: EngineSettings | None = None,
    catalogue: Catalogue | None = None,
    tell: Tell | None = None,
) -> Shell:
    """Open the store, become an owner of claims, and stop on SIGTERM and SIGINT.

    By default the settings come from the environment, and the catalogue has every installed block. `tell` is told why
    the engine can't go on, if that comes to pass, as the last thing before the process ends with status 1.

    Raises:
        SettingsError: a setting can't be used.
        CatalogueError: an installed block can't be used.
        StoreError: the store can't be used.
        KafkaUnavailable: no broker answers.
        KafkaError: the broker, or what it has, can't be used.
    """
    settings = settings or EngineSettings.load()
    kafka = None if settings.events == "store" else Kafka(settings)
    vitals = Vitals()
    health.serve(settings, vitals)  # before the store: to open it may take a while
    catalogue = catalogue or Catalogue.load()
    if kafka is not None:
        kafka.check([kafka.changes, kafka.dead_letters, *kafka.triggers])
    shell = Shell(open_store(settings.store), catalogue, settings, vitals, kafka)
    for type_ in catalogue:
        metrics.CALLS.labels(type_).set_function(partial(shell.slots.taken, type_))
    shell.give_up = ender(shell, tell)
    shell.begin()
    _tune_interpreter()
    atexit.register(shell.end)  # however the dataflow was started
    stop_on_signals(shell)
    log.info(
        "engine_started",
        owner=shell.lease.owner,
        store=settings.place,
        events=settings.events,
        position=shell.position,
        blocks=len(catalogue),
    )
    return shell


def _tune_interpreter() -> None:
    """Set the interpreter up for one busy thread beside many short calls.

    Runs are tuples without cycles: what is loaded by now stays, and looking through it again and again is lost time.
    A call that ends wants to be recorded, and must not wait 5 ms for the interpreter lock.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    sys.setswitchinterval(0.0005)


def run(dataflow: Dataflow, workers: int = 1) -> None:
    """Run a dataflow until its engine is asked to stop."""
    cli_main(dataflow, workers_per_process=workers, epoch_interval=EPOCH)  # type: ignore[no-untyped-call]  # bytewax's
