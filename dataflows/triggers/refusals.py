"""Refusals: why a message can't be accepted."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """A stable code, and a sentence for people."""

    code: str
    sentence: str


class Refused(Exception):  # noqa: N818 - a verdict: `raise Refused(…)` says all
    """A message can't be accepted."""

    def __init__(self, code: str, sentence: str) -> None:
        self.refusal = Refusal(code, sentence)
        super().__init__(sentence)
