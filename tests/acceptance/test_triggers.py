"""G1, G2, G12: messages start runs, each once, whatever happens to the engines that read them."""

import json
import random
import time
from contextlib import ExitStack
from itertools import count

import pytest
from confluent_kafka import Consumer, Producer

from dataflows.kafka.consuming import message_of
from dataflows.triggers.letters import told
from dataflows.triggers.messages import run_id
from engine.statuses import RunStatus
from tests.acceptance.engines import supervised, until
from tests.acceptance.scene import Scene, chain

pytestmark = [pytest.mark.acceptance, pytest.mark.kafka]

MESSAGES = 150
KILLS = 6
POISON = [b"\xff\xfe", b"", b"[]", b'{"workflow": "nobody"}', b'{"workflow": "w", "workflow": "w"}', b"x" * 900_000]

on_kafka = pytest.mark.parametrize(
    ("store_kind", "events_kind"),
    [pytest.param("sqlite", "kafka", id="sqlite"), pytest.param("mongo", "kafka", id="mongo")],
    indirect=True,
)


class Topics:
    """The topics of a scene, as producers and people use them."""

    def __init__(self, scene: Scene) -> None:
        servers = scene.surroundings.events.removeprefix("kafka://")
        prefix = scene.surroundings.settings["topic_prefix"]
        self.triggers, self.letters = f"{prefix}.triggers", f"{prefix}.triggers.dlq"
        self._servers = servers
        self._producer = Producer({"bootstrap.servers": servers})

    def send(self, *values: bytes | None) -> None:
        """Write messages, and see that the broker has them."""
        for value in values:
            self._producer.produce(self.triggers, value)
        assert self._producer.flush(30) == 0

    def reasons(self, number: int) -> list[str]:
        """The codes of so many dead letters."""
        consumer = Consumer({
            "bootstrap.servers": self._servers, "group.id": f"{self.letters}-test", "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })  # fmt: skip
        consumer.subscribe([self.letters])
        try:
            letters = consumer.consume(number, 60)
        finally:
            consumer.close()
        assert not [letter.error() for letter in letters if letter.error() is not None]
        return sorted(told(message_of(letter)).reason for letter in letters)

    def id(self, number: int) -> str:
        """The id of the run that a message starts."""
        return run_id("default", self.triggers, f"message-{number}")


def trigger(number: int) -> bytes:
    return json.dumps({"id": f"message-{number}", "workflow": "w", "inputs": {"number": number}}).encode()


@on_kafka
@pytest.mark.parametrize("seed", [4])
def test_g2_every_message_starts_one_run_though_it_comes_again_and_engines_are_killed(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    topics = Topics(scene)
    scene.save(*chain("a", "b", type_="LEDGER_ASYNC"))
    deliveries = [number for number in range(MESSAGES) for _ in range(dice.randint(1, 4))]
    dice.shuffle(deliveries)
    portion = len(deliveries) // KILLS + 1
    for round_ in range(KILLS):
        with scene.engine() as engine:
            topics.send(*map(trigger, deliveries[round_ * portion : (round_ + 1) * portion]))
            time.sleep(dice.uniform(0, 3))
            engine.kill()
    accepted = [topics.id(number) for number in range(MESSAGES)]
    with supervised(scene.engine):
        until(lambda: len(scene.store.load(accepted)) == MESSAGES, "every message has started its run", within=90)
        scene.await_end()
    scene.check(accepted)
    assert scene.store.counts() == {RunStatus.SUCCESS: MESSAGES}


@on_kafka
def test_a_rolling_restart_under_load_loses_nothing_and_makes_no_call_again(scene: Scene) -> None:
    topics = Topics(scene)
    scene.save(*chain("a", "b", "c", type_="LEDGER_ASYNC", seconds=0.02))
    numbers = count()
    sent: list[str] = []

    def load(seconds: float) -> None:
        """Write messages for a while, as producers do all the time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            portion = [next(numbers) for _ in range(5)]
            topics.send(*map(trigger, portion))
            sent.extend(map(topics.id, portion))
            time.sleep(0.1)

    with ExitStack() as stack:
        engines = [stack.enter_context(scene.engine()) for _ in range(2)]
        load(1)
        for index in range(len(engines)):
            stack.enter_context(scene.engine())
            load(1)
            engines[index].ask_to_end()
            load(1)
            assert engines[index].wait() == 0, engines[index].words()
        until(lambda: len(scene.store.load(sent)) == len(sent), "every message has started its run", within=60)
        scene.await_end()
    journals = scene.check(sent)
    assert not [entry for journal in journals.values() for entry in journal if entry.type == "TaskLost"]
    assert len(scene.effects()) == 3 * len(sent)


@on_kafka
def test_g12_poison_goes_to_the_dead_letters_and_what_is_behind_it_goes_on(scene: Scene) -> None:
    topics = Topics(scene)
    scene.save(*chain("a", type_="LEDGER_ASYNC"))
    for number, poison in enumerate([*POISON, None]):
        topics.send(poison, trigger(number))
    with scene.engine() as engine:
        started = [topics.id(number) for number in range(len(POISON) + 1)]
        until(lambda: len(scene.store.load(started)) == len(started), "what was behind the poison has started")
        scene.await_end()
        reasons = topics.reasons(len(started))
        assert engine.terminate() == 0
    assert reasons == ["BAD_MESSAGE"] * 4 + ["EMPTY"] * 2 + ["UNKNOWN_WORKFLOW"]
