"""`run`, `runs` and `show`: starting runs, finding them, looking at them, and all that can be wrong with that."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from blocks.catalogue import Catalogue, CatalogueError
from dataflows.lease import kind_of
from icefloe.cli import following
from icefloe.cli.following import NO_ENGINE
from store.protocol import BEGINNING, NewRun
from tests.icefloe.cli.desk import APPROVAL, INPUTS, Desk

ALONE = f"{NO_ENGINE}\n"
QUICK: dict[str, Any] = {
    "name": "quick",
    "dag": {"entrypoint": "a", "exitpoints": ["a"], "tasks": [{"name": "a", "type": "NOOP"}]},
}
DOOMED = {
    "name": "doomed",
    "inputs": {"type": "object", "properties": {"n": {"default": "x"}}},
    "dag": {
        "entrypoint": "a",
        "exitpoints": ["a"],
        "tasks": [{"name": "a", "type": "NOOP", "when": {"left": "{{ inputs.n }}", "operator": "<", "right": 2}}],
    },
}


@pytest.fixture
def saved(desk: Desk) -> Desk:
    desk.save()
    return desk


# Starting


def test_a_run_is_started_under_a_new_id_by_whoever_is_logged_in(saved: Desk) -> None:
    ended = saved("run", "change-owner", "--inputs", INPUTS)
    started = re.fullmatch(r"run ([0-9a-f-]{36}) of change-owner version 1 is started\n", ended.out)
    assert started
    assert ended.status == 0
    assert ended.err == ALONE
    run = saved.load(started[1])
    assert (run.requested_by, run.inputs) == ("lena", {"asset": "sales.orders", "owner": "olga", "days": 9})


def test_the_same_request_under_one_id_starts_one_run(saved: Desk) -> None:
    arguments = ("run", "change-owner", "--inputs", INPUTS, "--id", "r-1", "--json")
    assert [saved(*arguments).lines[0]["new"] for _ in range(2)] == [True, False]
    other = saved("run", "change-owner", "--inputs", INPUTS, "--id", "r-1", "--as", "ada")
    assert other.status == 1
    assert other.err.startswith(
        "error: the run can't be started: id: 'r-1' is the id of a run that was asked for with other content"
    )
    assert len(saved("runs", "--json").lines) == 1


def test_a_program_gets_what_was_started(saved: Desk) -> None:
    ended = saved("run", "change-owner", "--inputs", INPUTS, "--id", "r-1", "--label", "team=gov", "--json")
    assert ended.lines == [{"id": "r-1", "workflow": "change-owner", "version": 1, "status": "PENDING", "new": True}]
    assert ended.err == f'{{"remark":"{NO_ENGINE}"}}\n'
    assert saved.load("r-1").labels == {"team": "gov"}


def test_inputs_come_from_a_file_too(saved: Desk) -> None:
    assert saved("run", "change-owner", "--inputs", "@" + saved.write("in.json", INPUTS), "--id", "r-1").status == 0
    assert saved.load("r-1").inputs["owner"] == "olga"


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ("[1", "--inputs: line 1, column 3: not JSON: Expecting ',' delimiter"),
        ('{"n":\n 1, "n": 2}', "--inputs: line 2, column 5: the key 'n' is given twice"),
        ("[]", "--inputs: a run's inputs are a JSON object, not a list"),
        ("@none.json", "--inputs @none.json: can't be read: No such file or directory"),
        ("@store", "--inputs @store: is a directory; name the files in it"),
        ("@empty.json", "--inputs @empty.json: is empty"),
        ("@large.json", "--inputs @large.json: is larger than 262,144 bytes, which is the most that is allowed"),
    ],
)
def test_inputs_that_are_no_json_object_are_wrong_usage(saved: Desk, inputs: str, sentence: str) -> None:
    saved.write("empty.json", "")
    saved.write("large.json", f'"{"x" * 300_000}"')
    assert saved("run", "change-owner", "--inputs", inputs) == (2, "", f"error: {sentence}\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--inputs", '{"owner": "olga"}'], "the run can't be started: inputs.asset: is required"),
        (
            ["--version", "7", "--inputs", INPUTS],
            "the run can't be started: version: 'change-owner' has no version 7; its latest is 1",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_told(saved: Desk, arguments: list[str], sentence: str) -> None:
    assert saved("run", "change-owner", *arguments) == (1, "", f"error: {sentence}\n")
    assert saved("runs", "--json").out == ""


def test_all_faults_of_the_inputs_are_told_one_a_line(saved: Desk) -> None:
    ended = saved("run", "change-owner", "--inputs", '{"owner": 1, "days": "x"}')
    assert ended.status == 1
    first, *faults = ended.err.splitlines()
    assert first == "error: the run can't be started"
    assert sorted(fault.split(":")[0] for fault in faults) == ["  inputs.asset", "  inputs.days", "  inputs.owner"]


def test_an_unknown_workflow_is_refused_with_the_nearest_name(saved: Desk) -> None:
    ended = saved("run", "change-ower", "--inputs", INPUTS, "--json")
    assert ended.out == ""
    assert ended.status == 1
    message = "'change-ower' is not a saved workflow (did you mean 'change-owner'?)"
    faults = [{"path": "workflow", "message": message}]
    assert ended.error == {"code": "REFUSED", "message": "the run can't be started", "faults": faults}


# Waiting


def test_waiting_says_what_happens_until_the_time_is_up(saved: Desk) -> None:
    saved.start("r-1")
    ended = saved(
        "run", "change-owner", "--inputs", INPUTS, "--id", "r-1", "--as", "ada", "--wait", "--timeout", "200ms"
    )
    assert ended.status == 1
    said = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in ended.out.splitlines()]
    assert said == [
        "run r-1 of change-owner version 1 was started before by the same request; nothing was started twice",
        "check  SUCCESS",
        "ask  WAITING  waits for olga to decide",
    ]
    assert ended.err == f"{ALONE}error: run r-1 is still WAITING after 200ms; it goes on\n"


def test_waiting_for_a_run_that_fails_is_a_failure(desk: Desk) -> None:
    desk.save(DOOMED)
    ended = desk("run", "doomed", "--id", "r-1", "--wait")
    assert ended.status == 1
    assert "a  FAILED  BAD_CONDITION: " in ended.out
    assert ended.err.startswith("error: run r-1 ended FAILED: a FAILED (BAD_CONDITION: ")


def test_waiting_for_a_run_that_succeeds_is_a_success(desk: Desk) -> None:
    desk.save(QUICK)
    desk.start("r-1", workflow="quick", inputs="{}")
    ended = desk("run", "quick", "--id", "r-1", "--as", "ada", "--wait")
    assert (ended.status, ended.err) == (0, "")
    assert re.search(r"^\d\d:\d\d:\d\d  a  SUCCESS$", ended.out, re.MULTILINE)
    assert re.search(r"^ended SUCCESS after [\d.]+ m?s$", ended.out, re.MULTILINE)


def test_a_program_that_waits_gets_the_run_as_it_ended(desk: Desk) -> None:
    desk.save(DOOMED)
    ended = desk("run", "doomed", "--id", "r-1", "--wait", "--json")
    (run,) = ended.lines
    assert (run["id"], run["status"], run["error"]["code"]) == ("r-1", "FAILED", "BAD_CONDITION")
    assert ended.error["code"] == "RUN_FAILED"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--timeout", "3s"], "--timeout is how long to wait, so it needs --wait"),
        (["--wait", "--timeout", "3"], "--timeout: '3' is not a duration"),
        (["--label", "x"], "--label: 'x' is not KEY=VALUE"),
        (["--label", "x=1", "--label", "x=2"], "--label: 'x' is given twice"),
        (
            ["--version", "0"],
            "invalid value for '--version': it should be greater than or equal to 1 (see icefloe run --help)",
        ),
        (["--as", " "], "--as: a name has at least one character"),
    ],
)
def test_wrong_usage_is_told_and_starts_nothing(saved: Desk, arguments: list[str], sentence: str) -> None:
    ended = saved("run", "change-owner", "--inputs", INPUTS, *arguments)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {sentence}")
    assert saved("runs", "--json").out == ""


# Finding


def ids(desk: Desk, *arguments: str) -> list[str]:
    return [one["id"] for one in desk("runs", "--json", *arguments).lines]


@pytest.fixture
def several(saved: Desk) -> Desk:
    saved.save(DOOMED)
    saved.start("r-1", "--label", "team=sales", "--label", "tier=1", by="ada")
    saved.start("r-2", inputs='{"asset": "7", "owner": "otto", "days": 90}', by="eve")
    saved.start("r-3", workflow="doomed", inputs="{}", by="ada")
    return saved


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ["r-3", "r-2", "r-1"]),
        (["--workflow", "change-owner"], ["r-2", "r-1"]),
        (["--by", "ada"], ["r-3", "r-1"]),
        (["--status", "failed"], ["r-3"]),
        (["--status", "WAITING", "--status", "FAILED"], ["r-3", "r-2", "r-1"]),
        (["--input", "days=90"], ["r-2"]),
        (["--input", "owner=olga", "--input", "asset=sales.orders"], ["r-1"]),
        (["--input", 'days="90"'], []),
        (["--input", "asset=7"], ["r-2"]),
        (["--input", 'asset="7"'], ["r-2"]),
        (["--label", "team=sales", "--label", "tier=1"], ["r-1"]),
        (["--label", "team=sale"], []),
        (["--since", "1h"], ["r-3", "r-2", "r-1"]),
        (["--since", "2999-01-01T00:00:00Z"], []),
        (["--since", "2999-01-01"], []),
        (["--since", "2000-01-01"], ["r-3", "r-2", "r-1"]),
        (["--tenant", "other"], []),
    ],
)
def test_runs_are_found_newest_first(several: Desk, arguments: list[str], found: list[str]) -> None:
    assert ids(several, *arguments) == found


def test_pages_are_walked_with_cursors(several: Desk) -> None:
    *page, last = several("runs", "--json", "--limit", "2").lines
    assert [one["id"] for one in page] == ["r-3", "r-2"]
    assert ids(several, "--limit", "2", "--cursor", last["cursor"]) == ["r-1"]
    assert page[0]["workflow"] == several("show", "r-3", "--json").lines[0]["workflow"]
    assert several("runs", "--limit", "2").err == f"there are more: --cursor {last['cursor']}\n"


def test_a_person_gets_a_table(several: Desk) -> None:
    several("cancel", "r-1")
    lines = several("runs").out.splitlines()
    assert lines[0].split() == ["RUN", "WORKFLOW", "STATUS", "BY", "AGE", "TOOK", "ERROR"]
    assert lines[1].split()[:4] == ["r-3", "doomed@1", "FAILED", "ada"]
    assert lines[1].endswith("BAD_CONDITION")
    assert lines[2].split()[:4] == ["r-2", "change-owner@1", "WAITING", "eve"]
    assert several("runs", "--workflow", "none").out == "there are no such runs\n"


def test_a_table_is_as_wide_as_columns_says_and_a_cell_never_endless(
    saved: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.start("r-1", by="n" * 3000)
    assert "n" * 299 + "…" in saved("runs").out
    assert "n" * 300 not in saved("runs").out
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, saved("runs").out.splitlines())) == 60


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--since", "yesterday"],
            "--since: 'yesterday' is neither a length of time, such as '2h' or '7d', nor a day or a mo",
        ),
        (["--input", "x"], "--input: 'x' is not KEY=VALUE"),
        (["--cursor", "x"], "--cursor: 'x' is no cursor of this store"),
        (["--limit", "0"], "invalid value for '--limit': it should be greater than or equal to 1"),
        (["--status", "DONE"], "invalid value for '--status': 'DONE' is not one of 'pending', 'running', "),
    ],
)
def test_a_wrong_filter_is_told(saved: Desk, arguments: list[str], sentence: str) -> None:
    ended = saved("runs", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {sentence}")


# Looking


def test_a_run_is_shown_with_what_it_waits_for(saved: Desk) -> None:
    saved.start("r-1")
    drawn = re.sub(
        r"\d[\d-]* [\d:]+|(?<=SUCCESS    )[\d.]+ m?s|(?<=WAITING    )[\d.]+ m?s|\(.* ago\)",
        "…",
        saved("show", "r-1").out,
    )
    drawn = re.sub(r"since [\d:]+", "since …", drawn)
    assert drawn.splitlines() == [
        "change-owner version 1  WAITING",
        "  run        r-1",
        "  requested  by ada, … …",
        '  inputs     {"asset": "sales.orders", "owner": "olga", "days": 9}',
        "",
        "✓ check    NOOP      SUCCESS    …",
        "◐ ask      APPROVAL  WAITING    …",
        "    waits for olga to decide · since …",
        "○ done     NOOP      PENDING",
        "    waits for ask.SUCCESS",
        "○ refused  NOOP      PENDING",
        "    waits for ask.FAILED",
    ]


def test_a_program_gets_the_whole_document_and_what_is_waited_for(saved: Desk) -> None:
    saved.start("r-1")
    (run,) = saved("show", "r-1", "--json").lines
    assert [task["status"] for task in run["dag"]["tasks"]] == ["SUCCESS", "WAITING", "PENDING", "PENDING"]
    assert [entry["type"] for entry in run["journal"]][:2] == ["RunCreated", "TaskClaimed"]
    asked = run["explanations"][0]
    assert (asked["task"], asked["kind"], asked["people"]) == ("ask", "people", ["olga"])


def test_decisions_are_shown_with_who_took_them(saved: Desk) -> None:
    saved.start("r-1")
    saved("reject", "r-1", "ask", "--as", "olga", "--comment", "not\x1b[31m now")
    saved.turn()
    shown = saved("show", "r-1").out
    assert re.search(r"    rejected by olga, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: not\\x1b\[31m now\n", shown)
    assert "· done     NOOP      OMITTED\n    ask.SUCCESS is false\n" in shown
    assert "  because    exit point refused succeeded, and nothing failed unhandled\n" in shown


def test_what_tasks_gave_is_shown_on_one_line_each(desk: Desk) -> None:
    values = {"list": list(range(500)), "nasty": "\x1b[31m\n"}
    wait = {"name": "wait", "type": "WAIT_FOR_SIGNAL", "depends": "give"}
    give = {"name": "give", "type": "TRANSFORM", "arguments": {"values": values}}
    tell = {"name": "tell", "type": "TRANSFORM", "arguments": {"values": {"x": "{{ tasks.wait.outputs.data }}"}}}
    tasks = [give, wait, {**tell, "depends": "wait"}]
    dag = {"entrypoint": "give", "exitpoints": ["tell"], "tasks": tasks}
    desk.save({"name": "gives", "outputs": {"end": "{{ tasks.tell.outputs.x }}"}, "dag": dag})
    desk.start("r-1", workflow="gives", inputs="{}")
    desk("signal", "r-1", "wait", "--data", '{"url": "u\\u001b"}', "--as", "olga")
    desk.turn()
    lines = desk("show", "r-1").out.splitlines()
    assert '  outputs    {"end": {"url": "u\\u001b"}}' in lines
    (given,) = [line for line in lines if line.startswith('    outputs {"list": [0, 1, 2, ')]
    assert len(given) < 700
    assert given.endswith("…")
    assert '    outputs {"x": {"url": "u\\u001b"}}' in lines
    (sent,) = [line for line in lines if "signal from olga, " in line]
    assert re.fullmatch(r'    signal from olga, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: \{"url": "u\\u001b"\}', sent)


def test_a_run_is_found_by_the_beginning_of_its_id(saved: Desk) -> None:
    saved.start("2026-spring")
    saved.start("2026-summer")
    assert saved("show", "2026-su").out.splitlines()[1] == "  run        2026-summer"
    assert saved("show", "2026-s") == (
        1,
        "",
        "error: more than one run's id begins with '2026-s': 2026-summer, 2026-spring; give more of it\n",
    )
    assert (
        saved("show", "202").err
        == "error: there is no run '202': an id may be shortened to 4 characters, not to fewer\n"
    )
    assert saved("show", "2027").err == "error: there is no run '2027': `icefloe runs` lists what there is\n"


def test_a_run_of_another_tenant_is_found_by_the_beginning_of_its_id_too(saved: Desk) -> None:
    saved.save({**APPROVAL, "tenant": "acme"})
    saved("run", "change-owner", "--inputs", INPUTS, "--id", "2026-autumn", "--tenant", "acme", "--as", "ada")
    assert saved("show", "2026-au").out.splitlines()[1] == "  run        2026-autumn"


def test_watching_a_run_that_has_ended_ends_at_once(desk: Desk) -> None:
    desk.save(DOOMED)
    desk.start("r-1", workflow="doomed", inputs="{}")
    ended = desk("show", "r-1", "--watch")
    assert ended.status == 1
    assert "a  FAILED" in ended.out
    assert ended.err.startswith("error: run r-1 ended FAILED: a FAILED (BAD_CONDITION: ")


def test_watching_ends_as_waiting_does(desk: Desk) -> None:
    desk.save(QUICK)
    desk.start("r-1", workflow="quick", inputs="{}")
    watched, waited = desk("show", "r-1", "--watch"), desk("run", "quick", "--id", "r-1", "--as", "ada", "--wait")
    assert (watched.status, watched.err) == (0, "")
    assert watched.out.splitlines()[-1].startswith("ended SUCCESS after ")
    assert watched.out.splitlines() == waited.out.splitlines()[1:]


def test_whatever_text_a_run_holds_commands_no_terminal(desk: Desk) -> None:
    nasty = "\x1b]0;title\x07\u009b31m\u202e\r\n"
    desk.save({**QUICK, "inputs": {"type": "object"}})
    store = desk.store()
    store.create([NewRun("r-1", "quick", {"x": nasty}, requested_by=nasty, labels={"k": nasty})])
    store.close()
    for words in (desk("show", "r-1").out, desk("runs").out, desk("show", "r-1", "--json").out):
        assert all(one.isprintable() or one == "\n" for one in words)


def test_a_run_that_cannot_be_read_is_told_from_one_that_is_not_there(saved: Desk) -> None:
    saved.start("run-1")
    with closing(sqlite3.connect(saved.folder / "store/icefloe.db")) as connection, connection:
        connection.execute("UPDATE tasks SET state = '{'")
    assert saved("show", "run-1") == (1, "", "error: the document of run run-1 can't be read: see `icefloe doctor`\n")


def test_a_broken_package_keeps_nobody_from_looking(saved: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    saved.start("r-1")

    def broken() -> Catalogue:
        raise CatalogueError(["'x:y' of broken 1.0 can't be imported: ImportError: no"])

    monkeypatch.setattr(Catalogue, "load", broken)
    assert saved("show", "r-1").status == 0
    refused = saved("validate", "change-owner.json")
    assert refused.err == "error: installed blocks: 'x:y' of broken 1.0 can't be imported: ImportError: no\n"


def test_a_task_that_no_engine_calls_is_told_if_one_has_other_block_types(
    saved: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.start("r-1")
    assert saved("show", "r-1").err == ""  # it waits for a person
    saved("approve", "r-1", "ask", "--as", "olga")
    assert saved("show", "r-1").err == ALONE
    store, owner = saved.store(), kind_of(["NOOP"]) + "1"
    store.register(owner, 30)
    assert saved("show", "r-1").err == ""  # it may still come to it
    monkeypatch.setattr(following, "OVERLOOKED_SECONDS", 0)
    told = f"no engine calls ask, and {owner} has other block types installed than this command: restart it\n"
    assert saved("show", "r-1").err == told
    waited = saved(
        "run", "change-owner", "--inputs", INPUTS, "--id", "r-1", "--as", "ada", "--wait", "--timeout", "9ms"
    )
    assert waited.err.startswith(told)
    store.leave(owner, BEGINNING)
    store.close()


def test_a_store_that_is_not_there_is_told(desk: Desk) -> None:
    ended = desk("runs")
    assert ended.status == 1
    assert ended.err.startswith("error: store: there is no store at store/icefloe.db: ")
    assert not (desk.folder / "store").exists()
