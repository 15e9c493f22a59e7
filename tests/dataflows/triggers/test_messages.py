"""What messages ask for: CloudEvents in both modes, plain JSON, and everything that is neither."""

import json
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest
from cloudevents.core.bindings import kafka as cloudevents
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from dataflows.kafka.consuming import Message
from dataflows.settings import Binding
from dataflows.triggers.messages import NAMESPACE, Cancel, Send, Start, read
from dataflows.triggers.refusals import Refusal
from engine.transitions import RunCancelled
from store.protocol import NewRun, Proposal
from tests.dataflows.triggers.messages import OPEN, START, TOPIC, TRUSTED, binary, message, structured

RUN = "icefloe.run.start"
SIGNAL = "icefloe.task.signal"
CANCEL = "icefloe.run.cancel"


def started(message: Message, binding: Binding = OPEN) -> NewRun:
    found = read(message, binding)
    assert isinstance(found, Start), found
    return found.request


def refused(message: Message, binding: Binding = OPEN) -> Refusal:
    found = read(message, binding)
    assert isinstance(found, Refusal), found
    return found


# What is accepted.


def test_a_plain_message_starts_a_run_whose_id_follows_from_the_topic_and_its_id() -> None:
    run = started(message({**START, "id": "change-4711", "version": 2, "labels": {"team": "data"}}))
    assert run == NewRun(
        id=str(uuid5(uuid5(NAMESPACE_DNS, "icefloe"), '["default","icefloe.triggers","change-4711"]')),
        workflow="greet",
        inputs={"name": "Ada"},
        version=2,
        requested_by="kafka:icefloe.triggers",
        labels={"team": "data", "trigger.source": TOPIC, "trigger.id": "change-4711"},
        tenant="default",
    )
    assert str(NAMESPACE) == "6012fc5c-daeb-54f7-9540-33e79a2b77ea", "producers have computed with it"


def test_without_an_id_the_place_of_the_message_is_its_id() -> None:
    here = started(message(partition=3, offset=17))
    assert here == started(message(partition=3, offset=17))
    assert here.labels == {"trigger.source": TOPIC, "trigger.id": "3/17"}
    others = [message(partition=3, offset=18), message(partition=4, offset=17), message({**START, "id": "3/17"})]
    assert here.id not in {started(other).id for other in others}


def test_a_message_sent_again_keeps_its_id_but_can_take_none_of_another_topic() -> None:
    again = message(partition=5, offset=99, headers={"icefloe-origin": f"{TOPIC}/3/17"})
    assert started(again) == started(message(partition=3, offset=17))
    for forged in (
        "other/3/17",
        f"{TOPIC}/3",
        f"{TOPIC}/-1/17",
        f"{TOPIC}/3/17\n",
        "",
        "\ud800".encode(errors="replace"),
    ):
        place = message(partition=5, offset=99, headers={"icefloe-origin": forged})
        assert started(place) == started(message(partition=5, offset=99))


def test_both_modes_of_cloudevents_mean_the_same() -> None:
    run = started(binary(RUN, START))
    assert run == started(structured(RUN, START))
    assert run.labels == {"trigger.source": "/crm", "trigger.id": "e1"}
    without_header = message(json.loads(structured(RUN, START).value or b""))
    assert run == started(without_header)
    capitals = message(START, headers={"CE_ID": "e1", "Ce_Source": "/crm", "ce_type": RUN, "ce_specversion": "1.0"})
    assert run == started(capitals)


def test_the_same_id_of_another_source_or_tenant_is_another_run() -> None:
    ids = {started(binary(RUN, START, source=source)).id for source in ("/crm", "/erp")}
    ids.add(started(binary(RUN, START), Binding(workflows=("*",), tenant="sales")).id)
    assert len(ids) == 3


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_another_implementation_of_cloudevents_writes_is_read_as_it_means(mode: str) -> None:
    event = CloudEvent(
        {"id": "é-1", "source": "/crm/ü", "type": RUN, "specversion": "1.0", "datacontenttype": "application/json",
         "subject": "x", "partitionkey": "p"},
        START,
    )  # fmt: skip
    written = cloudevents.to_binary_event(event) if mode == "binary" else cloudevents.to_structured_event(event)
    run = started(message(written.value, key=b"p", headers=list(written.headers.items())))
    assert run.labels == {"trigger.source": "/crm/ü", "trigger.id": "é-1"}
    assert run.inputs == START["inputs"]


def test_data_may_be_base64() -> None:
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/crm",
        "type": RUN,
        "data_base64": "eyJ3b3JrZmxvdyI6ICJncmVldCJ9",
    }
    assert started(message(event)).workflow == "greet"
    assert "not base64" in refused(message({**event, "data_base64": "%%"})).sentence
    assert "both given" in refused(message({**event, "data": {}})).sentence


def test_a_signal_has_an_id_of_its_event_and_a_cancellation_its_reason() -> None:
    data = {"run": "r", "task": "ask", "data": {"decision": "approve"}, "generation": 2}
    signal = read(binary(SIGNAL, data), OPEN)
    assert signal == Send("r", "ask", started(binary(RUN, START)).id, f"kafka:{TOPIC}", {"decision": "approve"}, 2)
    cancel = read(structured(CANCEL, {"run": "r", "reason": "no longer wanted"}), OPEN)
    assert cancel == Cancel(Proposal("r", RunCancelled("no longer wanted"), f"kafka:{TOPIC}"))


# Who asks, and for what.


def test_s7_who_asks_is_never_taken_from_a_message_of_an_untrusted_topic() -> None:
    forged = [
        message({**START, "requested_by": "olga"}),
        binary(RUN, {**START, "requested_by": "olga"}),
        binary(CANCEL, {"run": "r", "requested_by": "olga"}),
        binary(SIGNAL, {"run": "r", "task": "t", "sender": "olga"}),
    ]
    for one in forged:
        assert refused(one).code == "NOT_TRUSTED"
    assert started(forged[0], TRUSTED).requested_by == "olga"
    assert started(message(), TRUSTED).requested_by == f"kafka:{TOPIC}"
    signal = read(forged[3], TRUSTED)
    assert isinstance(signal, Send)
    assert (signal.sender, signal.groups) == ("olga", ())


def test_s7_only_a_trusted_topic_says_which_groups_somebody_is_a_member_of() -> None:
    asked = binary(SIGNAL, {"run": "r", "task": "t", "groups": ["stewards", "owners"]})
    assert refused(asked).code == "NOT_TRUSTED"
    signal = read(asked, TRUSTED)
    assert isinstance(signal, Send)
    assert signal.groups == ("stewards", "owners")
    for groups in ("stewards", [1], [""], ["a\nb"], ["x"] * 1001):
        wrong = read(binary(SIGNAL, {"run": "r", "task": "t", "groups": groups}), TRUSTED)
        assert isinstance(wrong, Refusal)
        assert wrong.code == "BAD_MESSAGE"


@pytest.mark.parametrize(
    ("bound", "free"),
    [
        (("greet",), ("greeting", "gree", "Greet")),
        (("gr*t", "x"), ("gret-x", "agreet")),
        (("g?eet", "[g]reet"), ("greet",)),
        ((), ("greet",)),
    ],
)
def test_s7_a_topic_starts_only_the_workflows_bound_to_it(bound: tuple[str, ...], free: tuple[str, ...]) -> None:
    binding = Binding(workflows=bound)
    if "greet" not in free:
        assert started(message(), binding).workflow == "greet"
    for workflow in free:
        assert refused(message({"workflow": workflow}), binding).code == "NOT_BOUND"


# What is refused.

EVENT = {"specversion": "1.0", "id": "e", "source": "/s", "type": RUN, "data": START}


@pytest.mark.parametrize(
    ("poison", "code", "words"),
    [
        (message(None), "EMPTY", "no value"),
        (message(b""), "EMPTY", "empty"),
        (message(b"\x00\xff\x17"), "BAD_MESSAGE", "line 1, column"),
        (message(b"{"), "BAD_MESSAGE", "not JSON"),
        (message()._replace(intact=False), "BAD_MESSAGE", "the name of a header"),
        (message(b"[1]"), "BAD_MESSAGE", "must be a JSON object"),
        (message(b'{"workflow": "a", "workflow": "b"}'), "BAD_MESSAGE", "twice"),
        (message(b'{"workflow": "a", "inputs": {"x": NaN}}'), "BAD_MESSAGE", "no JSON number"),
        (message(b'{"inputs": ' + b"[" * 10_000), "BAD_MESSAGE", ""),
        (message(b" " * 1_048_577), "TOO_LARGE", "1,048,577 bytes"),
        (message({**START, "inputs": {"x": "y" * 900_000}}), "TOO_LARGE", "inputs"),
        (message({}), "BAD_MESSAGE", "workflow: is required"),
        (message({**START, "imputs": {}}), "BAD_MESSAGE", "did you mean 'inputs'?"),
        (message({**START, "version": "1"}), "BAD_MESSAGE", "version: should be a valid integer"),
        (message({**START, "version": True}), "BAD_MESSAGE", "version"),
        (message({**START, "id": "a\nb"}), "BAD_MESSAGE", "id: holds a character"),
        (message({**START, "id": ""}), "BAD_MESSAGE", "id"),
        (message({**START, "id": "x" * 1025}), "BAD_MESSAGE", "id"),
        (message(headers={"content-type": "text/plain"}), "BAD_MESSAGE", "send application/json"),
        (message(headers={"content-type": "application/cloudevents-batch+json"}), "BAD_MESSAGE", "cloudevents+json"),
        (message({**EVENT, "specversion": "0.3"}), "BAD_MESSAGE", "specversion"),
        (message({**EVENT, "data": "text"}), "BAD_MESSAGE", "data must be a JSON object"),
        (message({**EVENT, "data": {"workflow": "a", "v": 1}}), "BAD_MESSAGE", "data.v: is not known here"),
        (message({**EVENT, "type": "icefloe.run.strat"}), "UNKNOWN_TYPE", "did you mean 'icefloe.run.start'?"),
        (message({**EVENT, "type": "com.example.order"}), "UNKNOWN_TYPE", "there are icefloe.run.start"),
        (message({**EVENT, "datacontenttype": "text/xml"}), "BAD_MESSAGE", "datacontenttype"),
        (message({**EVENT, "source": None}), "BAD_MESSAGE", "source"),
        (message(headers={"ce_id": "e"}), "BAD_MESSAGE", "ce_source: is required"),
        (message(headers={"ce_id": b"\xff"}), "BAD_MESSAGE", "not UTF-8"),
        (message(headers=[("ce_id", b"1"), ("ce_id", b"2")]), "BAD_MESSAGE", "given twice"),
        (binary(SIGNAL, {"run": "r"}), "BAD_MESSAGE", "data.task: is required"),
        (binary(CANCEL, {"run": "r", "reason": "x" * 2001}), "BAD_MESSAGE", "data.reason"),
    ],
)  # fmt: skip
def test_g12_what_cant_be_read_is_refused_with_a_code_and_a_sentence(poison: Message, code: str, words: str) -> None:
    found = refused(poison)
    assert found.code == code
    assert words in found.sentence
    assert "\n" not in found.sentence


def test_many_faults_are_told_in_one_bounded_sentence() -> None:
    sentence = refused(message({f"field{number}": 1 for number in range(1000)})).sentence
    assert "and 9" in sentence
    assert len(sentence) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["workflow", "version", "inputs", "id", "requested_by", "labels", "run", "task", "data", "sender", "generation",
     "reason", "specversion", "source", "type", "datacontenttype", "data_base64"]
)  # fmt: skip
TEXTS = st.sampled_from(["1.0", RUN, SIGNAL, CANCEL, "greet", "", "application/json"]) | st.text(max_size=20)
DOCUMENTS = st.dictionaries(FIELDS, JSON | TEXTS | st.dictionaries(FIELDS, JSON | TEXTS, max_size=6), max_size=8)
HEADERS = st.sampled_from(
    ["ce_id", "ce_source", "ce_type", "ce_specversion", "ce_data", "content-type", "icefloe-origin"]
)
VALUES = st.none() | st.binary(max_size=60) | (DOCUMENTS | JSON).map(lambda document: json.dumps(document).encode())


@given(
    VALUES,
    st.lists(
        st.tuples(HEADERS, st.none() | st.binary(max_size=20) | TEXTS.map(lambda text: text.encode(errors="replace"))),
        max_size=6,
    ),
    st.sampled_from([OPEN, TRUSTED, Binding(workflows=())]),
)
def test_s8_whatever_a_message_holds_it_is_understood_or_refused(
    value: Any, headers: list[tuple[str, bytes | None]], binding: Binding
) -> None:
    found = read(message(value, headers=headers), binding)
    assert isinstance(found, Start | Send | Cancel | Refusal)
    if isinstance(found, Refusal):
        assert found.code
        assert found.sentence
        assert not found.sentence.startswith("the message can't be handled"), "this was an exception"
