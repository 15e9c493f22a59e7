"""Whether the API can do its work: asked of the store once, for all who want to know at the same moment."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from store.protocol import Store, StoreError, StoreGone

SECONDS: Final = 2.0  # that the store gets to answer

NO_ENGINE: Final = "no engine is alive on this store: runs are accepted, and begin when one is started"
_SILENT: Final = f"the store hasn't answered within {SECONDS:g} s"


class Readiness(NamedTuple):
    """Why the API can't do its work (nothing: it can), and what else whoever looks should know."""

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Health:
    """Asks the store. To be used on one event loop.

    A store that hangs holds one thread, however often it is asked for. `gone` says that the store won't come back.
    """

    def __init__(self, store: Store) -> None:
        self.gone: StoreGone | None = None
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-health")
        self._asking: asyncio.Future[Readiness] | None = None

    async def readiness(self) -> Readiness:
        """How it stands now."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
        done, _ = await asyncio.wait([self._asking], timeout=SECONDS)
        return self._asking.result() if done else Readiness((_SILENT,))

    def close(self) -> None:
        """Ask no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self) -> Readiness:
        try:
            now, owners = self._store.now(), self._store.owners()
        except StoreGone as error:
            self.gone = error
            return Readiness((str(error),))
        except StoreError as error:
            return Readiness((f"the store can't be reached: {error}",))
        alive = any(owner.alive_until > now for owner in owners)
        return Readiness(notes=() if alive else (NO_ENGINE,))
