"""How much work a JSON Schema may make: bounded before it is compiled, since nothing stops compiling or checking.

    one value ─► the schemas that look at it, and those that they apply to it (anyOf, $ref, …) ─► how many in all?
        └─ each of its members and items ─► the schemas that look at that one ─► …

`{"anyOf": [a, a]}` twenty times over looks at a value a million times, though it is short. What looks at one value too
often is refused, and so is what refers to itself without end.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from engine.faults import shown
from engine.limits import JSON_DEPTH

LOOKS: Final = 1000
"""How many schemas may look at one value, each as often as it does."""

_STATES: Final = 100_000
_SAME_VALUE: Final = ("not", "if", "then", "else")
_SAME_VALUE_EACH: Final = ("allOf", "anyOf", "oneOf")
_SAME_VALUE_NAMED: Final = ("dependentSchemas", "dependencies")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_ANY_MEMBER: Final = ("additionalProperties", "unevaluatedProperties")
_ANY_ITEM: Final = ("items", "additionalItems", "unevaluatedItems", "contains")

_State: TypeAlias = frozenset[tuple[int, int]]
"""Schemas by their number, and how often each looks at one value."""


class UnboundedError(ValueError):
    """A schema makes too much work; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a JSON Schema that can be checked in bounded time: {reason}")


def see_that_it_is_bounded(document: Mapping[str, Any]) -> None:
    """See that a JSON Schema looks at no value more often than `LOOKS` times.

    Raises:
        UnboundedError: it does, or nobody can tell.
    """
    if _is_small(document):
        return
    bounds = _Bounds(document)
    states: set[_State] = {bounds.beginning}
    level = states
    for _ in range(JSON_DEPTH):
        level = {state for one in level for state in bounds.below(one)} - states
        states |= level
        if not level:
            return
        if len(states) > _STATES:
            raise UnboundedError("it has too many parts")


class _Bounds:
    """What looks at what in one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._schemas: list[Mapping[str, Any]] = []
        self._numbers: dict[int, int] = {}
        self._applied: dict[int, Counter[int]] = {}
        self._anchors: dict[str, list[Mapping[str, Any]]] = {}
        self._find_anchors()
        self.beginning: _State = self._state(Counter({self._number(document): 1}))

    def below(self, state: _State) -> Iterator[_State]:
        """What looks at the members and items of a value that these look at."""
        alone: dict[Hashable, Counter[int]] = {}
        members: Counter[int] = Counter()
        items: Counter[int] = Counter()
        names: Counter[int] = Counter()
        for number, count in state:
            schema = self._schemas[number]
            for name, one in _named(schema, "properties"):
                self._count(alone.setdefault(name, Counter()), one, count)
            for key in ("prefixItems", "items"):
                for index, one in enumerate(_listed(schema, key)):
                    self._count(alone.setdefault(index, Counter()), one, count)
            for key in _ANY_MEMBER:
                self._count(members, schema.get(key), count)
            for _, one in _named(schema, "patternProperties"):
                self._count(members, one, count)
            for key in _ANY_ITEM:
                self._count(items, schema.get(key), count)
            self._count(names, schema.get("propertyNames"), count)
        for place, found in alone.items():
            yield self._state(found + (items if isinstance(place, int) else members))
        yield from (self._state(found) for found in (members, items, names) if found)

    def _count(self, counter: Counter[int], schema: object, count: int) -> None:
        if isinstance(schema, Mapping):
            counter[self._number(schema)] += count

    def _number(self, schema: Mapping[str, Any]) -> int:
        if id(schema) not in self._numbers:
            self._numbers[id(schema)] = len(self._schemas)
            self._schemas.append(schema)
        return self._numbers[id(schema)]

    def _state(self, looking: Counter[int]) -> _State:
        """All that looks at a value, given what is applied to it first.

        Raises:
            UnboundedError: it is too much, or refers to itself without end.
        """
        total: Counter[int] = Counter()
        for number, count in looking.items():
            for applied, times in self._all_applied(number).items():
                total[applied] += count * times
        if total.total() > LOOKS:
            raise UnboundedError(f"it looks at one value more than {LOOKS:,} times: let fewer of its parts do so")
        return frozenset(total.items())

    def _all_applied(self, first: int) -> Counter[int]:
        """How often each schema is applied to a value to which one is; found from the innermost outwards."""
        open_, stack = set[int](), [first]
        while stack:
            number = stack[-1]
            if number in self._applied:
                open_.discard(stack.pop())
                continue
            applied = [self._number(one) for one in self._same_value(self._schemas[number])]
            missing = [one for one in applied if one not in self._applied]
            if missing and number in open_:
                raise UnboundedError("it refers to itself without end")
            if missing:
                open_.add(number)
                stack += missing
                if open_.intersection(missing):
                    raise UnboundedError("it refers to itself without end")
                continue
            total = Counter({number: 1})
            for one in applied:
                total += self._applied[one]
                if total.total() > LOOKS:
                    raise UnboundedError(
                        f"it looks at one value more than {LOOKS:,} times: let fewer of its parts do so"
                    )
            self._applied[number] = total
        return self._applied[first]

    def _same_value(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The schemas that one applies to the value that it looks at itself."""
        found = [schema.get(key) for key in _SAME_VALUE]
        found += [one for key in _SAME_VALUE_EACH for one in _listed(schema, key)]
        found += [one for key in _SAME_VALUE_NAMED for _, one in _named(schema, key)]
        yield from (one for one in found if isinstance(one, Mapping))
        for key in _REFERENCES:
            if isinstance(reference := schema.get(key), str):
                yield from self._referred(reference)

    def _referred(self, reference: str) -> list[Mapping[str, Any]]:
        """What a reference stands for; nothing, if there is no such thing, which who compiles the schema says."""
        where, _, fragment = reference.partition("#")
        if where.startswith(("https://json-schema.org/", "http://json-schema.org/")):
            return []  # the specification's own, which is known to be sane
        if where and where != str(self._document.get("$id", "")).partition("#")[0]:
            raise UnboundedError(f"it refers to {shown(reference)}: write references as '#/$defs/…'")
        if "%" in fragment:
            raise UnboundedError(f"it refers to {shown(reference)}: write references as '#/$defs/…', without '%'")
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment, [])
        found = _at(self._document, fragment)
        return [found] if isinstance(found, Mapping) else []

    def _find_anchors(self) -> None:
        level: list[Any] = [self._document]
        while level:
            for one in level:
                if not isinstance(one, Mapping):
                    continue
                if one is not self._document and isinstance(one.get("$id"), str):
                    raise UnboundedError("a part of it has an `$id`: write references as '#/$defs/…', without one")
                for key in _ANCHORS:
                    if isinstance(name := one.get(key), str):
                        self._anchors.setdefault(name, []).append(one)
            level = [
                inner
                for one in level
                if isinstance(one, Mapping | list)
                for inner in (one.values() if isinstance(one, Mapping) else one)
            ]


def _is_small(document: Mapping[str, Any]) -> bool:
    """Whether it has so few parts that they can't be too many, since none is used twice: most schemas."""
    level: list[Any] = [document]
    parts = 0
    while level and parts <= LOOKS:
        parts += len(level)
        below: list[Any] = []
        for one in level:
            if isinstance(one, list):
                below += one
            elif isinstance(one, Mapping):
                if not one.keys().isdisjoint(_REFERENCES):
                    return False
                below += one.values()
        level = below
    return parts <= LOOKS


def _named(schema: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    found = schema.get(key)
    if isinstance(found, Mapping):
        yield from found.items()


def _listed(schema: Mapping[str, Any], key: str) -> list[Any]:
    found = schema.get(key)
    return found if isinstance(found, list) else []


def _at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901); None if nothing does."""
    found = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isascii() and name.isdigit() and int(name[:9]) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found
