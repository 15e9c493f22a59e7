"""The settings of Icefloe: one frozen class, read from the environment, and the table of all that there are.

    ICEFLOE_LEASE=60         a value
    ICEFLOE_LEASE_FILE=/…    or a file that has it, as container platforms mount secrets

`python -m icefloe.settings` prints the table that docs/settings.md holds.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel, Field, SecretStr
from pydantic_core import PydanticUndefined

from api.settings import ApiSettings
from blocks.catalogue import AnyBlock, Catalogue
from dataflows.settings import PREFIX, EngineSettings, variable


class Settings(ApiSettings, EngineSettings):
    """What the command line, the engine and the API need to know."""

    model_config = EngineSettings.model_config

    debug: bool = Field(default=False, description="Show the traceback of an error that nobody expected")


def table(blocks: Iterable[AnyBlock]) -> str:
    """Every setting and secret in Markdown: those of the program, then those of its block types; each once."""
    owners: dict[str, list[str]] = {}
    told: dict[str, str] = {}
    for owner, name, words in _settings(blocks):
        owners.setdefault(name, []).append(owner)
        told.setdefault(name, words)
    rows = (f"| `{variable(name)}` | {', '.join(owners[name])} | {words} |" for name, words in told.items())
    return "\n".join(("| variable | of | default | what it is |", "| --- | --- | --- | --- |", *rows))


def strangers(blocks: Iterable[AnyBlock], environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """The variables of the environment that look like settings and are none; each with the one it looks most like."""
    names = set(Settings.model_fields)
    for block in blocks:
        names |= {*(block.settings.model_fields if block.settings is not None else ()), *block.secrets}
    known = {name.upper() + end for name in names for end in ("", "_FILE")}
    found: dict[str, str | None] = {}
    for name in sorted(name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX)):
        if name not in known:
            match = get_close_matches(name, sorted(known), n=1)
            found[variable(name)] = variable(match[0]) if match else None
    return found


def _settings(blocks: Iterable[AnyBlock]) -> Iterator[tuple[str, str, str]]:
    """Whose it is, what it is called, and what is told of it."""
    models: list[tuple[str, type[BaseModel] | None, tuple[str, ...]]] = [("Icefloe", Settings, ())]
    models += ((block.type, block.settings, block.secrets) for block in blocks)
    for owner, model, secrets in models:
        for name, field in model.model_fields.items() if model is not None else ():
            yield owner, name, f"{_written(field.default)} | {field.description or ''}"
        for secret in secrets:
            yield owner, secret, " | a secret"


def _written(default: object) -> str:
    """A default as it would stand in the environment; nothing if there is none."""
    if default in (None, PydanticUndefined, "", ()) or isinstance(default, SecretStr):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    sys.stdout.write(table(Catalogue.load().values()) + "\n")
