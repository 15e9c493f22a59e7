"""Tests of docs/operating.md: its metrics, names and logged events are those of the code."""

import re
from pathlib import Path
from typing import Any

from dataflows.kafka.connection import Kafka
from dataflows.metrics import REGISTRY, table
from dataflows.settings import EngineSettings
from store.mongo.schema import _INDEXES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def test_the_table_of_metrics_is_as_it_is_written_from_the_code() -> None:
    [held] = re.findall(r"<!-- metrics:begin -->\n(.*)\n<!-- metrics:end -->", TEXT, re.DOTALL)
    assert held == table(), "write it anew with `python -m dataflows.metrics`"


def test_every_metric_that_an_alert_asks_for_is_there() -> None:
    known = {sample for family in REGISTRY.collect() for sample in (family.name, f"{family.name}_total")}
    assert set(re.findall(r"\bicefloe_[a-z_]+", TEXT)) <= known


def test_topics_and_groups_have_the_names_of_the_code() -> None:
    kafka = Kafka(EngineSettings(events="kafka://kafka:9092"))
    names = {kafka.changes, *kafka.triggers, kafka.dead_letters, kafka.engines_group, kafka.triggers_group}
    assert set(re.findall(r"`(icefloe\.[a-z.]+)`", TEXT)) - {"icefloe.", "icefloe.db"} == names


def test_every_index_is_named() -> None:
    indexes: list[Any] = [index for collection in _INDEXES.values() for index in collection]
    missing = [name for index in indexes if f"`{(name := index.document['name'])}`" not in TEXT]
    assert not missing


def test_every_event_that_is_named_is_logged_somewhere() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "dataflows").rglob("*.py"))
    *_, told = TEXT.split("Logs are JSON lines")
    events = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", told)) - {
        "icefloe_calls_in_flight",
        "icefloe_history_lost_total",
    }
    assert len(events) > 10
    assert [event for event in sorted(events) if f'"{event}"' not in code] == []
