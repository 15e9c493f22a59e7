"""Which runs somebody asks for, and whether he may: who may read only some is given those, and no others.

query parameters ─► RunFilter ─► asked(principal) ─► RunQuery
                       422              403
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from api.access import RULES
from api.models import Cursor, Limit
from api.principal import Principal
from api.problems import Problem
from api.wording import Spelled
from engine.faults import Fault, Invalid, nearest
from engine.limits import ID_CHARS, NAME_CHARS
from engine.reading import meanings
from engine.statuses import RunStatus
from store.protocol import Page, RunQuery, Store

INPUT: Final = "inputs."
_ME: Final = "me"

WaitingFor = Annotated[
    str,
    Spelled(r"^(me|person:.+|group:.+)$", "should be `me`, `person:NAME` or `group:NAME`"),
    Field(max_length=ID_CHARS),
]
Who = Annotated[str, Field(min_length=1, max_length=ID_CHARS)]
Labels = Annotated[
    list[Annotated[str, Field(examples=["team=sales"]), Spelled(r"^[^=]+=", "should be KEY=VALUE")]],
    Field(max_length=20, description="`KEY=VALUE`: with this label; may be repeated"),
]
UnixTime = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


class RunFilter(BaseModel):
    """What runs must be like to be shown. `inputs.NAME=VALUE`: they have this input, a JSON value or a text."""

    model_config = ConfigDict(extra="allow")  # `inputs.…`: see `_inputs`

    workflow: str | None = Field(default=None, max_length=NAME_CHARS, description="Of this workflow")
    status: list[RunStatus] = Field(
        default_factory=list, max_length=len(RunStatus), description="With one of these statuses; may be repeated"
    )
    requested_by: Who | None = Field(default=None, description="Asked for by this person; `me`: by the caller")
    waiting_for: WaitingFor | None = Field(
        default=None, description="That wait for somebody: `me`, `person:NAME` or `group:NAME`"
    )
    label: Labels = Field(default_factory=list)
    created_after: UnixTime | None = Field(default=None, description="Made then or later (Unix seconds)")
    created_before: UnixTime | None = Field(default=None, description="Made before that (Unix seconds)")


class RunsQuery(RunFilter):
    """Which runs, and which page of them."""

    limit: Limit = 50
    cursor: Cursor = None


def query_for(principal: Principal, wanted: RunFilter, *, limit: int = 50, cursor: str | None = None) -> RunQuery:
    """What to ask the store for somebody who may list runs.

    Raises:
        Invalid: there is no such filter.
        Problem: he may not see all of that (403).
    """
    inputs = _inputs(wanted)
    whose, whom = _seen(principal, wanted.requested_by, _keys(principal, wanted.waiting_for))
    return RunQuery(
        tenant=principal.tenant,
        workflow=wanted.workflow,
        statuses=frozenset(wanted.status),
        requested_by=whose,
        inputs_any=inputs,
        labels=labels_of(wanted.label),
        waiting_for=whom,
        created_after=wanted.created_after,
        created_before=wanted.created_before,
        limit=limit,
        cursor=cursor,
    )


def labels_of(pairs: Iterable[str]) -> dict[str, str]:
    """The labels that are asked for, each as KEY=VALUE.

    Raises:
        Invalid: one is given two values, which nothing has.
    """
    labels: dict[str, str] = {}
    for name, _, value in (pair.partition("=") for pair in pairs):
        if labels.setdefault(name, value) != value:
            raise Invalid(Fault("query.label", f"asks for two values of {name!r}: nothing has both"))
    return labels


def page_of(store: Store, query: RunQuery) -> Page:
    """The page that is asked for.

    Raises:
        Invalid: the cursor is none of this store's.
    """
    try:
        return store.find(query)
    except ValueError as error:
        raise Invalid(Fault("query.cursor", str(error))) from None


def _inputs(wanted: RunFilter) -> Mapping[str, tuple[Any, ...]]:
    """The inputs that are asked for, by name.

    Raises:
        Invalid: something else is asked for than there is.
    """
    found: dict[str, tuple[Any, ...]] = {}
    faults = []
    for name, text in (wanted.model_extra or {}).items():
        if not name.startswith(INPUT) or name == INPUT:
            known = [*type(wanted).model_fields, f"{INPUT}NAME"]
            hint = nearest(name, type(wanted).model_fields) or f"; there are {', '.join(known)}"
            faults.append(Fault(f"query.{name}", f"is not known here{hint}"))
        elif not isinstance(text, str):
            faults.append(Fault(f"query.{name}", "is given more than once: an input has one value"))
        elif not all(part.isprintable() for part in (name, text)):
            escaped = repr(name[:NAME_CHARS])[1:-1]
            faults.append(Fault(f"query.{escaped}", "has characters that can't be printed"))
        else:
            found[name.removeprefix(INPUT)] = meanings(text)
    if faults:
        raise Invalid(*faults)
    return found


def _keys(principal: Principal, waiting_for: str | None) -> frozenset[str]:
    if waiting_for is None:
        return frozenset()
    return principal.keys if waiting_for == _ME else frozenset({waiting_for})


def _seen(
    principal: Principal, requested_by: str | None, waiting_for: frozenset[str]
) -> tuple[str | None, frozenset[str]]:
    """Whose runs, and those that wait for whom, are to be found.

    Raises:
        Problem: he may not see all of that.
    """
    rule = RULES["list_runs"]
    whose = principal.subject if requested_by == _ME else requested_by
    if _has(principal, rule.all):
        return whose, waiting_for
    if _has(principal, rule.asked) and waiting_for and waiting_for <= principal.keys:
        return whose, waiting_for
    if _has(principal, rule.own) and whose in (None, principal.subject):
        return principal.subject, waiting_for
    if _has(principal, rule.asked) and not waiting_for and not _has(principal, rule.own):
        return whose, principal.keys
    ways = [
        *(["those he has asked for himself (`requested_by=me`)"] if _has(principal, rule.own) else []),
        *(["those that wait for him (`waiting_for=me`)"] if _has(principal, rule.asked) else []),
    ]
    sentence = f"{principal.subject!r} may see {' and '.join(ways)}, but no others"
    raise Problem(HTTPStatus.FORBIDDEN, "not-yours", sentence)


def _has(principal: Principal, roles: Iterable[Any]) -> bool:
    return not principal.roles.isdisjoint(roles)
