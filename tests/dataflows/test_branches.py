"""Branches: each block type takes what is its own, and nothing else."""

from dataflows.branches import branch, by_type
from tests.dataflows.driver import Rig, task


def test_work_is_sorted_by_block_type_in_the_order_in_which_it_came(rig: Rig) -> None:
    rig.start("r", task("a", type="HOLD"), task("b", type="PURE"), task("c", type="HOLD"))
    a, b, c = (rig.prepare("r", name) for name in "abc")
    assert by_type([("r", a), ("r", b), ("r", c)]) == [("HOLD", [a, c]), ("PURE", [b])]


def test_a_branch_begins_its_calls_and_tells_of_those_that_ended(rig: Rig) -> None:
    rig.let_go()
    rig.start("r", task("a", type="HOLD"), task("b", type="PURE"))
    rig.begin("r", "a")
    ended = rig.ended()
    call = rig.prepare("r", "b")
    work = by_type([("r", ended), ("r", call)])
    [(run_id, (proposal, whose))] = branch(rig.shell, "HOLD")(work)
    assert (run_id, proposal.run_id, proposal.transition, whose) == ("r", "r", ended.result, ended.call)
    assert branch(rig.shell, "PURE")(work) == []
    assert rig.ended().call is call
    assert branch(rig.shell, "NOOP")(work) == []
