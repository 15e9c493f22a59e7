"""Opening a store by its URL: a SQLite file, or a database of a MongoDB replica set."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from store.protocol import Store, StoreError
from store.sqlite import SqliteStore

_FILES = "sqlite:///relative/path or sqlite:////absolute/path"
_FORMS = "sqlite:///relative/path, sqlite:////absolute/path or mongodb://host/database?replicaSet=rs0"


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store at a URL; `create` makes it if it isn't there.

    Raises:
        StoreError: it can't be opened; the sentence says why.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreError(f"this is not the URL of a store ({error}); use {_FORMS}") from error
    match parts.scheme:
        case "sqlite":
            path = unquote(parts.path.removeprefix("/"))
            if parts.netloc or not path or "\0" in path or parts.query or parts.fragment:
                raise StoreError(f"{url!r} doesn't name a file; use {_FILES}")
            return SqliteStore(Path(path), create=create)
        case "mongodb" | "mongodb+srv":
            from store.mongo import MongoStore  # noqa: PLC0415 - who doesn't use it needn't wait for its driver

            return MongoStore(url, create=create)
        case "" if not parts.netloc:
            raise StoreError(f"{url!r} is not the URL of a store; use {_FORMS}")
        case _:
            # Not the whole of it: it may hold a password.
            raise StoreError(f"{parts.scheme or 'this'!r} is not a kind of store; use {_FORMS}")
