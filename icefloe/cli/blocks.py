"""The command `blocks`: which block types are installed, and what each of them takes and gives."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from blocks.catalogue import AnyBlock, Catalogue
from engine.faults import nearest
from icefloe.cli.app import Session, command
from icefloe.cli.failures import CommandError
from icefloe.cli.tables import Column, lines_of
from icefloe.cli.wording import printable

_LIST = (Column("TYPE"), Column("CATEGORY"), Column("DESCRIPTION", elastic=True))
_FIELDS = (
    Column("NAME"),
    Column("TYPE", elastic=True),
    Column("DEFAULT", elastic=True),
    Column("DESCRIPTION", elastic=True),
)


@command("Workflows")
def blocks(
    session: Session,
    block_type: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="Only this one, in full")] = None,
) -> None:
    """List the block types, or describe one of them."""
    catalogue = Catalogue.load()
    if block_type is None:
        for schema in catalogue.describe():
            session.terminal.give(schema)
        session.terminal.table(
            _LIST, [(Text(one.type, "bold"), one.category, one.description) for one in catalogue.values()]
        )
    elif block_type in catalogue:
        session.terminal.give(catalogue[block_type].schema())
        session.terminal.show(*_described(catalogue[block_type], session.terminal.out.width))
    else:
        raise CommandError("UNKNOWN_TYPE", f"{block_type!r} is not a block type{nearest(block_type, catalogue)}")


def _described(block: AnyBlock, room: int) -> Iterator[Text]:
    yield Text.assemble((block.type, "bold"), f"  {printable(block.title)}, {printable(block.category)}")
    yield Text(printable(block.description))
    parts = (("arguments", block.arguments), ("outputs", block.outputs), ("signal", block.signal))
    for name, model in parts:
        schema = (
            {}
            if model is None
            else model.model_json_schema(mode="serialization" if name == "outputs" else "validation")
        )
        rows = list(_rows(schema, schema, given=name != "outputs"))
        if rows:
            yield from (Text(), Text(name, "bold underline"), *lines_of(_FIELDS, rows, room))
    yield from _facts(block)


def _rows(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str = "", *, given: bool
) -> Iterator[tuple[Text | str, ...]]:
    """A row a field; those of an object inside follow it. Whether one is needed matters only in what is `given`."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        default = json.dumps(field.get("default"), ensure_ascii=False).replace("null", "") if given else ""
        needed = Text("required", "yellow") if given and name in required else default
        yield Text(printable(prefix + name), "bold"), kind(field, root), needed, str(field.get("description", ""))
        inner = _resolved(field, root)
        if "properties" in inner and not prefix:
            yield from _rows(inner, root, f"{name}.", given=given)


def _facts(block: AnyBlock) -> Iterator[Text]:
    facts = [("attempts", str(block.retry.max_attempts))]
    if block.timeout is not None:
        facts.append(("timeout", block.timeout))
    if block.settings is not None:
        facts.append(("settings", ", ".join(f"ICEFLOE_{name.upper()}" for name in block.settings.model_fields)))
    if block.secrets:
        facts.append(("secrets", ", ".join(f"ICEFLOE_{name.upper()}" for name in block.secrets)))
    facts += (("example", json.dumps(example, ensure_ascii=False)) for example in block.examples)
    yield Text()
    for name, value in facts:
        yield Text.assemble((f"{name:<11}", "dim"), printable(value))


def kind(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """What a JSON Schema takes, in a few words: `string`, `"any" or "all" or integer`, `list of string`."""
    schema = _resolved(schema, root)
    if "const" in schema or "enum" in schema:
        return " or ".join(map(json.dumps, schema.get("enum", [schema.get("const")])))
    if "anyOf" in schema:
        kinds = dict.fromkeys(kind(one, root) for one in schema["anyOf"])
        return " or ".join(one for one in kinds if one != "null")
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), root)}"
    return str(schema.get("type", "any"))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    return root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
