"""The Kafka that an engine uses: where its brokers are, what its topics and groups are called, what is wrong.

ICEFLOE_EVENTS=kafka://one:9092,two:9092    ICEFLOE_TOPIC_PREFIX=icefloe

topic icefloe.changes        every change of the store; read by group icefloe.engines
topic icefloe.triggers       what starts runs; read by group icefloe.triggers
topic icefloe.triggers.dlq   what could not be accepted
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from dataflows.kafka.errors import KafkaError, KafkaUnavailable, worded
from dataflows.settings import Binding, EngineSettings, SettingsError, place_of

SCHEME: Final = "kafka://"
LIMITS_SECONDS: Final = 2.0  # for what isn't needed
PATIENCE_SECONDS: Final = 10.0  # for a broker that doesn't answer at the start
RECORD_BYTES: Final = 1_000_000  # what topics take by default, less what surrounds a record
_FRAME_BYTES: Final = 1024

_OURS: Final = {
    "acks", "auto.offset.reset", "bootstrap.servers", "enable.auto.commit", "enable.idempotence", "group.id",
    "partition.assignment.strategy", "partitioner",
}  # fmt: skip


_CALLBACKS: Final = {"on_commit", "stats_cb"}  # names that have no dots


class Kafka:
    """Brokers, topics and groups, as the settings have them.

    Raises:
        SettingsError: they can't be used.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.servers = _servers(settings.events)
        self.options = dict(settings.kafka_options or {})
        if taken := sorted(_OURS & self.options.keys()):
            raise SettingsError(f"ICEFLOE_KAFKA_OPTIONS: {', '.join(taken)} can't be set: the engine depends on it")
        prefix = settings.topic_prefix
        self.changes = f"{prefix}.changes"
        self.dead_letters = f"{prefix}.triggers.dlq"
        self.triggers: Mapping[str, Binding] = (
            {f"{prefix}.triggers": Binding(workflows=("*",))} if settings.triggers is None else settings.triggers
        )
        if own := {self.changes, self.dead_letters} & self.triggers.keys():
            raise SettingsError(
                f"ICEFLOE_TRIGGERS: {', '.join(sorted(own))}: what engines write can't be their triggers"
            )
        self.engines_group = f"{prefix}.engines"
        self.triggers_group = f"{prefix}.triggers"
        self.counts: dict[str, int] = {}
        self.record_bytes = self.option("message.max.bytes", RECORD_BYTES)
        self._last_error = ""

    def option(self, name: str, default: int) -> int:
        """A number among the client's options.

        Raises:
            SettingsError: it is none.
        """
        try:
            return int(self.options.get(name, default))
        except ValueError:
            raise SettingsError(f"ICEFLOE_KAFKA_OPTIONS: {name} should be a whole number") from None

    def client(self, **own: Any) -> dict[str, Any]:
        """The configuration of a client; dots are underscores in the names of its `own` properties."""
        return {
            "client.id": self.settings.topic_prefix,
            "socket.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 2_000,
            "log_level": 0,  # `error_cb` says what matters
            "error_cb": self.noticed,
            **self.options,
            "bootstrap.servers": self.servers,
            **{name if name in _CALLBACKS else name.replace("_", "."): value for name, value in own.items()},
        }

    def noticed(self, error: ClientError) -> None:
        """What a client says of its connections; the newest of it explains why no broker answers."""
        if error.name() != "_ALL_BROKERS_DOWN":
            self._last_error = f"{error.name()} {error.str()}"

    def error(self, error: ClientError, about: str = "") -> KafkaUnavailable | KafkaError:
        """An error of the client, in words."""
        code, text = error.name(), error.str()
        if code in {"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN", "_RESOLVE"} and self._last_error:
            code, _, text = self._last_error.partition(" ")  # why
        return worded(code, text, self.servers, about)

    def admin(self) -> AdminClient:
        """A client for what isn't about messages.

        Raises:
            SettingsError: it doesn't take the options.
        """
        try:
            return AdminClient(self.client())
        except KafkaException as error:
            raise SettingsError(f"ICEFLOE_KAFKA_OPTIONS: {error.args[0].str()}") from None

    def check(self, topics: Iterable[str], patience: float = PATIENCE_SECONDS) -> None:
        """See that the brokers answer and have these topics, with as many partitions as they must have.

        Raises:
            KafkaUnavailable: no broker has answered within `patience` seconds.
            KafkaError: something must be set right first.
        """
        admin = self.admin()
        found = self.partitions(admin, patience)
        for topic in topics:
            if topic not in found:
                raise worded("UNKNOWN_TOPIC_OR_PART", "", self.servers, f"topic {topic}")
            self.agrees(topic, found[topic])
            self.counts[topic] = found[topic]
        self._read_limits(admin, self.counts)

    def agrees(self, topic: str, count: int) -> None:
        """See that the topic of changes has as many partitions as the settings say, if they do.

        Topics of triggers may be others' own, and no order rests on theirs.

        Raises:
            KafkaError: it has more or fewer.
        """
        wanted = self.settings.partitions
        if topic == self.changes and wanted not in (None, count):
            raise KafkaError(
                f"topic {topic} has {count} partitions, and ICEFLOE_PARTITIONS is {wanted}: set it to {count}, or "
                "leave it out. For another number, stop the relay, let the engines read all, and make the topic anew: "
                "else the changes of a run come out of order"
            )

    def partitions(self, admin: AdminClient, patience: float = PATIENCE_SECONDS) -> dict[str, int]:
        """How many partitions each topic has.

        Raises:
            KafkaUnavailable: no broker has answered within `patience` seconds.
            KafkaError: the broker refuses to answer.
        """
        give_up = monotonic() + patience
        while True:
            try:
                found = admin.list_topics(timeout=1)
            except KafkaException as error:
                admin.poll(0)  # hears why
                worded_ = self.error(error.args[0])
                if isinstance(worded_, KafkaError) or monotonic() >= give_up:
                    raise worded_ from None
            else:
                for topic in found.topics.values():
                    if topic.error is not None and topic.error.name() == "TOPIC_AUTHORIZATION_FAILED":
                        raise self.error(topic.error, f"topic {topic.topic}")
                return {name: len(topic.partitions) for name, topic in found.topics.items() if topic.error is None}

    def _read_limits(self, admin: AdminClient, topics: Iterable[str]) -> None:
        """Let no batch be larger than any of the topics takes, if the broker tells."""
        asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        for answer in admin.describe_configs(asked, request_timeout=LIMITS_SECONDS).values():
            with suppress(KafkaException, TimeoutError, KeyError, TypeError, ValueError):  # some brokers don't tell
                limit = int(answer.result(2 * LIMITS_SECONDS)["max.message.bytes"].value)
                self.record_bytes = max(_FRAME_BYTES, min(self.record_bytes, limit - _FRAME_BYTES))


def _servers(events: str) -> str:
    servers = events.removeprefix(SCHEME).rstrip("/")
    if not events.startswith(SCHEME) or not servers or "/" in servers or "@" in servers:
        raise SettingsError(
            f"ICEFLOE_EVENTS is {place_of(events)!r}: it should be 'store', or 'kafka://host:9092' (several: kafka://one:9092,two:9092)"
        )
    return servers
