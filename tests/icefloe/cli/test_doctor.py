"""`doctor`: what it finds in a store in which all is well, and in those in which something isn't."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from blocks.catalogue import Catalogue, CatalogueError
from dataflows.lease import kind_of
from store.open import open_store
from store.protocol import BEGINNING, Store
from store.sqlite.file import Database
from tests.icefloe.cli.desk import APPROVAL, INPUTS, Desk


@pytest.fixture
def used(desk: Desk) -> Desk:
    desk.save()
    desk.start()
    return desk


def findings(desk: Desk, verdict: str) -> list[tuple[str, str]]:
    """Those of a verdict, by check."""
    found = desk("doctor", "--json").lines
    return [(one["check"], one["sentence"]) for one in found if one["verdict"] == verdict]


def change(desk: Desk, statement: str) -> None:
    """Do something to the store's file that no program of ours would do."""
    with closing(sqlite3.connect(desk.folder / "store/icefloe.db")) as connection, connection:
        connection.execute(statement)


def test_all_is_well_though_no_engine_runs_while_a_person_is_waited_for(used: Desk) -> None:
    ended = used("doctor")
    assert ended.status == 0, ended
    assert "✓ runs     1 run not done yet, none of them stuck\n" in ended.out
    assert "! engines  no engine is running\n" in ended.out
    assert ended.err == ""


@contextmanager
def engine(desk: Desk, types: Iterable[str]) -> Iterator[Store]:
    """An engine with these block types that lives and does nothing; its store."""
    store, owner = desk.store(), kind_of(types) + "1"
    store.register(owner, 30)
    try:
        yield store
    finally:
        store.leave(owner, BEGINNING)
        store.close()


def test_a_living_engine_is_named(used: Desk) -> None:
    types = Catalogue.load()
    with engine(used, types) as store:
        store.beat(kind_of(types) + "1", 30, store.position())
        ((_, sentence),) = [one for one in findings(used, "fine") if one[0] == "engines"]
        assert sentence == f"{kind_of(types)}1 is alive, with 30 s left of its lease"


def test_an_engine_that_hasnt_read_what_others_wrote_is_behind(used: Desk) -> None:
    with engine(used, Catalogue.load()):
        used("cancel", "run-1")
        assert any(
            "30 s left of its lease; a moment ago it had 7 changes of others to read" in words
            for _, words in findings(used, "fine")
        )


def test_an_engine_with_other_block_types_is_told_from_the_others(used: Desk) -> None:
    with engine(used, ["NOOP"]):
        ((check, sentence),) = findings(used, "doubtful")
    assert check == "engines"
    assert sentence.startswith(f"{kind_of(['NOOP'])}1 is alive, ")
    assert sentence.endswith(", and has other block types installed than this command")


def test_a_full_disk_is_wrong(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (used.folder / "store/icefloe.db.reserve").unlink()
    monkeypatch.setattr(Database, "keep_reserve", lambda _: None)
    ((check, sentence),) = findings(used, "wrong")
    assert check == "disk"
    assert sentence.startswith("the disk of store/icefloe.db is full")


def test_of_a_broken_package_nothing_but_that_is_said(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Catalogue:
        raise CatalogueError(["'x:y' of broken 1.0 can't be imported: ImportError: no"])

    monkeypatch.setattr(Catalogue, "load", broken)
    assert findings(used, "wrong") == [("blocks", "'x:y' of broken 1.0 can't be imported: ImportError: no")]


def test_work_without_an_engine_is_wrong(used: Desk) -> None:
    used("approve", "run-1", "ask", "--as", "olga")
    ended = used("doctor")
    assert ended.status == 1
    assert "✗ engines  1 run could go on, but no engine is running\n           start one: icefloe engine\n" in ended.out
    assert ended.err == "error: 1 thing is wrong\n"


def test_a_run_that_is_stuck_is_wrong_and_named(used: Desk) -> None:
    used("approve", "run-1", "ask", "--as", "olga")
    change(used, "UPDATE runs SET wake_at = NULL")
    ended = used("doctor", "--json")
    assert ended.status == 1
    (stuck,) = [one for one in ended.lines if one.get("run") == "run-1"]
    assert stuck["sentence"] == "a task of it is ready or runs, but nobody will notice if its engine dies"
    assert ended.error["code"] == "UNHEALTHY"


def test_a_run_that_is_overdue_is_wrong_only_beside_a_living_engine(used: Desk) -> None:
    used("approve", "run-1", "ask", "--as", "olga")
    change(used, "UPDATE runs SET wake_at = 1, updated_at = 1")
    assert [check for check, _ in findings(used, "wrong")] == ["engines"]
    store = used.store()
    store.register("engine-1", 30)
    change(used, "UPDATE runs SET wake_at = 1, updated_at = 1")
    ((check, sentence),) = findings(used, "wrong")
    assert check == "runs"
    assert sentence.startswith("it has been due for ")
    store.leave("engine-1", BEGINNING)
    store.close()


def test_a_block_type_that_live_runs_need_and_nobody_has_is_wrong(used: Desk) -> None:
    change(used, "UPDATE workflows SET document = replace(document, '\"NOOP\"', '\"JIRA_ISSUE\"')")
    assert ("runs", "1 run still needs block type JIRA_ISSUE, which is not installed") in findings(used, "wrong")


def test_runs_of_all_tenants_are_looked_at(used: Desk) -> None:
    used.save({**APPROVAL, "tenant": "acme"})
    used("run", "change-owner", "--inputs", INPUTS, "--id", "theirs", "--tenant", "acme", "--as", "ada")
    assert ("runs", "2 runs not done yet, none of them stuck") in findings(used, "fine")
    assert ("engines", "1 run could go on, but no engine is running") in findings(used, "wrong")


def test_a_run_that_cannot_be_read_is_wrong(used: Desk) -> None:
    change(used, "UPDATE workflows SET document = '[]'")
    assert ("runs", "its document can't be read") in findings(used, "wrong")


def test_a_damaged_file_is_wrong(used: Desk) -> None:
    with closing(sqlite3.connect(used.folder / "store/icefloe.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'runs_by_time'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (used.folder / "store/icefloe.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    ended = used("doctor")
    assert ended.status == 1
    assert "✗ file     store/icefloe.db is damaged: " in ended.out
    assert "\\n" not in ended.out
    assert "stop the engines and restore a backup" in ended.out


def test_no_store_is_wrong_but_the_rest_is_looked_at(desk: Desk) -> None:
    ended = desk("doctor")
    assert ended.status == 1
    assert "✓ blocks   8 block types: APPROVAL, " in ended.out
    assert "✗ store    there is no store at store/icefloe.db: " in ended.out
    assert not (desk.folder / "store").exists()


def test_a_setting_that_a_block_cannot_use_is_wrong(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_HTTP_MAX_BYTES", "many")
    ((check, sentence),) = findings(used, "wrong")
    assert check == "blocks"
    assert "http_max_bytes" in sentence.lower()


def test_a_variable_that_is_no_setting_is_named(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_LEASEE", "5")
    assert ("settings", "ICEFLOE_LEASEE is no setting (did you mean ICEFLOE_LEASE?)") in findings(used, "doubtful")


def test_doctor_changes_nothing(used: Desk) -> None:
    before = used.load()
    used("doctor")
    assert used.load() == before


# On Kafka and MongoDB.


@pytest.fixture
def on_kafka(kafka_address: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> AdminClient:
    monkeypatch.setenv("ICEFLOE_EVENTS", f"kafka://{kafka_address}")
    monkeypatch.setenv("ICEFLOE_TOPIC_PREFIX", topic_prefix)
    return AdminClient({"bootstrap.servers": kafka_address})


def make_topics(admin: AdminClient, prefix: str) -> None:
    names = (f"{prefix}.changes", f"{prefix}.triggers", f"{prefix}.triggers.dlq")
    for made in admin.create_topics([NewTopic(name, 3, 1) for name in names]).values():
        made.result(30)


def publish(address: str, topic: str, messages: int) -> None:
    producer = Producer({"bootstrap.servers": address})
    for _ in range(messages):
        producer.produce(topic, b"{}")
    assert producer.flush(30) == 0


@pytest.mark.usefixtures("on_kafka")
def test_topics_that_are_not_there_are_wrong(used: Desk, topic_prefix: str) -> None:
    [sentence] = [words for check, words in findings(used, "wrong") if check == "kafka"]
    assert f"topic {topic_prefix}.changes: it isn't there: make the topics with `icefloe topics`" in sentence


def test_topics_are_named_with_who_reads_them(used: Desk, on_kafka: AdminClient, topic_prefix: str) -> None:
    make_topics(on_kafka, topic_prefix)
    groups = {
        f"{topic_prefix}.changes": f"{topic_prefix}.engines",
        f"{topic_prefix}.triggers": f"{topic_prefix}.triggers",
    }
    assert [words for check, words in findings(used, "fine") if check == "kafka"] == [
        f"topic {topic} has 3 partitions; group {group} has 0 members, and 0 messages to read"
        for topic, group in groups.items()
    ]


def test_messages_that_nobody_reads_are_wrong(
    used: Desk, on_kafka: AdminClient, topic_prefix: str, kafka_address: str
) -> None:
    make_topics(on_kafka, topic_prefix)
    publish(kafka_address, f"{topic_prefix}.triggers", 5)
    publish(kafka_address, f"{topic_prefix}.triggers.dlq", 2)
    [sentence] = [words for check, words in findings(used, "wrong") if check == "kafka"]
    assert sentence.endswith("has 0 members, and 5 messages to read")
    [sentence] = [words for check, words in findings(used, "doubtful") if check == "kafka"]
    assert sentence == f"2 dead letters that nobody has dealt with on topic {topic_prefix}.triggers.dlq"


def test_a_relay_that_is_not_there_or_behind_is_told(used: Desk, on_kafka: AdminClient, topic_prefix: str) -> None:
    make_topics(on_kafka, topic_prefix)
    assert ("relay", "no relay has published anything of this store yet") in findings(used, "wrong")
    with closing(used.store()) as store:
        store.bookmark("relay", store.position())
    assert ("relay", "the relay has published all there is") in findings(used, "fine")
    used("cancel", "run-1")
    [(_, sentence)] = [one for one in findings(used, "doubtful") if one[0] == "relay"]
    assert sentence == "the relay had 1 change to publish a moment ago"


def test_kafka_options_that_cannot_be_used_are_wrong(
    used: Desk, on_kafka: AdminClient, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_topics(on_kafka, topic_prefix)
    monkeypatch.setenv("ICEFLOE_KAFKA_OPTIONS", '{"group.id": "mine"}')
    assert ("kafka", "ICEFLOE_KAFKA_OPTIONS: group.id can't be set: the engine depends on it") in findings(
        used, "wrong"
    )


def test_a_mongodb_is_described(desk: Desk, mongo_uri: str) -> None:
    open_store(mongo_uri).close()
    found = desk("doctor", "--store", mongo_uri, "--json").lines
    [sentence] = [one["sentence"] for one in found if one["check"] == "mongodb"]
    assert re.fullmatch(
        r"MongoDB \d+\.\d+\.\d+\S*, replica set \S+ of \d+ members?; a majority of it takes writes(; its oplog .+)?",
        sentence,
    )
    assert [one["verdict"] for one in found if one["check"] == "store"] == ["fine"]
