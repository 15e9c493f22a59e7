"""What a check-up finds, and the words for what a reader of the feed has still to read."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from icefloe.cli.wording import count
from store.protocol import HistoryLost, Position, Store

Verdict: TypeAlias = Literal["fine", "doubtful", "wrong"]

_MOST_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it. `run` is the run that it is about, if it is about one."""

    check: str
    verdict: Verdict
    sentence: str
    advice: str = ""
    run: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form, without what is empty."""
        return {field: value for field, value in asdict(self).items() if value}


def unread(store: Store, position: Position, excluding: str | None = None) -> str:
    """`3 changes`, or as many as are counted, after a position of the feed; nothing if there are none."""
    try:
        number = len(store.changes(position, limit=_MOST_COUNTED, excluding=excluding).changes)
    except HistoryLost:
        return "changes that the store no longer has"
    return "" if not number else f"{count(number, 'change')}{' or more' * (number == _MOST_COUNTED)}"
