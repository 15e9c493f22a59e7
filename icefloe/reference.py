"""The page about all built-in block types, docs/blocks.md, written from what the blocks say of themselves.

`python -m icefloe.reference` prints it; a test compares.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from blocks.catalogue import AnyBlock, Catalogue
from blocks.contract import Block, BlockContext
from icefloe.cli.blocks import kind

_HEAD: Final = """\
# Block types

What each of the block types that come with Icefloe takes and gives. `icefloe blocks` lists all that are installed,
`icefloe blocks TYPE` describes one of them.

`{{ tasks.NAME.outputs.FIELD }}` [refers](specification.md#arguments-and-references) to a field of the outputs. Errors
are codes in `tasks.NAME.error.code`, besides [those that every task can end with](specification.md#failures). Attempts
and timeouts are those of a task that doesn't say otherwise.

This page is written by `python -m icefloe.reference`, and compared in a test."""
_RAISES: Final = re.compile(r"BlockError: (.*)", re.DOTALL)


def page(catalogue: Catalogue) -> str:
    """The whole page, in Markdown."""
    own = (block for block in catalogue.values() if block.function.__module__.startswith("blocks."))
    return "\n\n".join((_HEAD, *map(_section, own))) + "\n"


def _section(block: AnyBlock) -> str:
    parts = [f"## {block.type}", block.description, *_table("Arguments", block.arguments.model_json_schema())]
    if block.outputs is None:
        parts.append("**Outputs**: an object with the fields that its arguments give it.")
    else:
        schema = block.outputs.model_json_schema(mode="serialization")
        parts += _table("Outputs", schema, str(schema.get("description", "")), given=False)
    if block.signal is not None:
        parts += _table("Signal", block.signal.model_json_schema())
    parts += [f"**Errors**: {error}" for error in _errors(block)]
    parts.append("\n".join(f"* {fact}" for fact in _facts(block)))
    if block.examples:
        parts.append("\n".join(("```jsonl", *(json.dumps(one, ensure_ascii=False) for one in block.examples), "```")))
    return "\n\n".join(parts)


def _table(title: str, schema: Mapping[str, Any], remark: str = "", *, given: bool = True) -> Iterator[str]:
    rows = list(_rows(schema, schema, given=given))
    if not rows:
        return
    yield f"**{title}**" + (f": {remark}" if remark else "")
    fields = ("field", "type", *(("default",) if given else ()), "what it is")
    yield "\n".join(f"| {' | '.join(row)} |" for row in (fields, ("---",) * len(fields), *rows))


def _rows(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str = "", *, given: bool
) -> Iterator[tuple[str, ...]]:
    """A row a field; the fields of an object, or of the objects in a list, follow it."""
    for name, field in schema.get("properties", {}).items():
        default = "*required*" if name in schema.get("required", ()) else _written(field.get("default"))
        type_ = "moment (RFC 3339)" if field.get("format") == "date-time" else kind(field, root)
        yield f"`{prefix}{name}`", type_, *((default,) if given else ()), str(field.get("description", ""))
        for inner, mark in ((field, "."), (field.get("items", {}), "[].")):
            definition = root.get("$defs", {}).get(inner.get("$ref", "").rpartition("/")[2], inner)
            if not prefix:
                yield from _rows(definition, root, f"{name}{mark}", given=given)


def _written(default: object) -> str:
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _errors(block: AnyBlock) -> Iterator[str]:
    """What the functions that calls are made of raise, as their docstrings tell it."""
    for function in vars(sys.modules[block.function.__module__]).values():
        called = function.function if isinstance(function, Block) else function
        if inspect.isfunction(called) and BlockContext in called.__annotations__.values():
            for found in _RAISES.findall(called.__doc__ or ""):
                yield " ".join(found.split())


def _facts(block: AnyBlock) -> Iterator[str]:
    retry = block.retry
    attempts = f"{retry.max_attempts} attempt" + ("s" if retry.max_attempts > 1 else "")
    pause = f", {retry.initial_interval} before the second" if retry.max_attempts > 1 else ""
    yield f"{attempts}{pause}; {f'each takes {block.timeout} at most' if block.timeout else 'no timeout'}"
    if block.concurrency is not None:
        yield f"{block.concurrency} calls at once at most"
    if block.settings is not None:
        names = ", ".join(f"`ICEFLOE_{name.upper()}`" for name in block.settings.model_fields)
        yield f"[Settings](settings.md): {names}"
    if block.secrets:
        yield f"Secrets: {', '.join(f'`ICEFLOE_{name.upper()}`' for name in block.secrets)}"
    if block.pure:
        yield "It has no effects outside, and may be called more often than recorded."


if __name__ == "__main__":
    sys.stdout.write(page(Catalogue.load()))
