"""The fixtures that give tests a real server: one a test process, with a database or topics of its own for each test.

`ICEFLOE_TEST_MONGO_URI` names a replica set to use instead of the packaged server.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from tests.servers.mongod import MongoServer, mongod


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The packaged server, for tests that let it fail; what they break they must mend."""
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    folder: Path = tmp_path_factory.mktemp("mongod")
    with MongoServer(folder) as server:
        yield server


@pytest.fixture
def mongo_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that nobody else has, dropped at the end."""
    name = f"icefloe_{uuid.uuid4().hex[:16]}"
    own = os.environ.get("ICEFLOE_TEST_MONGO_URI")
    if own:
        uri = urlsplit(own)._replace(path=f"/{name}").geturl()
    else:
        server: MongoServer = request.getfixturevalue("mongo_server")
        uri = server.uri(name)
    yield uri
    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)
