"""How often somebody may ask: a moving window of a minute for each principal, counted in this process."""

from http import HTTPStatus
from time import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.principal import Principal
from api.problems import Problem

_FORGET: Final = "requests"


class Rates:
    """The limits of one app: `most` requests a minute of each principal; 0 is no limit."""

    def __init__(self, most: int) -> None:
        self._limit = RateLimitItemPerMinute(most) if most else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait(self, who: str) -> float | None:
        """Count a request; if it is one too many, the seconds until another is let in."""
        if self._limit is None or self._limiter.hit(self._limit, _FORGET, who):
            return None
        reset = self._limiter.get_window_stats(self._limit, _FORGET, who).reset_time
        return max(reset - time(), 1.0)


def admit(rates: Rates, principal: Principal) -> None:
    """Let a request in, or not.

    Raises:
        Problem: it is one too many.
    """
    seconds = rates.wait(f"{principal.tenant}\0{principal.via}\0{principal.subject}")
    if seconds is not None:
        sentence = f"too many requests in a minute: try again in {seconds:.0f} s"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", sentence, headers={"Retry-After": f"{seconds:.0f}"})
