"""A store on MongoDB is opened, or it is said in one sentence why not, what to do, and nothing of the password."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from traceback import format_exception

import pytest
from pymongo import MongoClient

from store.mongo import MongoStore
from store.mongo.clock import ServerClock
from store.open import open_store
from store.protocol import BEGINNING, NewRun, StoreError, StoreUnavailable
from tests.servers.mongod import MongoServer, free_port, mongod
from tests.store.driver import PATIENCE, START, workflow

QUICKLY = "serverSelectionTimeoutMS=3000&connectTimeoutMS=3000"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[MongoServer]:
    """A server that is no replica set."""
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    with MongoServer(tmp_path, plain=True) as server:
        yield server


def refusal(url: str) -> str:
    """Why a store can't be opened; the password `s3cret` is never in it, nor in what Python would print of it."""
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "s3cret" not in "".join(format_exception(caught.value))
    return str(caught.value)


def test_a_store_is_opened_by_its_url_and_found_again(mongo_uri: str) -> None:
    first = open_store(mongo_uri)
    first.save_workflow(workflow())
    first.create([NewRun("r", "w", {})])
    second = open_store(mongo_uri, create=False)
    assert second.incarnation == first.incarnation
    assert second.load(["r"])["r"].id == "r"
    for store in (first, second):
        store.close()
        store.close()


def test_no_option_of_a_url_weakens_what_the_store_promises(mongo_uri: str) -> None:
    store = open_store(f"{mongo_uri}&w=0&readPreference=secondary&readConcernLevel=available&retryWrites=true")
    store.save_workflow(workflow())
    store.create([NewRun("r", "w", {})])
    assert store.load(["r"])["r"].id == "r"
    assert [change.id for change in store.changes(BEGINNING).changes] == ["w", "r"]
    store.close()


def test_many_who_open_a_new_store_at_once_have_the_same(mongo_uri: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(open_store, [mongo_uri] * 6))
    assert len({store.incarnation for store in stores}) == 1
    for store in stores:
        store.close()


def test_a_store_that_must_be_there_is_not_made(mongo_uri: str) -> None:
    with pytest.raises(StoreError, match=r"there is no store at MongoDB at .*: start an engine first"):
        open_store(mongo_uri, create=False)
    open_store(mongo_uri).close()
    open_store(mongo_uri, create=False).close()


def test_what_a_newer_version_wrote_is_left_alone(mongo_uri: str) -> None:
    open_store(mongo_uri).close()
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.get_default_database().meta.update_one({}, {"$set": {"schema": 99}})
    assert "newer version of Icefloe" in refusal(mongo_uri)


def test_a_server_that_is_no_replica_set_will_not_do(plain: MongoServer) -> None:
    address = f"127.0.0.1:{plain.port}"
    assert "start mongod with --replSet, and run rs.initiate()" in refusal(plain.uri())
    assert "is not in the replica set" in refusal(f"mongodb://{address}/icefloe?replicaSet=rs0&{QUICKLY}")


def test_a_replica_set_has_to_be_initiated(tmp_path: Path) -> None:
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    with MongoServer(tmp_path, "--replSet", "rs0", plain=True) as server:
        for query in ("directConnection=true", f"replicaSet=rs0&{QUICKLY}"):
            told = refusal(f"mongodb://127.0.0.1:{server.port}/icefloe?{query}")
            assert "has never been initiated: run rs.initiate() there" in told


def test_a_wrong_password_is_said_to_be_wrong(plain: MongoServer) -> None:
    told = refusal(f"mongodb://olga:s3cret@127.0.0.1:{plain.port}/icefloe?authSource=admin")
    assert f"MongoDB at 127.0.0.1:{plain.port}/icefloe didn't accept this user and password" in told


def test_read_and_write_is_all_that_a_user_must_be_allowed(tmp_path: Path) -> None:
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    key = tmp_path / "key"
    key.write_text("none of this is secret")
    key.chmod(0o600)
    with MongoServer(tmp_path, "--replSet", "rs0", "--keyFile", str(key), plain=True) as server:
        address = f"127.0.0.1:{server.port}"
        with server.client() as client:
            members = [{"_id": 0, "host": address}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            _create_user(client, "root", "root")
        with MongoClient[dict[str, object]](f"mongodb://root:s3cret@{address}/?replicaSet=rs0") as client:
            for name, role in (("reader", "read"), ("writer", "readWrite")):
                _create_user(client, name, {"role": role, "db": "icefloe"})
        query = "icefloe?replicaSet=rs0&authSource=admin"
        told = refusal(f"mongodb://reader:s3cret@{address}/{query}")
        assert f"this user may not do that at MongoDB at {address}/icefloe" in told
        assert "give it the role readWrite" in told
        store = open_store(f"mongodb://writer:s3cret@{address}/{query}")
        store.save_workflow(workflow())
        assert [change.id for change in store.changes(BEGINNING).changes] == ["w"]
        store.close()


def _create_user(client: MongoClient[dict[str, object]], name: str, role: object) -> None:
    deadline = monotonic() + PATIENCE
    while not client.admin.command("hello")["isWritablePrimary"]:
        assert monotonic() < deadline
        sleep(0.05)
    client.admin.command({"createUser": name, "pwd": "s3cret", "roles": [role]})


def test_a_server_that_is_away_may_come_back() -> None:
    port = free_port()
    with pytest.raises(StoreUnavailable) as caught:
        open_store(f"mongodb://olga:s3cret@127.0.0.1:{port}/icefloe?{QUICKLY}")
    assert f"MongoDB at 127.0.0.1:{port}/icefloe can't be reached" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb:///icefloe",
        "mongodb://olga:s3cret@",
        "mongodb://olga:s3cret@db:port/icefloe",
        "mongodb://olga:s3cret@x@db:27017/icefloe",
        "mongodb://olga:s3cret/x@db:27017/icefloe",
        "mongodb://olga:%zz:s3cret@db:27017/icefloe",
        "mongodb://olga:s3cret@db:27017/ice floe$",
    ],
)
def test_a_url_that_is_none_gets_a_sentence_with_the_right_form(url: str) -> None:
    assert "mongodb://user:password@host:27017/database?replicaSet=rs0" in refusal(url)


def test_the_clock_is_the_servers_and_never_ahead_of_it(mongo_uri: str) -> None:
    store = MongoStore(mongo_uri)
    with MongoClient[dict[str, object]](mongo_uri, tz_aware=True) as client:
        before = client.admin.command("hello")["localTime"].timestamp()
        mine = store.now()
        after = client.admin.command("hello")["localTime"].timestamp()
    assert before - 60 < mine <= after + 0.001
    assert store.register("e1", 30.0) == ""
    [owner] = store.owners()
    assert after + 30 <= owner.alive_until + 0.001
    store.close()


def test_who_asks_for_the_time_while_another_thread_measures_it_is_not_led_astray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 0.0

    class Server:
        def command(self, _name: str) -> dict[str, datetime]:
            return {"localTime": datetime.fromtimestamp(START + passed, UTC)}

    clock = ServerClock(Server(), None)  # type: ignore[arg-type] # as much of a database as it asks
    monkeypatch.setattr("store.mongo.clock.monotonic", lambda: passed)
    clock.measure()
    passed = 20.0
    measured = False

    def measured_meanwhile() -> float:
        nonlocal measured
        if not measured:
            measured = True
            clock.measure(again=True)
        return passed

    monkeypatch.setattr("store.mongo.clock.monotonic", measured_meanwhile)
    assert clock() == START + 20.0
