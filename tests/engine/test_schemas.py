"""What is wrong with values, told at the place of each of them."""

from engine.faults import Fault
from engine.schemas import compile_schema

_SCHEMA = {
    "type": "object",
    "required": ["asset", "size"],
    "additionalProperties": False,
    "properties": {
        "asset": {"type": "string"},
        "size": {"$ref": "#/$defs/size"},
        "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
    "$defs": {
        "size": {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {"rows": {}}}
    },
}


def test_a_property_that_is_missing_or_unknown_is_told_at_its_own_place_with_the_nearest_name() -> None:
    value = {"aset": "sales.orders", "size": {"row": 1, "z": 2}, "tags": [{}]}
    assert set(compile_schema(_SCHEMA).faults(value, at="inputs")) == {
        Fault("inputs.aset", "is not known here (did you mean 'asset'?)"),
        Fault("inputs.asset", "is required"),
        Fault("inputs.size.row", "is not known here (did you mean 'rows'?)"),
        Fault("inputs.size.z", "is not known here"),
        Fault("inputs.size.rows", "is required"),
        Fault("inputs.tags[0].name", "is required"),
    }


def test_a_value_of_another_kind_is_told_where_it_stands() -> None:
    [fault] = compile_schema(_SCHEMA).faults({"asset": 3, "size": {"rows": 1}}, at="inputs")
    assert fault == Fault("inputs.asset", '3 is not of type "string"')


def test_values_that_fit_have_no_faults() -> None:
    assert compile_schema(_SCHEMA).faults({"asset": "a", "size": {"rows": 1}}, at="inputs") == []
    assert compile_schema({}).faults(3, at="inputs") == []
