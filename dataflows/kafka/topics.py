"""Makes the topics of an engine, and sees that those that are there will do."""

from collections.abc import Iterable
from time import monotonic, sleep
from typing import Final, Literal, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from dataflows.kafka.connection import PATIENCE_SECONDS, Kafka
from dataflows.kafka.errors import worded

PARTITIONS: Final = 12
DEAD_LETTER_PARTITIONS: Final = 1  # few, read by people, and best in order


class Topic(NamedTuple):
    """A topic, and what is to be told of it."""

    name: str
    partitions: int
    state: Literal["there", "made", "missing"]


def survey(kafka: Kafka, *, make: bool) -> list[Topic]:
    """The topics that the settings name; `make` makes those that are missing.

    Raises:
        KafkaUnavailable: no broker answers.
        KafkaError: one has the wrong number of partitions, or can't be made.
    """
    admin = kafka.admin()
    found = kafka.partitions(admin)
    wanted = dict.fromkeys((kafka.changes, *kafka.triggers), kafka.settings.partitions or PARTITIONS)
    for name in wanted.keys() & found.keys():
        kafka.agrees(name, found[name])
    wanted[kafka.dead_letters] = DEAD_LETTER_PARTITIONS
    topics = [
        Topic(name, found.get(name, partitions), "there" if name in found else "made" if make else "missing")
        for name, partitions in wanted.items()
    ]
    missing = [
        NewTopic(topic.name, topic.partitions, kafka.settings.replication or -1)
        for topic in topics
        if topic.state == "made"
    ]
    answers = admin.create_topics(missing, operation_timeout=PATIENCE_SECONDS) if missing else {}
    for name, answer in answers.items():
        try:
            answer.result(2 * PATIENCE_SECONDS)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # somebody else was faster
                raise kafka.error(error.args[0], f"topic {name}") from None
        except TimeoutError:
            raise worded("_TIMED_OUT", "it was not made in time", kafka.servers, f"topic {name}") from None
    _await(kafka, admin, answers)
    return topics


def _await(kafka: Kafka, admin: AdminClient, names: Iterable[str]) -> None:
    """Wait until every broker can know of new topics: who starts next would miss them."""
    give_up = monotonic() + PATIENCE_SECONDS
    while missing := set(names) - kafka.partitions(admin).keys():
        if monotonic() >= give_up:
            raise worded("_TIMED_OUT", "made, but not to be seen yet", kafka.servers, f"topic {missing.pop()}")
        sleep(0.05)
