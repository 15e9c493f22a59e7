"""How a process is doing: what keeps it from being ready, and whether it stands still for no reason."""

from dataflows.vitals import HUNG_SECONDS, Vitals


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def test_a_process_is_not_ready_before_its_dataflow_turns() -> None:
    vitals = Vitals()
    assert list(vitals.reasons()) == ["start"]
    vitals.turned()
    assert vitals.reasons() == {}


def test_what_is_in_the_way_is_told_until_it_is_taken_out() -> None:
    vitals = Vitals({"lease": lambda: "the lease is over", "stop": lambda: None})
    vitals.turned()
    vitals.troubles["record"] = "locked"
    assert vitals.reasons() == {"record": "locked", "lease": "the lease is over"}
    del vitals.troubles["record"]
    del vitals.checks["lease"]
    assert vitals.reasons() == {}


def test_a_dataflow_that_stands_still_is_hung() -> None:
    clock = Clock()
    vitals = Vitals(clock=clock)
    vitals.turned()
    clock.pass_(HUNG_SECONDS)
    assert vitals.hung() is None
    clock.pass_(1)
    assert vitals.hung() == "the dataflow has not turned for 61 s"
    vitals.turned()
    assert vitals.hung() is None


def test_one_worker_that_stands_still_is_enough() -> None:
    clock = Clock()
    vitals = Vitals(clock=clock)
    vitals.turned(0)
    vitals.turned(1)
    clock.pass_(HUNG_SECONDS + 1)
    vitals.turned(1)
    assert vitals.hung() is not None


def test_a_dataflow_that_waits_for_what_is_away_is_not_hung() -> None:
    clock = Clock()
    vitals = Vitals(clock=clock)
    vitals.turned()
    vitals.troubles["record"] = "nobody home"
    clock.pass_(10 * HUNG_SECONDS)
    assert vitals.hung() is None
    del vitals.troubles["record"]
    assert vitals.hung() is None, "it gets some time to turn again"
    clock.pass_(HUNG_SECONDS + 1)
    assert vitals.hung() is not None


def test_a_process_that_has_not_begun_is_not_hung() -> None:
    clock = Clock()
    vitals = Vitals(clock=clock)
    clock.pass_(10 * HUNG_SECONDS)
    assert vitals.hung() is None
    assert vitals.reasons()
