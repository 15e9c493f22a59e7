"""The guard: who asks is authenticated, and let in or not by the operation's rule, before anything of a body is read.

request ─► authenticate ─► rate ─► rule of the operation ─► query ─► says it is JSON ─► strict JSON ─► route
               401          429            403                 422          415              422
"""

from collections.abc import Callable, Coroutine, Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute

from api.access import RULES, Rule
from api.problems import Problem
from api.rates import admit
from api.services import services_of
from api.wording import is_model, unknown
from engine.faults import Fault, Invalid
from engine.limits import WORKFLOW_BYTES
from engine.reading import read_json

_JSON: Final = "application/json"
_FIELDS: Final = 100  # of a body itself: to say of each what is wrong with it is work
_JSON_BYTES: Final = 16 * WORKFLOW_BYTES  # what a body may have at most is the app's `api_body_bytes`


class StrictRequest(Request):
    """A request whose JSON is read as strictly as a workflow: no key twice, no NaN, bounded depth and numbers."""

    async def json(self) -> Any:
        """The body.

        Raises:
            Invalid: it is not JSON of that kind.
        """
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body(), limit=_JSON_BYTES, what="")
        return self._json


class GuardedRoute(APIRoute):
    """A route whose function's name has a rule in `api.access`; without one it can't be made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        name = options.get("name") or endpoint.__name__
        if name not in RULES:
            raise LookupError(f"{path}: operation {name!r} has no rule in api.access.RULES: nobody may use it; add one")
        self.rule: Rule = RULES[name]
        super().__init__(path, endpoint, **{**options, "name": name, "operation_id": name})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, behind the guard."""
        handler = super().get_route_handler()
        has_model = self.body_field is not None and not isinstance(self.body_field.field_info, Form)
        described = (self.openapi_extra or {}).get("requestBody", {}).get("content", {})
        takes_json = has_model or _JSON in described
        known = _known(self.dependant)

        async def guarded(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            if not self.rule.public:
                await _let_in(request, self.rule)
                if known is not None and request.scope["query_string"]:
                    _see_query(request, known)
            if takes_json:
                await _read(request, parse=has_model)
            return await handler(request)

        return guarded


def _known(dependant: Dependant) -> tuple[str, ...] | None:
    """The query parameters that a route takes; None if it has a model of them, which refuses others itself."""
    taken = dict(_query_params(dependant))
    return None if any(map(is_model, taken.values())) else tuple(taken)


def _query_params(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """The query parameters of a route and of what it depends on, and their kinds."""
    yield from ((one.alias, one.field_info.annotation) for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _query_params(one)


def _see_query(request: Request, known: tuple[str, ...]) -> None:
    """See that nothing is asked for that would be ignored.

    Raises:
        Invalid: there is a query parameter that isn't known.
    """
    faults = [unknown(f"query.{name}", name, known) for name in request.query_params if name not in known]
    if faults:
        raise Invalid(*faults)


async def _read(request: StrictRequest, *, parse: bool) -> None:
    """See that a body says that it is JSON; and that it is, unless the route reads it itself.

    A page of another site can make a browser send texts and forms, but nothing that says it is JSON.

    Raises:
        Problem: it says something else.
        Invalid: it is not JSON of our kind.
    """
    headers = request.headers
    if headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in headers:
        return
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        sentence = f"the body is to be JSON: send it with `Content-Type: {_JSON}`"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", sentence)
    if parse and await request.body():
        told = await request.json()
        if isinstance(told, dict) and len(told) > _FIELDS:
            raise Invalid(Fault("", f"has {len(told):,} fields, and no request has more than {_FIELDS}"))


async def _let_in(request: Request, rule: Rule) -> None:
    """See that somebody asks who may.

    Raises:
        Problem: nobody known asks, he may not, or asks too often.
    """
    services = services_of(request)
    principal = await services.authenticator.authenticate(request)
    request.state.principal = principal
    admit(request.app.state.rates, principal)
    if rule.roles.isdisjoint(principal.roles):
        needed = ", ".join(sorted(rule.roles))
        sentence = f"{principal.subject!r} has none of the roles that may do this: {needed}"
        raise Problem(HTTPStatus.FORBIDDEN, "role-missing", sentence)
