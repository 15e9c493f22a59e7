"""Opening a store by its URL: `sqlite:///relative/path` or `sqlite:////absolute/path`."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from store.protocol import Store, StoreError
from store.sqlite import SqliteStore

_FORMS = "sqlite:///relative/path or sqlite:////absolute/path"


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
                raise StoreError(f"{url!r} doesn't name a file; use {_FORMS}")
            return SqliteStore(Path(path), create=create)
        case "mongodb" | "mongodb+srv":
            raise StoreError(f"the MongoDB store is not in this version of Icefloe; use {_FORMS}")
        case "" if not parts.netloc:
            raise StoreError(f"{url!r} is not the URL of a store; use {_FORMS}")
        case _:
            # Not the whole of it: it may hold a password.
            raise StoreError(f"{parts.scheme or 'this'!r} is not a kind of store; use {_FORMS}")
