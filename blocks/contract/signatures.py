"""Reading the signatures of a block's functions: their models, and whether they have the form of the contract."""

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeGuard, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict

from blocks.contract.results import Signal, Skip, TimedOut, Wait

Model: TypeAlias = type[BaseModel]

MAIN: Final = ("arguments", "context")
SIGNAL: Final = ("arguments", "context", "signal", "waited")
WAKE: Final = ("arguments", "context", "waited")

_RETURNS = "a model, dict[str, Any] or None, and Skip, TimedOut or Wait"


class BlockDefinitionError(TypeError):
    """A block is defined in a way that the contract doesn't allow."""


def annotations(function: Callable[..., Any], parameters: tuple[str, ...]) -> dict[str, Any]:
    """The annotations of a function, under the names in `parameters` (it may call them otherwise) and `return`.

    Raises:
        BlockDefinitionError: it takes another number of parameters, or an annotation names nothing.
    """
    given = list(inspect.signature(function).parameters)
    name = getattr(function, "__name__", repr(function))
    if len(given) != len(parameters):
        raise BlockDefinitionError(f"{name} takes ({', '.join(given)}), not ({', '.join(parameters)})")
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError) as error:
        raise BlockDefinitionError(f"the annotations of {name} can't be read: {error}") from error
    renamed = dict(zip(given, parameters, strict=True))
    return {renamed.get(key, key): hint for key, hint in hints.items()}


def arguments_model(hints: Mapping[str, Any]) -> Model:
    """The model of the first parameter, made strict about arguments that it doesn't know unless it says otherwise.

    Raises:
        BlockDefinitionError: the annotation is missing, or no model.
    """
    model = hints.get("arguments")
    if not _is_model(model):
        raise BlockDefinitionError("annotate the first parameter with a pydantic model of the arguments")
    if "extra" in model.model_config:
        return model
    namespace = {"model_config": ConfigDict(extra="forbid"), "__doc__": model.__doc__, "__module__": model.__module__}
    return types.new_class(model.__name__, (model,), exec_body=lambda body: body.update(namespace))


def outputs_model(hints: Mapping[str, Any]) -> Model | None:
    """The model that the function returns; None if it returns a free-form object or nothing.

    Raises:
        BlockDefinitionError: the annotation is missing, or says something else.
    """
    if "return" not in hints:
        raise BlockDefinitionError(f"annotate what it returns: {_RETURNS}")
    returned = hints["return"]
    members = get_args(returned) if get_origin(returned) in {Union, types.UnionType} else (returned,)
    forms = [member for member in members if member not in {Skip, TimedOut, Wait, types.NoneType}]
    if len(forms) > 1:
        raise BlockDefinitionError(f"it returns {len(forms)} forms of outputs; make them one model")
    if not forms or (get_origin(forms[0]) or forms[0]) in {dict, Mapping}:
        return None
    if not _is_model(forms[0]):
        raise BlockDefinitionError(f"it can't return {forms[0]}; return {_RETURNS}")
    return forms[0]


def signal_model(hints: Mapping[str, Any]) -> Model | None:
    """The model of a signal's data; None for `Signal[Any]`.

    Raises:
        BlockDefinitionError: the third parameter isn't annotated as a Signal of something.
    """
    signal = hints.get("signal")
    if get_origin(signal) is not Signal:
        raise BlockDefinitionError("annotate the signal of on_signal as Signal[Model], or Signal[Any] for any JSON")
    (data,) = get_args(signal)
    return data if _is_model(data) else None


def _is_model(annotation: object) -> TypeGuard[Model]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
