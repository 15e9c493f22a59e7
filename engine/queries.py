"""JMESPath with bounds: expressions that are checked when they are compiled, and stopped when they do too much.

An expression is limited in length and depth, and evaluating it spends *fuel*: for each step, for what it compares and
looks through, and for what it builds, as large as that would be in writing. So `[@,@] | [@,@] | …` ends after a
bounded time, in bounded memory, with a sentence. Beyond JMESPath, names may have hyphens without being quoted (a `-`
has no other meaning after a name), and literals are strict JSON.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, TypeAlias

from jmespath.exceptions import JMESPathTypeError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from engine.faults import Invalid, nearest, shown
from engine.limits import EXPRESSION_BYTES, EXPRESSION_DEPTH, LimitError, TooLargeError, json_size
from engine.reading import read_json

FUEL: Final = 4 * 1024 * 1024  # what the expressions of one template may spend: under half a second at the very worst
_STEP: Final = 16  # what a step costs, beside 1 for each item or character of what it finds
_BUILDING: Final = frozenset(
    {
        "filter_projection",
        "flatten",
        "function_expression",
        "multi_select_dict",
        "multi_select_list",
        "projection",
        "slice",
        "value_projection",
    }
)
_LOOKING_INTO: Final = frozenset(
    {"filter_projection", "flatten", "index_expression", "projection", "subexpression", "value_projection"}
)
_FUNCTIONS: Final[Mapping[str, Any]] = Functions.FUNCTION_TABLE
_TOO_DEEP: Final = f"nested deeper than {EXPRESSION_DEPTH}"
_PIECE: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?P<literal>(?:[^`\\]|\\.)*)`|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|.""",
    re.DOTALL,
)
_Node: TypeAlias = dict[str, Any]


class QuerySyntaxError(ValueError):
    """No expression: `message` says why, `position` (from 0) where."""

    def __init__(self, message: str, position: int = 0) -> None:
        self.message = message
        self.position = position
        super().__init__(message)

    def __reduce__(self) -> tuple[type["QuerySyntaxError"], tuple[str, int]]:
        return (QuerySyntaxError, (self.message, self.position))


class QueryError(ValueError):
    """An expression has no value in what it was asked about; the text says why."""


class Fuel:
    """What may still be spent on evaluating."""

    def __init__(self) -> None:
        self.left = FUEL

    def burn(self, amount: int) -> None:
        """Burn so much of it, or stop."""
        self.left -= amount
        if self.left < 0:
            raise QueryError("it takes too long")

    def burn_size(self, value: object) -> None:
        """Burn as much as the value is large in writing."""
        if isinstance(value, dict | list | str):
            self.left -= json_size(value, most=self.left)


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled expression. `reads` has the names, from the root, of everything it can see: `()` is all there is."""

    reads: tuple[tuple[str, ...], ...]
    _tree: _Node

    def value(self, root: dict[str, Any], fuel: Fuel) -> Any:
        """What the expression finds in `root`. Parts of the value may be shared with `root`: don't change it.

        Raises:
            QueryError: a function doesn't take what it is given, or the fuel is used up.
        """
        try:
            return _Interpreter(fuel).visit(self._tree, root)
        except QueryError:
            raise
        except JMESPathTypeError as error:
            allowed = " or ".join(error.expected_types)
            raise QueryError(f"'{error.function_name}' takes {allowed}, not {error.actual_type}") from None
        except TooLargeError:
            raise QueryError("it builds too much") from None
        except LimitError as error:
            raise QueryError(f"what it builds {error}") from None
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise QueryError(f"it can't be evaluated ({type(error).__name__})") from None


def compile_query(source: str) -> Query:
    """Compile a JMESPath expression.

    Raises:
        QuerySyntaxError: it isn't one, calls a function that there isn't, or is longer or deeper than the limits allow.
    """
    if len(source.encode("utf-8", "surrogatepass")) > EXPRESSION_BYTES:
        raise QuerySyntaxError(f"longer than {EXPRESSION_BYTES} bytes")
    quoted, quotes = _with_quoted_names(source)
    try:
        tree: _Node = dict(Parser().parse(quoted).parsed)
    except LexerError as error:
        message = f"{error.message[:1].lower()}{error.message[1:]}"
        raise QuerySyntaxError(message, _unquoted(error.lexer_position, quotes)) from None
    except ParseError as error:
        if not error.token_value:
            raise QuerySyntaxError("ends too early", len(source)) from None
        message = f"unexpected {shown(str(error.token_value))}"
        raise QuerySyntaxError(message, _unquoted(error.lex_position, quotes)) from None
    except RecursionError:
        raise QuerySyntaxError(_TOO_DEEP) from None
    except (LookupError, ValueError):
        raise QuerySyntaxError("not a JMESPath expression") from None
    _check(tree)
    return Query(tuple(dict.fromkeys(_reads(tree))), tree)


def _with_quoted_names(source: str) -> tuple[str, list[int]]:
    """The expression in plain JMESPath, and where in it names were put in quotes; nesting and literals are checked."""
    pieces: list[str] = []
    quotes: list[int] = []
    written = depth = 0
    for piece in _PIECE.finditer(source):
        found = piece[0]
        if piece["literal"] is not None:
            try:
                read_json(piece["literal"].replace("\\`", "`"), limit=EXPRESSION_BYTES, what="")
            except Invalid as refused:
                raise QuerySyntaxError(f"literal: {refused.faults[0].message}", piece.start()) from None
        elif piece["name"] and "-" in found:
            quotes.append(written)
            found = f'"{found}"'
        elif found in {"(", "[", "{"}:
            depth += 1
            if depth > EXPRESSION_DEPTH:
                raise QuerySyntaxError(_TOO_DEEP, piece.start())
        elif found in {")", "]", "}"}:
            depth -= 1
        pieces.append(found)
        written += len(found)
    return "".join(pieces), quotes


def _unquoted(position: int, quotes: list[int]) -> int:
    return position - 2 * bisect_left(quotes, position)


def _check(tree: _Node) -> None:
    """Refuse what is too deep to be walked through, and what can't mean what it seems to."""
    level = [tree]
    for _ in range(EXPRESSION_DEPTH + 1):
        for node in level:
            if node["type"] == "function_expression":
                _check_call(node["value"], len(node["children"]))
            elif node["type"] in _LOOKING_INTO and node["children"][0]["type"] == "not_expression":
                raise QuerySyntaxError("'!' binds tighter than '.' and '[' in JMESPath: write !(…)")
        level = [inner for node in level for inner in _operands(node)]
        if not level:
            return
    raise QuerySyntaxError(_TOO_DEEP)


def _operands(node: _Node) -> Iterator[_Node]:
    """What counts as one level deeper: not the names of a path, nor the pairs of an object."""
    for child in node["children"]:
        if isinstance(child, dict) and child["type"] != "field":
            yield from child["children"] if child["type"] == "key_val_pair" else (child,)


def _check_call(name: str, given: int) -> None:
    if name not in _FUNCTIONS:
        raise QuerySyntaxError(f"there is no function {shown(name)}{nearest(name, _FUNCTIONS)}")
    signature = _FUNCTIONS[name]["signature"]
    variadic = bool(signature and signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not variadic):
        takes = f"{'at least ' if variadic else ''}{len(signature)} argument{'s' * (len(signature) > 1)}"
        raise QuerySyntaxError(f"'{name}' takes {takes}, not {given}")


def _reads(node: _Node, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """What the part of an expression that is asked about the root sees of it; `names` are those that follow `node`."""
    children = node["children"]
    match node["type"]:
        case "field":
            yield (node["value"], *names)
        case "current" | "identity":
            yield names
        case "literal" | "expref":
            return
        case "subexpression":
            following = takewhile(lambda child: child["type"] == "field", children[1:])
            yield from _reads(children[0], tuple(child["value"] for child in following))
        case kind if kind in _LOOKING_INTO or kind == "pipe":
            yield from _reads(children[0])
        case _:
            for child in children:
                yield from _reads(child)


class _Interpreter(TreeInterpreter):
    def __init__(self, fuel: Fuel) -> None:
        super().__init__(Options(custom_functions=BoundedFunctions(fuel)))
        self._fuel = fuel

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._fuel.burn(_STEP)
        value = super().visit(node, *args, **kwargs)
        if isinstance(value, dict | list | str):
            self._fuel.burn(len(value))
        if node["type"] in _BUILDING:
            self._fuel.burn_size(value)
        return value

    def visit_comparator(self, node: Any, value: Any) -> Any:
        sides = [self.visit(child, value) for child in node["children"]]
        for side in sides:
            self._fuel.burn_size(side)
        known: Any = {**node, "children": [{"type": "literal", "value": side, "children": []} for side in sides]}
        return super().visit_comparator(known, value)


class BoundedFunctions(Functions):
    """JMESPath's own functions; those that make more of their arguments than these are long pay before they do."""

    def __init__(self, fuel: Fuel) -> None:
        self._fuel = fuel

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        """Call one of them by name."""
        arguments = list(resolved_args)
        match function_name, arguments:
            case "join", [str() as separator, list() as items]:
                self._fuel.burn(len(separator) * len(items))
            case "contains", [list() as items, _]:
                self._fuel.burn_size(items)
        return super().call_function(function_name, arguments)
