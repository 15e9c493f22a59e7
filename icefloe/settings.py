"""The settings of Icefloe: one frozen class, read from the environment, and the table of all that there are.

    ICEFLOE_LEASE=60         a value
    ICEFLOE_LEASE_FILE=/…    or a file that has it, as container platforms mount secrets

`python -m icefloe.settings` prints the table that docs/settings.md holds.
"""

import sys
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, Field, SecretStr
from pydantic_core import PydanticUndefined

from blocks.catalogue import AnyBlock, Catalogue
from dataflows.settings import EngineSettings, variable


class Settings(EngineSettings):
    """What the command line and the engine need to know."""

    debug: bool = Field(default=False, description="Show the traceback of an error that nobody expected")


def table(blocks: Iterable[AnyBlock]) -> str:
    """Every setting and secret in Markdown: those of the program, then those of its block types."""
    rows = ["| variable | of | default | what it is |", "| --- | --- | --- | --- |"]
    rows += _rows(Settings, "Icefloe")
    for block in blocks:
        if block.settings is not None:
            rows += _rows(block.settings, block.type)
        rows += (f"| `{variable(secret)}` | {block.type} | | a secret |" for secret in block.secrets)
    return "\n".join(rows)


def _rows(model: type[BaseModel], owner: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"| `{variable(name)}` | {owner} | {_written(field.default)} | {field.description or ''} |"


def _written(default: object) -> str:
    """A default as it would stand in the environment; nothing if there is none."""
    if default in (None, PydanticUndefined, "") or isinstance(default, SecretStr):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    sys.stdout.write(table(Catalogue.load().values()) + "\n")
