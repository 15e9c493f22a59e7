"""The published JSON Schema of the specification language, with the arguments of every installed block type.

    models of engine.documents ──► what may also be written in short ──┐
    arguments of block types   ──► … or as a reference               ──┴─► one JSON Schema (draft 2020-12)

It says of a document's form what `engine.shapes` would refuse, so that an editor helps while one writes. How the parts
fit together (names, cycles, references) is for `POST /v1/validate`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from blocks.catalogue import AnyBlock, Catalogue
from engine.documents import NAME_PATTERN, Workflow
from engine.limits import NAME_CHARS, TASKS

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID: Final = "urn:icefloe:schema:workflow"
DOCUMENT: Final = "#/components/schemas/WorkflowDocument"
"""Where the OpenAPI document has the form of workflows."""

EXAMPLE: Final[Schema] = {
    "name": "metadata-change-request",
    "description": "Approve and apply a metadata change",
    "inputs": {
        "type": "object",
        "required": ["asset", "owner", "requester"],
        "properties": {
            "asset": {"type": "string"},
            "owner": {"type": "string"},
            "requester": {"type": "string"},
            "risk": {"enum": ["low", "high"], "default": "high"},
        },
    },
    "dag": {
        "entrypoint": "auto-approval",
        "exitpoints": ["notify-approved", "notify-rejected"],
        "tasks": [
            {
                "name": "auto-approval",
                "type": "CONDITION",
                "arguments": {"left": "{{ inputs.risk }}", "operator": "==", "right": "low"},
            },
            {
                "name": "manual-approval",
                "type": "APPROVAL",
                "arguments": {"approvers": ["{{ inputs.owner }}"], "expires_in": "P7D"},
                "depends": "auto-approval.SKIPPED",
            },
            {
                "name": "notify-approved",
                "type": "NOTIFICATION",
                "arguments": {"recipient": "{{ inputs.requester }}", "payload": {"title": "Approved"}},
                "depends": "auto-approval.SUCCESS || manual-approval.SUCCESS",
            },
            {
                "name": "notify-rejected",
                "type": "NOTIFICATION",
                "arguments": {"recipient": "{{ inputs.requester }}", "payload": {"title": "Rejected"}},
                "depends": "manual-approval.FAILED || manual-approval.TIMED_OUT",
            },
        ],
    },
}

DURATION: Final = (
    r"^(?=[0-9])(?:Nw)?(?:Nd)?(?:Nh)?(?:Nm)?(?:Ns)?(?:Nms)?$"
    r"|^P(?=[0-9T])(?:NW)?(?:ND)?(?:T(?=[0-9])(?:NH)?(?:NM)?(?:NS)?)?$"
).replace("N", r"[0-9]+(?:\.[0-9]+)?")
"""What `engine.durations` reads, as far as a pattern can tell."""

_DEFINITIONS: Final = "#/$defs/"
_REFERENCE: Final = "Reference"
_TOLD: Final = {"title", "description", "default", "examples"}  # what a schema may say that refuses nothing


def workflow_schema(catalogue: Catalogue) -> Schema:
    """The JSON Schema of workflow documents for these block types."""
    schema = form()
    definitions: Schema = schema["$defs"]
    definitions[_REFERENCE] = {
        "title": "Reference",
        "description": "A text with a reference, such as `{{ inputs.asset }}` or `{{ tasks.a.outputs.b }}`",
        "type": "string",
        "pattern": r"\{\{",
    }
    task = definitions["TaskSpec"]
    task["properties"]["type"]["enum"] = list(catalogue)
    task["allOf"] = [_arguments_of(block, definitions) for block in catalogue.values()]
    return {"$schema": DIALECT, "$id": ID, **schema, "examples": [EXAMPLE]}


def form(references: str = _DEFINITIONS) -> Schema:
    """The JSON Schema of the form of workflow documents, whatever block types there are.

    `references` is where the definitions will stand; they are those of `$defs`.
    """
    schema = Workflow.model_json_schema(ref_template=references + "{model}")
    dag, task, condition = (schema["$defs"][name] for name in ("Dag", "TaskSpec", "Condition"))
    name = {"type": "string", "pattern": NAME_PATTERN, "maxLength": NAME_CHARS}
    dag["properties"]["entrypoint"] = _or_alone(dag["properties"]["entrypoint"], name)
    dag["properties"]["tasks"]["maxItems"] = TASKS
    task["properties"]["arguments"] = _given_in_parts(task["properties"]["arguments"], {"type": "object"})
    reference = {"$ref": f"{references}Condition"}
    when = task["properties"]["when"]
    when["anyOf"] = [reference, *when["anyOf"]]
    condition["if"] = {"properties": {"operator": {"const": "exists"}}, "required": ["operator"]}
    condition["then"] = {"properties": {"right": {"type": "null"}}}
    condition["else"] = {"required": ["right"]}
    mended: Schema = _with_durations(schema)
    return mended


def _or_alone(many: Schema, one: Schema) -> Schema:
    """A list, also of what may be given alone."""
    told = {key: many.pop(key) for key in list(many) if key in _TOLD}
    return {**told, "anyOf": [one, many]}


def _given_in_parts(told: Schema, whole: Schema) -> Schema:
    """Arguments: an object, or several that are merged, or nothing at all."""
    part = {"type": "object"}
    said = {key: value for key, value in told.items() if key in _TOLD}
    return {**said, "anyOf": [whole, {"type": "array", "items": part}, {"type": "null"}]}


def _with_durations(schema: Any) -> Any:
    """Every duration with the pattern of one."""
    if isinstance(schema, list):
        return [_with_durations(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    mended = {key: _with_durations(value) for key, value in schema.items()}
    if schema.get("type") == "string" and "PT5M" in schema.get("examples", ()):
        mended |= {"pattern": DURATION, "maxLength": 64}
    return mended


def _arguments_of(block: AnyBlock, definitions: Schema) -> Schema:
    """What the arguments of tasks of a type must be like; the definitions that this needs are added to the others."""
    prefix = f"{block.type}."

    def place(reference: str) -> str:
        return reference.replace(_DEFINITIONS, _DEFINITIONS + prefix, 1)

    arguments = block.arguments.model_json_schema()
    for name, definition in arguments.pop("$defs", {}).items():
        definitions[prefix + name] = _loose(definition, place)
    whole = _loose(arguments, place)
    whole["properties"] = {name: _lone(one) for name, one in whole.get("properties", {}).items()}
    whole["description"] = f"{block.title}: {block.description}"
    if block.examples:
        whole["examples"] = [dict(example) for example in block.examples]
    part = {key: value for key, value in whole.items() if key != "required"}
    needed = {"required": ["arguments"]} if whole.get("required") else {}
    several = {"type": "array", "items": part}
    return {
        "if": {"properties": {"type": {"const": block.type}}, "required": ["type"]},
        "then": {"properties": {"arguments": {"anyOf": [whole, several, {"type": "null"}]}}, **needed},
    }


def _lone(schema: Schema) -> Schema:
    """An argument that is a list may be given as its one item."""
    items = [one["items"] for one in schema.get("anyOf", ()) if one.get("type") == "array" and one.get("items")]
    return {**schema, "anyOf": [*schema["anyOf"], *items]} if items else schema


def _loose(schema: Any, place: Callable[[str], str]) -> Schema:
    """A schema of arguments in which every value may be a reference instead."""
    loose = dict(schema)
    if "$ref" in loose:
        loose["$ref"] = place(loose["$ref"])
    for key in ("properties", "patternProperties"):
        if key in loose:
            loose[key] = {name: _or_reference(one, place) for name, one in loose[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(loose.get(key), Mapping):
            loose[key] = _or_reference(loose[key], place)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in loose:
            loose[key] = [_loose(one, place) for one in loose[key]]
    return loose


def _or_reference(schema: Schema, place: Callable[[str], str]) -> Schema:
    told = {key: value for key, value in schema.items() if key in _TOLD}
    rest = {key: value for key, value in _loose(schema, place).items() if key not in _TOLD}
    if not rest:
        return told
    ways = rest["anyOf"] if rest.keys() == {"anyOf"} else [rest]
    return {**told, "anyOf": [*ways, {"$ref": _DEFINITIONS + _REFERENCE}]}
