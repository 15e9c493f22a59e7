"""How many streams there may be: they cost little, but each holds a connection for as long as it likes."""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from api.principal import Principal
from api.problems import Problem

STREAMS: Final = 1000
STREAMS_EACH: Final = 32
_BUSY_SECONDS: Final = "10"


class Places:
    """How many streams there may be: in this process, and of each principal."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, str]] = Counter()

    @property
    def taken(self) -> int:
        """How many streams there are."""
        return self._taken.total()

    def take(self, principal: Principal) -> Callable[[], None]:
        """Take a place; what gives it back.

        Raises:
            Problem: there is none left.
        """
        who = (principal.tenant, principal.subject)
        if self._taken[who] >= STREAMS_EACH:
            raise _full(f"{principal.subject!r} follows in {STREAMS_EACH} streams already: end one of them")
        if self._taken.total() >= STREAMS:
            raise _full(f"this process has {STREAMS} streams already: try again later")
        self._taken[who] += 1
        return lambda: self._give_back(who)

    def _give_back(self, who: tuple[str, str]) -> None:
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]


def _full(sentence: str) -> Problem:
    headers = {"Retry-After": _BUSY_SECONDS}
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-streams", sentence, headers=headers)
