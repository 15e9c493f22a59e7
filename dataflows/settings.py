"""The settings of an engine, read from the environment: every name begins with `ICEFLOE_`, durations are in seconds.

A value may also come from a file that `ICEFLOE_…_FILE` names, as container platforms mount secrets.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError

PREFIX = "ICEFLOE_"


class SettingsError(ValueError):
    """A setting can't be used; the message says which, why and what to do."""


def variable(name: str) -> str:
    """The variable that has a setting."""
    return PREFIX + name.upper()


def from_environment(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The value of one setting: of `ICEFLOE_NAME`, or of the file that `ICEFLOE_NAME_FILE` names.

    Raises:
        SettingsError: both are given, or the file can't be read.
    """
    own = variable(name)
    value, path = environment.get(own), environment.get(own + "_FILE")
    if path is None:
        return value
    if value is not None:
        raise SettingsError(f"{own} and {own}_FILE are both set: keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{own}_FILE: can't read {path}: {error}") from error


class _Environment(EnvSettingsSource):
    """The environment, with files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return from_environment(field_name), field_name, False


def place_of(url: str) -> str:
    """The URL of a store, without the passwords that it may hold."""
    url = re.sub(r"(://[^/@:]*:).*@", r"\1…@", url)  # to the last @: one that should have been escaped hides nothing
    return re.sub(r"(?i)([?&][^=&]*(?:password|properties)=)[^&]*", r"\1…", url)


class Binding(BaseModel):
    """What the messages of one topic may do; `trusted` if only those can write to it who may speak for others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflows: tuple[str, ...] = Field(description="Names of workflows; `*` stands for any text in one", examples=["*"])
    trusted: bool = Field(default=False, description="Whether its messages are believed who asks, or who sends")
    tenant: str = Field(default="default", description="Whose workflows and runs these are")


class EngineSettings(BaseSettings):
    """What `icefloe engine` and `python -m bytewax.run dataflows.workflows` need to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    store: str = Field(default="sqlite:///.icefloe/icefloe.db", description="Where workflows and runs are kept")
    events: str = Field(
        default="store",
        description="Where changes come from: `store` is its own feed, `kafka://host:9092[,…]` a broker",
    )
    lease: float = Field(default=30.0, ge=1, le=3600, description="Seconds from a heartbeat until an engine is dead")
    drain: float = Field(default=20.0, ge=0, le=3600, description="Seconds that calls in flight get to end on SIGTERM")
    threads: int = Field(default=8, ge=1, le=256, description="Calls at once of each block type that is a plain `def`")
    calls: int = Field(default=1000, ge=1, le=100_000, description="Calls at once of each block type that is `async`")
    health_host: str = Field(default="127.0.0.1", description="Address for probes and metrics")
    health_port: int = Field(default=0, ge=0, le=65535, description="Port for probes and metrics; 0 is none")
    topic_prefix: str = Field(
        default="icefloe",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="What the names of the Kafka topics and consumer groups begin with",
    )
    partitions: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Partitions that the topic of changes must have, and that new topics get: 12 by default",
    )
    replication: int | None = Field(
        default=None, ge=1, le=100, description="Replicas that new Kafka topics get; by default the broker decides"
    )
    kafka_options: Json[dict[str, str | int | float | bool]] | None = Field(
        default=None, repr=False, description="librdkafka's properties as a JSON object, say for TLS and SASL"
    )
    triggers: Json[dict[str, Binding]] | None = Field(
        default=None, description="Which workflows a topic may start: a JSON object, see docs/kafka.md"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged")

    @property
    def place(self) -> str:
        """The store's URL, without the password that it may hold."""
        return place_of(self.store)

    @classmethod
    def load(cls, **given: object) -> Self:
        """The settings of the environment, and those `given` in their stead.

        Raises:
            SettingsError: some can't be used; the message names each, and why.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as invalid:
            raise SettingsError(_faults(invalid)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, then the environment."""
        return init_settings, _Environment(settings_cls)


def settings_of_blocks(blocks: Iterable[Any]) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """The settings and the secrets of each block type, from the environment.

    Raises:
        SettingsError: a value doesn't fit its field. A secret that isn't there is left out: the block says so.
    """
    settings: dict[str, Any] = {}
    secrets: dict[str, dict[str, str]] = {}
    for block in blocks:
        if block.settings is not None:
            given = {name: from_environment(name) for name in block.settings.model_fields}
            try:
                settings[block.type] = block.settings.model_validate(
                    {name: value for name, value in given.items() if value is not None}
                )
            except ValidationError as invalid:
                raise SettingsError(f"settings of block type {block.type}: {_faults(invalid)}") from None
        found = {name: from_environment(name) for name in block.secrets}
        secrets[block.type] = {name: value for name, value in found.items() if value is not None}
    return settings, secrets


def _faults(invalid: ValidationError) -> str:
    """What is wrong with which variables; not what they are, since that may be a secret."""
    return "; ".join(
        ": ".join((*_place(error["loc"]), _reason(error))) for error in invalid.errors(include_input=False)
    )


def _place(path: Sequence[int | str]) -> Iterable[str]:
    """The variable, and where in its value, if that has parts: `ICEFLOE_TRIGGERS: crm.events.workflows`."""
    if path:
        yield variable(str(path[0]))
    if path[1:]:
        yield ".".join(map(str, path[1:]))


def _reason(error: ErrorDetails) -> str:
    """Pydantic's sentence without its preface: `should be a valid number`; or what `from_environment` has said."""
    origin = error.get("ctx", {}).get("error")
    if isinstance(origin, SourceError) and origin.__cause__ is not None:
        return str(origin.__cause__)
    return error["msg"].removeprefix("Value error, ").replace("Input should", "should")
