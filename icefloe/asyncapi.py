"""The AsyncAPI 3 document, docs/asyncapi.json: every topic, and every message on it, from the models that read them.

`python -m icefloe.asyncapi` prints it; a test compares.
"""

import json
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from dataflows.triggers import letters
from dataflows.triggers.messages import ORIGIN
from dataflows.triggers.models import CancelRun, CloudEvent, PlainStart, SignalTask, StartRun
from engine.statuses import RunStatus, TaskStatus

_DESCRIPTION: Final = """\
Icefloe runs virtual workflows. Messages on the topic of triggers start runs, signal waiting tasks and cancel runs; \
what can't be accepted goes to the dead letters; every change of a run or a workflow is told on the topic of changes. \
The names of the topics begin with ICEFLOE_TOPIC_PREFIX, `icefloe` by default."""
_JSON: Final = "application/json"
_STRUCTURED: Final = "application/cloudevents+json"
_EVENTS: Final[Mapping[str, type[StartRun | SignalTask | CancelRun]]] = {
    "startRun": StartRun,
    "signalTask": SignalTask,
    "cancelRun": CancelRun,
}


class Change(BaseModel):
    """A change of a run or a workflow, as the relay tells it: at least once, in order for each id."""

    model_config = ConfigDict(extra="forbid")

    entity: Literal["run", "workflow"] = Field(description="What has changed")
    id: str = Field(description="The run's id, or the workflow's name; also the key of the message")
    tenant: str | None = Field(description="Whose run or workflow it is, if that is known")
    revision: int = Field(ge=1, description="One more at each change of a run; a workflow's version")
    at: float = Field(description="When, in Unix seconds by the store's clock")
    by: str | None = Field(description="Who did it, if that was somebody")
    writer: str | None = Field(description="The engine that wrote it, if it was one")
    transitions: list[dict[str, Any]] = Field(
        description="What happened: objects with a `type`, such as TaskSucceeded, and its payload; WorkflowDeleted if "
        "that happened. Empty if a workflow was saved, or if the store has to be asked: history was lost, or the "
        "message would have been too large"
    )
    status: RunStatus | None = Field(default=None, description="The run's status, if this changed it")
    tasks: dict[str, TaskStatus] = Field(default={}, description="The statuses of the tasks that this changed")
    detail: dict[str, Any] | None = Field(
        default=None,
        description="What people said: `reason`, `decision`, `comment`, `on_behalf` of whom, `from` and `to` whom",
    )
    seal: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="The SHA-256 that the run's journal ends with: who keeps it can tell later if that was changed",
    )
    document: dict[str, Any] | None = Field(default=None, description="On creation: all of the run, or of the workflow")
    truncated: bool = Field(default=False, description="Whether payloads were left out since they are too large")


def document() -> dict[str, Any]:
    """The whole document."""
    models = (StartRun, SignalTask, CancelRun, PlainStart, CloudEvent, Change)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    messages = _messages()
    channels = {
        "triggers": ("icefloe.triggers", "What starts, signals and cancels runs", [*messages][:-2]),
        "deadLetters": ("icefloe.triggers.dlq", "Messages that could not be accepted, and why", ["deadLetter"]),
        "changes": ("icefloe.changes", "What has become of runs and workflows, in order for each key", ["change"]),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Icefloe",
            "version": metadata.version("icefloe"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka", "description": "ICEFLOE_EVENTS"}},
        "channels": {
            name: {
                "address": address,
                "description": what,
                "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in own},
            }
            for name, (address, what, own) in channels.items()
        },
        "operations": {
            "acceptTriggers": _operation("receive", "triggers", "Accept what a message asks for, once for each id"),
            "writeDeadLetters": _operation("send", "deadLetters", "Keep what could not be accepted"),
            "tellChanges": _operation("send", "changes", "Tell every change"),
        },
        "components": {"messages": messages, "schemas": schemas["$defs"]},
    }


def _operation(action: Literal["send", "receive"], channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _messages() -> dict[str, Any]:
    """Each message by its name: those of the triggers, then a dead letter and a change."""
    messages: dict[str, Any] = {}
    for name, model in _EVENTS.items():
        messages[name] = _message(
            model,
            f"{model.type}, as a CloudEvent in binary mode",
            payload=_ref(model),
            headers=_headers(
                {
                    "ce_specversion": {"const": "1.0"},
                    "ce_type": {"const": model.type},
                    "ce_source": {"type": "string", "minLength": 1},
                    "ce_id": {"type": "string", "minLength": 1},
                }
            ),
        )
        event = {"properties": {"type": {"const": model.type}, "data": _ref(model)}, "required": ["data"]}
        messages[f"{name}Structured"] = _message(
            model,
            f"{model.type}, as a CloudEvent in structured mode",
            payload={"allOf": [_ref(CloudEvent), event]},
            headers=_headers({"content-type": {"const": _STRUCTURED}}),
            content_type=_STRUCTURED,
        )
    messages["startRunPlain"] = _message(PlainStart, "A plain JSON object", payload=_ref(PlainStart))
    messages["deadLetter"] = {
        "name": "deadLetter",
        "title": "A message that could not be accepted",
        "summary": "Its key, value and headers are those of the message; these headers are added",
        "contentType": "application/octet-stream",
        "headers": _headers(
            {
                ORIGIN: {"type": "string", "description": "Topic, partition and offset, with slashes between them"},
                letters.REASON: {"type": "string", "description": "A code, such as BAD_MESSAGE"},
                letters.ERROR: {"type": "string", "description": "A sentence for people"},
                letters.AT: {"type": "string", "format": "date-time"},
            },
            {letters.SHORTENED: {"type": "string", "description": "What was left out since it was too large"}},
        ),
    }
    messages["change"] = _message(Change, "A change", payload=_ref(Change))
    return messages


def _message(
    model: type[BaseModel],
    summary: str,
    *,
    payload: dict[str, Any],
    headers: dict[str, Any] | None = None,
    content_type: str = _JSON,
) -> dict[str, Any]:
    message = {"name": model.__name__, "title": (model.__doc__ or "").partition("\n")[0], "summary": summary}
    return {**message, "contentType": content_type, **({"headers": headers} if headers else {}), "payload": payload}


def _headers(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
