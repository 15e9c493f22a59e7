"""What is counted: each thing once, under its name."""

import re

import pytest

from dataflows import metrics
from dataflows.metrics import REGISTRY
from engine.transitions import RunCancelled, RunPaused
from store.protocol import StoreUnavailable
from tests.dataflows.driver import Rig, task


def count(name: str, **labels: str) -> float:
    """What a counter stands at; counters belong to the process, so tests look at how far they have come."""
    return REGISTRY.get_sample_value(f"icefloe_{name}", labels) or 0.0


def test_names_follow_the_rules_of_prometheus() -> None:
    for family in REGISTRY.collect():
        assert re.fullmatch(r"(icefloe|process)_[a-z_]+", family.name)
        assert family.documentation
        assert not family.documentation.endswith(".") or family.name.startswith("process_")


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("succeed", "succeeded"),
        ("fail", "retried"),
        ("skip", "skipped"),
        ("wait", "suspended"),
        ("expire", "timed_out"),
    ],
)
def test_a_call_is_counted_by_its_type_and_by_what_was_recorded_of_it(rig: Rig, how: str, outcome: str) -> None:
    before = count("tasks_total", type="HOLD", outcome=outcome)
    retry = {"max_attempts": 2}
    rig.start("r", task("a", type="HOLD", arguments={"how": how}, **({"retry": retry} if how == "fail" else {})))
    rig.begin("r", "a")
    assert rig.shell.slots.taken("HOLD") == 1
    rig.let_go()
    rig.record(rig.ended())
    assert count("tasks_total", type="HOLD", outcome=outcome) == before + 1
    assert rig.shell.slots.taken("HOLD") == 0


def test_a_result_that_comes_too_late_is_counted_as_refused_and_as_nothing_else(rig: Rig) -> None:
    def counted() -> tuple[float, float]:
        ended = sum(s.value for f in metrics.TASKS.collect() for s in f.samples if s.name.endswith("_total"))
        return count("results_refused_total", code="LATE_RESULT"), ended

    rig.start("r", task("a", type="HOLD"))
    rig.begin("r", "a")
    rig.do("r", RunCancelled())
    refused, ended = counted()
    rig.let_go()
    rig.record(rig.ended())
    assert counted() == (refused + 1, ended)


def test_a_claim_that_the_store_refuses_is_counted(rig: Rig) -> None:
    before = count("claims_refused_total")
    rig.start("r", "a")
    call = rig.prepare("r", "a")
    rig.do("r", RunPaused())
    rig.shell.claim([("r", call)])
    assert count("claims_refused_total") == before + 1


def test_each_try_that_the_store_had_no_time_for_is_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = count("store_unavailable_total")
    answers = iter([StoreUnavailable("busy"), StoreUnavailable("busy"), None])

    def ask() -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    monkeypatch.setattr(rig.shell._ending, "wait", lambda _pause: False)
    rig.shell.patiently("read", ask)
    assert count("store_unavailable_total") == before + 2
