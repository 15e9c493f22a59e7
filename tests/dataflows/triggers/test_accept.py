"""Accepting messages: what is in the store then, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dataflows.kafka.consuming import Message
from dataflows.settings import Binding
from dataflows.shell import News
from dataflows.triggers.accept import Acceptor, is_news
from dataflows.triggers.letters import Letter
from engine.statuses import RunStatus
from store.protocol import RunQuery, StoreUnavailable
from tests.dataflows.driver import Rig, rigged, task
from tests.dataflows.triggers.messages import TOPIC, binary, message
from tests.engine.driver import plan_of

CRM, SALES = "crm.events", "sales.events"
BINDINGS = {
    TOPIC: Binding(workflows=("*",)),
    CRM: Binding(workflows=("ask",), trusted=True),
    SALES: Binding(workflows=("*",), tenant="sales"),
}
ASK = task("ask", type="APPROVAL", arguments={"approvers": ["olga", f"kafka:{TOPIC}"]})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as rig:
        for name, tenant in (("greet", "default"), ("greet", "sales"), ("ask", "default")):
            tasks: list[Any] = [ASK] if name == "ask" else ["a"]
            rig.people.save_workflow(plan_of(*tasks, name=name, tenant=tenant).workflow)
        yield rig


def accept(rig: Rig, *messages: Message) -> tuple[list[str], list[Letter]]:
    """The runs that there is news of, and the letters."""
    accepted = Acceptor(rig.shell, BINDINGS)(list(messages))
    news = [(run_id, one) for run_id, one in accepted if isinstance(one, News)]
    assert [one for one in accepted if is_news(one)] == news
    return [run_id for run_id, _ in news], [one for _, one in accepted if isinstance(one, Letter)]


def codes(rig: Rig, *messages: Message) -> list[str]:
    return [letter.refusal.code for letter in accept(rig, *messages)[1]]


def runs(rig: Rig) -> list[str]:
    return [run.id for run in rig.people.find(RunQuery(tenant=None)).runs]


def waiting(rig: Rig) -> str:
    """A run that waits for an approval."""
    [run_id], _ = accept(rig, message({"workflow": "ask", "id": f"w{len(runs(rig))}"}))
    rig.begin(run_id, "ask")
    rig.record(rig.ended())
    return run_id


def test_a_batch_starts_its_runs_in_one_go_and_their_first_tasks_need_no_event(rig: Rig) -> None:
    asked = [message({"workflow": "greet", "id": f"m{number}"}) for number in range(3)]
    news, letters = accept(rig, *asked, message(topic=SALES))
    assert not letters
    assert sorted(news) == sorted(runs(rig))
    assert rig.run(news[0]).requested_by == f"kafka:{TOPIC}"
    assert rig.run(news[3]).tenant == "sales"


def test_g2_redelivery_starts_nothing_twice_however_often_and_in_whatever_batches(rig: Rig) -> None:
    random = Random(20261122)
    asked = [message(offset=offset) for offset in range(5)]
    asked += [message({"workflow": "greet", "id": f"m{number}"}, offset=5 + number) for number in range(5)]
    asked += [binary("icefloe.run.start", {"workflow": "greet"}, id_=f"e{number}") for number in range(5)]
    delivered = [one for one in asked for _ in range(random.randint(1, 5))]
    random.shuffle(delivered)
    while delivered:
        batch, delivered = delivered[:7], delivered[7:]
        assert accept(rig, *batch)[1] == []
    assert len(runs(rig)) == 15


def test_g2_the_same_id_with_other_content_is_refused(rig: Rig) -> None:
    accept(rig, message({"workflow": "greet", "id": "m"}))
    other = message({"workflow": "greet", "id": "m", "inputs": {"x": 1}})
    [letter] = accept(rig, other)[1]
    assert letter.refusal.code == "ID_TAKEN"
    assert letter.message == other


def test_g12_poison_is_refused_and_what_stands_beside_it_is_started(rig: Rig) -> None:
    poison = [
        message(b"\x00\xff"),
        message(None),
        message({"workflow": "gret"}),
        message({"workflow": "greet", "version": 9}),
        message({"workflow": "greet", "labels": {"x": "y" * 20_000}}),
        binary("icefloe.run.cancel", {"run": "nobody's"}),
        message({"workflow": "greet", "inputs": {"x": "y" * 900_000}}),
    ]
    asked = [message({"workflow": "greet", "id": str(number)}) for number in range(len(poison))]
    found, letters = accept(rig, *(one for pair in zip(asked, poison, strict=True) for one in pair))
    assert len(found) == len(poison)
    assert sorted(letter.refusal.code for letter in letters) == sorted(
        ["BAD_MESSAGE", "EMPTY", "UNKNOWN_WORKFLOW", "UNKNOWN_VERSION", "REFUSED", "UNKNOWN_RUN", "TOO_LARGE"]
    )
    assert "did you mean 'greet'?" in next(one.refusal.sentence for one in letters if "gret" in one.refusal.sentence)


def test_inputs_that_dont_fit_are_refused_with_each_fault(rig: Rig) -> None:
    schema = {"type": "object", "required": ["a", "b"]}
    rig.people.save_workflow(plan_of("a", name="strict", inputs=schema).workflow)
    [letter] = accept(rig, message({"workflow": "strict"}))[1]
    assert letter.refusal.code == "BAD_INPUTS"
    assert len(letter.refusal.sentence.split("; ")) == 2


def test_a_decision_comes_by_signal_once_and_its_redelivery_is_no_fault(rig: Rig) -> None:
    run_id = waiting(rig)
    decision = binary("icefloe.task.signal", {"run": run_id, "task": "ask", "data": {"decision": "approve"}})
    assert codes(rig, decision, decision) == []
    assert codes(rig, decision) == []
    assert [one.sender for one in rig.run(run_id).tasks["ask"].accepted] == [f"kafka:{TOPIC}"]
    [echo] = rig.shell.echoes()
    assert echo.ready, "it goes on without an event"
    second = binary("icefloe.task.signal", {"run": run_id, "task": "ask", "data": {"decision": "reject"}}, id_="e2")
    assert codes(rig, second) == ["ALREADY_DECIDED"]


def test_signals_are_refused_for_the_reasons_that_people_are(rig: Rig) -> None:
    run_id = waiting(rig)
    signal = {"run": run_id, "task": "ask", "data": {"decision": "approve"}}
    for data, code in (
        ({**signal, "task": "aks"}, "UNKNOWN_TASK"),
        ({**signal, "generation": 2}, "STALE_SIGNAL"),
        ({**signal, "data": {"decision": "perhaps"}}, "BAD_SIGNAL"),
        ({**signal, "run": "none"}, "UNKNOWN_RUN"),
    ):
        assert codes(rig, binary("icefloe.task.signal", data, id_=code)) == [code]
    forged = {**signal, "sender": "ada"}
    assert codes(rig, binary("icefloe.task.signal", forged, topic=CRM)) == ["NOT_ALLOWED"]


def test_a_run_is_cancelled_once(rig: Rig) -> None:
    run_id = waiting(rig)
    cancel = binary("icefloe.run.cancel", {"run": run_id, "reason": "enough"})
    assert codes(rig, cancel, cancel) == []
    assert rig.run(run_id).status is RunStatus.CANCELLED
    assert rig.people.journal(run_id)[-1].by == f"kafka:{TOPIC}"


def test_s7_signals_and_cancellations_reach_only_runs_that_a_topic_is_bound_to(rig: Rig) -> None:
    [greeting], _ = accept(rig, message())
    asking = waiting(rig)
    for type_, data in (("icefloe.run.cancel", {}), ("icefloe.task.signal", {"task": "a"})):
        assert codes(rig, binary(type_, {"run": greeting, **data}, topic=CRM)) == ["NOT_BOUND"]
        assert codes(rig, binary(type_, {"run": asking, **data}, topic=SALES)) == ["UNKNOWN_RUN"], "another tenant's"
    assert not rig.run(greeting).is_final
    assert not rig.run(asking).is_final


def test_a_store_that_is_away_is_waited_for_and_a_doubtful_write_is_made_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, tries = rig.shell.store.create, []

    def fail_after_writing(requests: Any) -> Any:
        answer = create(requests)
        tries.append(requests)
        if len(tries) < 3:
            raise StoreUnavailable("it broke off")
        return answer

    monkeypatch.setattr(rig.shell.store, "create", fail_after_writing)
    news, letters = accept(rig, message())
    assert news == runs(rig)
    assert not letters
