"""The settings of Icefloe: one frozen class, read from the environment, and the table of all that there are.

    ICEFLOE_LEASE=60         a value
    ICEFLOE_LEASE_FILE=/…    or a file that has it, as container platforms mount secrets

`python -m icefloe.settings` prints the table that docs/settings.md holds.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Self

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from blocks.catalogue import AnyBlock, Catalogue
from dataflows.settings import PREFIX, EngineSettings, SettingsError


class Settings(EngineSettings):
    """What the command line and the engine need to know."""

    debug: bool = Field(default=False, description="Show the traceback of an error that nobody expected")

    @property
    def place(self) -> str:
        """The store's URL, without the password that it may hold."""
        return re.sub(r"(://[^/@:]*:)[^/@]*@", r"\1…@", self.store)

    @classmethod
    def load(cls, **given: object) -> Self:
        """The settings of the environment, and those `given` in their stead.

        Raises:
            SettingsError: some can't be used; the message names each, and why.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as invalid:
            faults = (f"{_variable(str(error['loc'][0]))}: {_reason(error['msg'])}" for error in invalid.errors())
            raise SettingsError("; ".join(faults)) from None


def table(blocks: Iterable[AnyBlock]) -> str:
    """Every setting and secret in Markdown: those of the program, then those of its block types."""
    rows = ["| variable | of | default | what it is |", "| --- | --- | --- | --- |"]
    rows += _rows(Settings, "Icefloe")
    for block in blocks:
        if block.settings is not None:
            rows += _rows(block.settings, block.type)
        rows += (f"| `{_variable(secret)}` | {block.type} | | a secret |" for secret in block.secrets)
    return "\n".join(rows)


def _rows(model: type[BaseModel], owner: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"| `{_variable(name)}` | {owner} | {_written(field.default)} | {field.description or ''} |"


def _written(default: object) -> str:
    """A default as it would stand in the environment; nothing if there is none."""
    if default in (None, PydanticUndefined, "") or isinstance(default, SecretStr):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _reason(message: str) -> str:
    """Pydantic's sentence without its preface: `should be a valid number`."""
    return message.removeprefix("Value error, ").replace("Input should", "should")


if __name__ == "__main__":
    sys.stdout.write(table(Catalogue.load().values()) + "\n")
