"""Workflows for the simulation, by number: small, varied, and each compiled once for all simulations."""

from functools import cache
from random import Random
from typing import Any

from engine.documents import Workflow
from engine.plan import Plan, compile_workflow
from tests.simulation.blocks import KINDS

VARIETY = 400
_ENDINGS = ("SUCCESS", "SUCCESS", "SUCCESS", "DONE", "FAILED", "TIMED_OUT", "SKIPPED")
_RETRY = {"max_attempts": 5, "initial_interval": "1s", "jitter": 0.1}


@cache
def plan_of(number: int, kinds: tuple[str, ...] | None = None, *, child: bool = False, timed: bool = True) -> Plan:
    """A workflow of up to six tasks; of `kinds` if they are given, all independent of one another.

    Unless it is `timed` there are no timeouts, so that how it ends doesn't depend on how long anything takes.
    """
    random = Random(f"{number} {kinds} {child}")
    tasks: list[dict[str, Any]] = []
    for index in range(len(kinds) if kinds else random.randint(1, 3 if child else 6)):
        offered = KINDS if child else (*KINDS, "CHILD", "KILLER")
        kind = kinds[index] if kinds else random.choice(offered)
        earlier = [] if kinds else [task["name"] for task in tasks]
        tasks.append(_task(random, f"t{index}", kind, earlier))
    used = " ".join(str(task["depends"]) for task in tasks)
    if not timed:
        tasks = [{**task, "timeout": None} for task in tasks]
    workflow = {
        "name": "child" if child else "simulated",
        "timeout": "10m" if timed and not kinds and random.random() < 0.1 else None,
        "dag": {
            "entrypoint": [task["name"] for task in tasks if task["depends"] is None],
            "exitpoints": [task["name"] for task in tasks if task["name"] not in used],
            "tasks": tasks,
        },
    }
    return compile_workflow(Workflow.model_validate(workflow))


def _task(random: Random, name: str, kind: str, earlier: list[str]) -> dict[str, Any]:
    upstream = random.sample(earlier, min(len(earlier), random.randint(0, 2)))
    operator = random.choice([" && ", " || "])
    asked = random.choice(earlier) if earlier and random.random() < 0.1 else None
    when = {"left": f"{{{{ tasks.{asked}.status }}}}", "operator": "==", "right": "SUCCESS"}
    return {
        "name": name,
        "type": kind,
        "depends": operator.join(f"{one}.{random.choice(_ENDINGS)}" for one in upstream) or None,
        "when": when if asked else None,
        "arguments": {"of": f"{{{{ tasks.{random.choice(earlier)}.outputs }}}}"}
        if earlier and random.random() < 0.2
        else {},
        "retry": _RETRY,
        "timeout": "60s" if kind == "LONG" and random.random() < 0.5 else None,
        "allow_failure": random.random() < 0.2,
    }
