"""Dead letters: what they keep of a message, how it is sent again, and that none is lost on its way to the broker."""

from collections.abc import Callable, Sequence
from threading import get_ident

import pytest

from dataflows.kafka.consuming import Message
from dataflows.kafka.errors import KafkaError, KafkaUnavailable, RecordTooLarge
from dataflows.kafka.publishing import Record
from dataflows.triggers.letters import Letter, letter_of, replay_of, shortened, told
from dataflows.triggers.messages import Start, read
from dataflows.triggers.outbox import DOING, Outbox
from dataflows.triggers.refusals import Refusal
from tests.dataflows.driver import until
from tests.dataflows.triggers.messages import OPEN, TOPIC, binary, message

DLQ = f"{TOPIC}.dlq"
REFUSAL = Refusal("UNKNOWN_WORKFLOW", "there is no such workflow")


def received(record: Record, *, offset: int = 0) -> Message:
    """A record as whoever reads its topic gets it."""
    return Message(record.topic, 0, offset, 0, record.key, record.value, record.headers)


def letter(one: Message, refusal: Refusal = REFUSAL) -> Message:
    return received(letter_of(Letter(one, refusal), DLQ, 1_795_375_594.5))


# What a letter holds.


def test_a_letter_has_the_message_as_it_was_and_why_it_is_here() -> None:
    record = letter_of(
        Letter(message(b"\xff", key=b"k", partition=3, offset=17, headers={"x": b"\xfe"}), REFUSAL), DLQ, 0
    )
    assert (record.topic, record.key, record.value) == (DLQ, b"k", b"\xff")
    assert dict(record.headers) == {
        "x": b"\xfe",
        "icefloe-origin": f"{TOPIC}/3/17".encode(),
        "icefloe-reason": b"UNKNOWN_WORKFLOW",
        "icefloe-error": b"there is no such workflow",
        "icefloe-at": b"1970-01-01T00:00:00.000Z",
    }


def test_a_long_sentence_is_cut() -> None:
    assert len(told(letter(message(), Refusal("BAD_MESSAGE", "é" * 5000))).error) == 1000


def test_a_letter_without_its_body_says_so_and_has_nothing_that_may_be_large() -> None:
    large = message(b"x" * 2_000_000, key=b"k" * 2_000_000, headers={"x": b"y" * 2_000_000})
    record = shortened(letter_of(Letter(large, REFUSAL), DLQ, 0))
    assert len(repr(record)) < 1000
    assert told(received(record)).shortened
    assert dict(record.headers)["icefloe-shortened"] == b"2,000,000 bytes of body left out"
    with pytest.raises(ValueError, match="too large"):
        replay_of(received(record), [TOPIC])


# Replays.


@pytest.mark.parametrize(
    "original",
    [
        message(partition=3, offset=17),
        message({"workflow": "greet", "id": "change-4711"}),
        binary("icefloe.run.start", {"workflow": "greet"}),
    ],
)
def test_a_replayed_message_means_what_it_meant_however_often_it_is_refused(original: Message) -> None:
    again = original
    for offset in (100, 101):
        replay = replay_of(letter(again), [TOPIC])
        assert (replay.topic, replay.key, replay.value) == (TOPIC, original.key, original.value)
        again = received(replay, offset=offset)
        found = read(again, OPEN)
        assert isinstance(found, Start)
        assert found == read(original, OPEN)


@pytest.mark.parametrize("origin", ["payroll.events/0/1", "", "x"])
def test_s7_a_letter_can_bring_a_message_to_no_topic_that_is_not_bound(origin: str) -> None:
    with pytest.raises(ValueError, match=r"ICEFLOE_TRIGGERS|where the message came from"):
        replay_of(message(topic=DLQ, headers={"icefloe-origin": origin}), [TOPIC])


# On their way.


class Broker:
    """A publisher that does as it is told."""

    def __init__(self) -> None:
        self.written: list[Record] = []
        self.tried = 0
        self.error: Callable[[], Exception] | None = None
        self.threads: set[int] = set()

    def send(self, records: Sequence[Record]) -> None:
        self.tried += 1
        self.threads.add(get_ident())
        if self.error is not None:
            raise self.error()
        for index, record in enumerate(records):
            if len(record.value or b"") > 1000:
                raise RecordTooLarge(index, record.topic, 1000)
        self.written += records


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr("dataflows.triggers.outbox._RETRY_SECONDS", (0.001,))
    return Broker()


@pytest.mark.parametrize("error", [lambda: KafkaUnavailable("nobody answers"), lambda: KafkaError("no right to write")])
def test_letters_wait_for_the_broker_as_long_as_it_takes_and_nobody_waits_for_them(
    broker: Broker, error: Callable[[], Exception]
) -> None:
    troubles: dict[str, str] = {}
    outbox = Outbox(broker.send, DLQ, troubles)
    assert outbox.empty()
    broker.error = error
    outbox.put([Letter(message(offset=1), REFUSAL)])
    outbox.put([Letter(message(offset=2), REFUSAL)])
    until(lambda: broker.tried > 3, "it is tried again")
    assert not outbox.empty()
    assert str(error()) in troubles[DOING]
    broker.error = None
    until(outbox.empty, "all are written")
    assert [told(received(one)).origin for one in broker.written] == [(TOPIC, 0, 1), (TOPIC, 0, 2)]
    assert not troubles
    assert get_ident() not in broker.threads
    outbox.close()


def test_a_letter_that_is_too_large_goes_without_its_body_and_those_beside_it_with_theirs(broker: Broker) -> None:
    outbox = Outbox(broker.send, DLQ, {})
    outbox.put([Letter(message(b"a" * 10), REFUSAL), Letter(message(b"b" * 2000), REFUSAL), Letter(message(), REFUSAL)])
    until(outbox.empty, "all are written")
    outbox.close()
    assert [told(received(one)).shortened for one in broker.written] == [False, True, False]


def test_a_closed_outbox_gives_up_and_is_not_empty(broker: Broker) -> None:
    broker.error = lambda: KafkaUnavailable("nobody answers")
    outbox = Outbox(broker.send, DLQ, {})
    outbox.put([Letter(message(), REFUSAL)])
    until(lambda: broker.tried, "it is tried")
    outbox.close()
    outbox.close()
    assert not outbox.empty()
    assert not outbox._thread.is_alive()
