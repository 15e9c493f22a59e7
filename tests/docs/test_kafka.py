"""Tests of docs/kafka.md: its examples are accepted, its run ids are right, and it has every code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dataflows.settings import EngineSettings
from dataflows.triggers import letters
from dataflows.triggers.messages import ORIGIN, Send, Start, read
from engine.statuses import RunStatus, TaskStatus
from icefloe.asyncapi import Change
from tests.dataflows.triggers.messages import OPEN, binary, message

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
JSON = [json.loads(one) for one in re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]


def echoed(command: str) -> Any:
    """The message of an example with kcat."""
    found = re.match(r"echo '(.*?)' \|", command)
    assert found
    return json.loads(found[1])


def started(one: Any) -> str:
    found = read(one, OPEN)
    assert isinstance(found, Start), found
    return found.request.id


def test_the_examples_start_runs_under_the_ids_that_the_page_computes() -> None:
    scope: dict[str, Any] = {}
    exec(PYTHON[1], scope)  # noqa: S102 - the page's own example
    run_id = scope["run_id"]
    headers = dict(re.findall(r"-H ([\w-]+)=(\S+)", SHELL[1]))
    assert started(message(echoed(SHELL[0]))) == run_id("icefloe.triggers", "change-4711")
    assert started(message(echoed(SHELL[1]), headers=headers)) == run_id("/crm", "change-4711")
    assert started(binary("icefloe.run.start", echoed(SHELL[1]), id_="é")) == run_id("/crm", "é")
    assert json.dumps(echoed(SHELL[0])) in PYTHON[0], "both send the same"


def test_the_example_of_a_signal_is_one() -> None:
    found = read(message(JSON[0]), OPEN)
    assert isinstance(found, Send)
    assert found.task == "wait-for-scan"


def test_the_example_of_a_change_has_the_form_of_one() -> None:
    change = Change.model_validate(JSON[1])
    assert change.status is RunStatus.SUCCESS
    assert change.tasks["notify-rejected"] is TaskStatus.OMITTED


def test_the_example_of_bindings_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_TRIGGERS", json.dumps(JSON[2]))
    bindings = EngineSettings.load().triggers
    assert bindings is not None
    assert bindings["ops.commands"].trusted
    assert bindings["crm.events"].workflows == ("change-owner", "crm-*")


def test_every_code_of_a_refusal_and_every_header_of_a_letter_is_on_the_page() -> None:
    sources = [*(ROOT / "dataflows" / "triggers").glob("*.py"), ROOT / "engine" / "signals.py"]
    code = re.compile(r'(?:Refused|Refusal|Rejected)\("([A-Z_]+)"|"([A-Z]+_[A-Z]+)"')
    codes = {first or second for path in sources for first, second in code.findall(path.read_text())}
    assert len(codes) > 15
    listed = {
        name for row in re.findall(r"^\| (`[A-Z].*?) \|", TEXT, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert codes - listed == set()
    for header in (ORIGIN, letters.REASON, letters.ERROR, letters.AT, letters.SHORTENED):
        assert f"| `{header}` |" in TEXT
