"""A Kafka with topics of its own for each test."""

import pytest

from dataflows.kafka.connection import Kafka
from dataflows.kafka.topics import survey
from tests.dataflows.kafka.driver import PARTITIONS, kafka_at


@pytest.fixture
def kafka(kafka_address: str, topic_prefix: str) -> Kafka:
    """The broker that all tests share, with this test's topics."""
    kafka = kafka_at(kafka_address, topic_prefix, partitions=PARTITIONS)
    survey(kafka, make=True)
    kafka.check([kafka.changes, kafka.dead_letters, *kafka.triggers])
    return kafka
