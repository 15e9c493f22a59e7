"""What can be wrong with Kafka, in sentences."""

from typing import Final


class KafkaUnavailable(Exception):  # noqa: N818 - a state of the broker, as its sentence says
    """No broker answers, or none can do what was asked at the moment: the same may succeed later."""


class KafkaError(Exception):
    """Kafka refuses what was asked, and will again; the message says what, where and what to do."""


class RecordTooLarge(KafkaError):  # noqa: N818 - as above
    """A record is larger than its topic takes; `index` is its place among those given."""

    def __init__(self, index: int, topic: str, limit: int) -> None:
        super().__init__(f"record {index} is too large: topic {topic} takes at most {limit} bytes")
        self.index = index


_NO_RIGHT: Final = {
    "TOPIC_AUTHORIZATION_FAILED": "use it",
    "GROUP_AUTHORIZATION_FAILED": "read as this consumer group",
    "CLUSTER_AUTHORIZATION_FAILED": "write idempotently, or create topics",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "write idempotently",
}
_NOT_LET_IN: Final = {
    "_AUTHENTICATION",
    "_SSL",
    "ILLEGAL_SASL_STATE",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
}
_NO_TOPIC: Final = {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"}
_NEVER: Final = {
    "INVALID_CONFIG",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REQUIRED_ACKS",
    "INVALID_SESSION_TIMEOUT",
    "MSG_SIZE_TOO_LARGE",
    "POLICY_VIOLATION",
    "TOPIC_EXCEPTION",
    "UNSUPPORTED_VERSION",
    "_INVALID_ARG",
    "_UNSUPPORTED_FEATURE",
}


def worded(code: str, text: str, servers: str, about: str = "") -> KafkaUnavailable | KafkaError:
    """An error of the client in words; `code` is its name in librdkafka, `about` a topic or group."""
    where = f"Kafka at {servers}" + (f", {about}" if about else "")
    if code in _NO_RIGHT:
        return KafkaError(
            f"{where}: no right to {_NO_RIGHT[code]}: give it to the user of ICEFLOE_KAFKA_OPTIONS ({text})"
        )
    if code in _NOT_LET_IN:
        return KafkaError(
            f"{where}: the broker and ICEFLOE_KAFKA_OPTIONS don't agree on who may connect, and how: {text}"
        )
    if code in _NO_TOPIC:
        return KafkaError(
            f"{where}: it isn't there: make the topics with `icefloe topics`, or see to ICEFLOE_TOPIC_PREFIX"
        )
    if code in _NEVER:
        return KafkaError(f"{where}: {text}")
    return KafkaUnavailable(f"{where}: {text}")
