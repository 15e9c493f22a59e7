"""Writes `triggers.jsonl`: one run of an example workflow a line, with its decisions and how it must end.

    scenarios.txt ─► how many runs of which scenario, and how each ends ─┐
    stories.py ────► the inputs and decisions that lead there ───────────┴─► triggers.jsonl

The bytes are the same each time. `python examples/make_triggers.py [FILE]` writes them to another file.

A line has `id`, `workflow`, `scenario`, `inputs`, `requested_by`, `expect` (`status` of the run, and `tasks` with the
status of each) and `decisions`, in the order in which they are to be sent, each as soon as its task waits. Where a time
is to run out, no decision comes and it is short. `$DEMO_SERVER` stands for the address of the demo's service desk.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cast import Cast
from stories import STORIES

HERE = Path(__file__).parent
SEED = 20261122


@dataclass(frozen=True, slots=True)
class Column:
    """One scenario: a column of a table in scenarios.txt."""

    workflow: str
    scenario: str
    runs: int
    status: str
    tasks: dict[str, str]


def columns(text: str) -> Iterator[Column]:
    """The scenarios in the tables of scenarios.txt, which an empty line separates."""
    for table in text.split("\n\n"):
        rows = [line.split() for line in table.splitlines() if not line.startswith("#")]
        if not rows:
            continue
        workflow, *scenarios = rows[0]
        cells = {name: dict(zip(scenarios, cells, strict=True)) for name, *cells in rows[1:]}
        runs, statuses = cells.pop("runs"), cells.pop("run")
        for scenario in scenarios:
            tasks = {task: cell[scenario].replace("-", "OMITTED") for task, cell in cells.items()}
            yield Column(workflow, scenario, int(runs[scenario]), statuses[scenario], tasks)


def triggers() -> Iterator[dict[str, Any]]:
    """Every run of every scenario, well mixed."""
    random = Random(SEED)
    runs = [one for one in columns((HERE / "scenarios.txt").read_text("utf-8")) for _ in range(one.runs)]
    random.shuffle(runs)
    for number, column in enumerate(runs, 1):
        story = STORIES[column.workflow](Cast(random), column.scenario)
        yield {
            "id": f"demo-{number:04}",
            "workflow": column.workflow,
            "scenario": column.scenario,
            "inputs": story.inputs,
            "requested_by": story.requested_by,
            "expect": {"status": column.status, "tasks": column.tasks},
            "decisions": story.decisions,
        }


def main(target: str = str(HERE / "triggers.jsonl")) -> None:
    """Write them all."""
    lines = (json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in triggers())
    Path(target).write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
