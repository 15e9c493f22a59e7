"""The catalogue: what it finds, and what it says about packages whose blocks can't be used."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import BaseModel

from blocks.catalogue import GROUP, Catalogue, CatalogueError
from blocks.contract import BlockContext, block
from blocks.noop import noop
from blocks.wait import wait
from engine.schemas import compile_schema

BUILT_IN = ["APPROVAL", "CONDITION", "HTTP_REQUEST", "NOOP", "NOTIFICATION", "TRANSFORM", "WAIT", "WAIT_FOR_SIGNAL"]


class Nothing(BaseModel):
    """Nothing."""


@block("NOOP", title="Another", category="Test")
def another(arguments: Nothing, context: BlockContext) -> None:
    """Pretend to be NOOP."""


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_the_built_in_blocks_come_in_by_the_public_door() -> None:
    catalogue = Catalogue.load()
    assert set(BUILT_IN) <= set(catalogue)
    assert list(catalogue) == sorted(catalogue)
    assert catalogue["NOOP"] is noop
    assert "NOOOP" not in catalogue
    assert catalogue.nearest("NOOOP") == " (did you mean 'NOOP'?)"


def test_every_built_in_block_has_a_file_of_its_own_name() -> None:
    catalogue = Catalogue.load()
    for block_type in BUILT_IN:
        assert catalogue[block_type].function.__module__ == f"blocks.{block_type.lower()}"


def test_what_is_described_is_json_with_a_text_for_each_argument() -> None:
    described = json.loads(json.dumps(Catalogue.load().describe()))
    for one in described:
        assert one["title"]
        assert one["description"].endswith(".")
        if one["type"] in BUILT_IN:
            assert one["examples"]
    approval = described[0]
    assert approval["type"] == "APPROVAL"
    assert approval["signal"]["properties"]["decision"]["enum"] == ["approve", "reject"]


@pytest.mark.parametrize("block_type", BUILT_IN)
def test_examples_fit_the_schema_of_the_arguments_that_is_published(block_type: str) -> None:
    described = Catalogue.load()[block_type].schema()
    schema = compile_schema(described["arguments"])
    for example in described["examples"]:
        references = {name for name, value in example.items() if isinstance(value, str) and value.startswith("{{")}
        faults = [fault for fault in schema.faults(example, at="") if fault.path.lstrip(".") not in references]
        assert faults == [], example
    for name, field in described["arguments"].get("properties", {}).items():
        inner = compile_schema({**field, "$defs": described["arguments"].get("$defs", {})})
        for example in field.get("examples", ()):
            assert inner.faults(example, at=name) == []


@pytest.mark.parametrize(
    ("block_type", "arguments"),
    [
        ("APPROVAL", {"approvers": "ada", "groups": "stewards", "escalate_after": "1h", "escalate_to": "boss"}),
        ("HTTP_REQUEST", {"url": "https://example.org", "expect_status": "2xx"}),
        ("HTTP_REQUEST", {"url": "https://example.org", "expect_status": 404}),
        ("NOTIFICATION", {"recipient": "{{ inputs.owner }}", "payload": {"title": "Done"}}),
        ("WAIT_FOR_SIGNAL", {"from": "report-service"}),
    ],
)
def test_what_may_be_given_alone_instead_of_as_a_list_fits_the_schema_too(
    block_type: str, arguments: dict[str, object]
) -> None:
    block = Catalogue.load()[block_type]
    schema = compile_schema(block.schema()["arguments"])
    assert (block.check(arguments), schema.faults(arguments, at="")) == ([], [])
    for name in {"recipient", "from", "expect_status"}.intersection(arguments):
        empty = {**arguments, name: []}
        assert [fault.path for fault in block.check(empty)] == [name]
        assert [fault.path for fault in schema.faults(empty, at="")] == [f".{name}"]


def test_all_that_is_broken_is_told_at_once_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "icefloe_broken.py").write_text("raise SystemExit('not today')")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        point("noop", "blocks.noop:noop"),
        point("gone", "nowhere.at.all:block"),
        point("exits", "icefloe_broken:block"),
        point("misses", "blocks.noop:nope"),
        point("function", "blocks.catalogue:nearest"),
    ]
    with pytest.raises(CatalogueError) as caught:
        Catalogue.load(points)
    assert len(caught.value.faults) == 4
    told = str(caught.value)
    assert "'nowhere.at.all:block' of a package can't be imported: ModuleNotFoundError" in told
    assert "'icefloe_broken:block' of a package can't be imported: SystemExit: not today" in told
    assert "'blocks.noop:nope' of a package can't be imported: AttributeError" in told
    assert "'blocks.catalogue:nearest' of a package is no block but a function: decorate the function" in told


def test_a_type_that_is_defined_twice_is_refused() -> None:
    with pytest.raises(CatalogueError, match=r"NOOP is defined twice, by blocks\.noop and by .*test_catalogue"):
        Catalogue.of(noop, another)


def test_arguments_are_checked_against_the_block_of_their_type() -> None:
    catalogue = Catalogue.of(noop, wait)
    assert catalogue.check_arguments("NOOP", {"any": "{{ inputs.thing }}"}) == []
    assert [str(fault) for fault in catalogue.check_arguments("WAIT", {"durations": "1h"})] == [
        "durations: is not known here (did you mean 'duration'?)"
    ]
    with pytest.raises(KeyError):
        catalogue.check_arguments("NOPE", {})
