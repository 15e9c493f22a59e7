"""`validate`, `save`, `workflows` and `blocks`: what is said of files, and what is kept of them."""

import io
import re
import sys

import pytest

from tests.icefloe.cli.desk import APPROVAL, Desk

TWO_FAULTS = {
    "name": "w",
    "dag": {
        "entrypoint": "a",
        "exitpoints": ["b"],
        "tasks": [{"name": "a", "type": "NOPE"}, {"name": "b", "type": "NOOP", "depends": "aa"}],
    },
}
FAULTS = (
    "w.json: error: dag.tasks[0].type: 'NOPE' is not a block type (did you mean 'NOOP'?); `icefloe blocks` lists them\n"
    "w.json: error: dag.tasks[1].depends: 'aa' is not a task of this workflow (did you mean 'a'?)\n"
)


def test_a_valid_file_is_said_to_be_valid_and_not_saved(desk: Desk) -> None:
    ended = desk("validate", desk.write("w.json", APPROVAL))
    assert ended.status == 0
    assert ended.out.endswith("w.json: valid, 4 tasks\n")
    assert not (desk.folder / "store").exists()


def test_every_fault_of_a_file_is_told_with_its_place(desk: Desk) -> None:
    ended = desk("validate", desk.write("w.json", TWO_FAULTS))
    assert ended == (1, FAULTS, "error: w.json is invalid, with 2 faults\n")


def test_one_bad_file_among_several_hides_none_of_the_others(desk: Desk) -> None:
    good, bad = desk.write("good.json", APPROVAL), desk.write("w.json", TWO_FAULTS)
    ended = desk("validate", "missing.json", bad, ".", good)
    assert ended.status == 1
    assert "missing.json: error: can't be read: No such file or directory\n" + FAULTS in ended.out
    assert ".: error: is a directory; name the files in it\n" in ended.out
    assert "good.json: valid, 4 tasks\n" in ended.out
    assert ended.err == "error: 3 of 4 files are invalid, with 4 faults\n"


def test_a_program_gets_an_object_a_file(desk: Desk) -> None:
    ended = desk("validate", "--json", desk.write("w.json", TWO_FAULTS), desk.write("good.json", APPROVAL))
    bad, good = ended.lines
    assert (bad["file"], bad["valid"], bad["workflow"]) == ("w.json", False, None)
    assert [fault["path"] for fault in bad["faults"]] == ["dag.tasks[0].type", "dag.tasks[1].depends"]
    assert (good["valid"], good["workflow"], good["faults"]) == (True, "change-owner", [])
    assert ended.error == {"code": "INVALID", "message": "1 of 2 files is invalid, with 2 faults"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "line 1, column 2: not JSON: Expecting property name enclosed in double quotes"),
        ('{"name": "a",\n "name": "b"}', "line 2, column 2: the key 'name' is given twice"),
        ('{"name": NaN}', "line 1, column 10: 'NaN' is no JSON number"),
        ("[" * 100_000, "line 1, column 65: nested deeper than 64"),
        (" " * (1024 * 1024 + 1), "is larger than 1,048,576 bytes, which is the most that is allowed"),
    ],
)
def test_what_is_no_json_is_told_with_line_and_column(desk: Desk, content: str, sentence: str) -> None:
    ended = desk("validate", desk.write("w.json", content))
    assert ended.status == 1
    assert ended.out == f"w.json: error: {sentence}\n"


def test_a_dash_is_standard_input(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[]")))
    ended = desk("validate", "-")
    assert ended.out.startswith("-: error: ")
    assert ended.status == 1


def test_saving_makes_versions_and_the_same_document_none(desk: Desk) -> None:
    file = desk.write("w.json", APPROVAL)
    assert desk("save", file, "--as", "ada").out.startswith("change-owner saved as version 1")
    assert desk("save", file).out == "change-owner is already version 1\n"
    desk.write("w.json", {**APPROVAL, "description": "Better"})
    assert desk("save", "--json", file).lines == [
        {"file": "w.json", "workflow": "change-owner", "version": 2, "new": True}
    ]


def test_if_one_file_is_invalid_none_is_saved(desk: Desk) -> None:
    ended = desk("save", desk.write("good.json", APPROVAL), desk.write("w.json", TWO_FAULTS))
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err == FAULTS + "error: 1 of 2 files is invalid, with 2 faults; nothing was saved\n"
    assert not (desk.folder / "store").exists()


def test_a_program_gets_the_faults_of_what_was_not_saved(desk: Desk) -> None:
    ended = desk("save", "--json", desk.write("w.json", TWO_FAULTS))
    assert ended.out == ""
    assert [fault["path"] for fault in ended.error["faults"]] == [
        "w.json: dag.tasks[0].type",
        "w.json: dag.tasks[1].depends",
    ]


def test_saved_workflows_are_listed(desk: Desk) -> None:
    desk.write("w.json", APPROVAL)
    desk("save", "w.json", "--as", "ada")
    assert desk("workflows").out.splitlines()[1].split()[:4] == ["change-owner", "1", "4", "ada"]
    (one,) = desk("workflows", "--json").lines
    assert (one["name"], one["version"], one["tasks"], one["created_by"]) == ("change-owner", 1, 4, "ada")
    assert one["labels"] == {}
    assert desk("workflows", "--tenant", "other").out == "no workflows are saved yet: `icefloe save FILE` does that\n"


def test_the_block_types_are_listed_and_described(desk: Desk) -> None:
    assert "APPROVAL         People" in desk("blocks").out
    assert {one["type"] for one in desk("blocks", "--json").lines} >= {"APPROVAL", "NOOP", "WAIT"}
    described = desk("blocks", "APPROVAL").out
    assert re.search(r'^ *require +"any" or "all" or integer +"any" ', described, re.MULTILINE)
    assert desk("blocks", "NOTIFICATION", "--json").lines[0]["title"] == "Notification"
    assert "payload.title" in desk("blocks", "NOTIFICATION").out
    assert desk("blocks", "NOP") == (1, "", "error: 'NOP' is not a block type (did you mean 'NOOP'?)\n")
