"""What the routes work with, made once for each app."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.auth import Authenticator
from api.bulk import Bulk
from api.hub import Hub
from api.principal import Principal
from api.settings import ApiSettings
from api.writing import Writer
from blocks.catalogue import Catalogue
from store.protocol import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The store and the block types, and what stands between them and the routes."""

    settings: ApiSettings
    store: Store
    catalogue: Catalogue
    authenticator: Authenticator
    writer: Writer
    hub: Hub
    bulk: Bulk


def services_of(request: Request) -> Services:
    """The services of the app that answers this request."""
    services: Services = request.app.state.services
    return services


def principal_of(request: Request) -> Principal:
    """Who is asking; only of guarded requests (`api.guard`)."""
    principal: Principal = request.state.principal
    return principal


async def _services(request: Request) -> Services:  # `async`: FastAPI calls what isn't in a thread, and that takes time
    return services_of(request)


async def _principal(request: Request) -> Principal:
    return principal_of(request)


ServicesOf = Annotated[Services, Depends(_services)]
Asking = Annotated[Principal, Depends(_principal)]
