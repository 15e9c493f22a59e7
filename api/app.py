"""The app: routes behind the guard, errors as problem documents, and what the routes work with.

request ─► limits and headers (api.middleware) ─► guard (api.guard) ─► route (api.routes) ─► engine, store
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI

from api import middleware, problems
from api.auth import Authenticator, authenticator_of
from api.bulk import Bulk
from api.guard import GuardedRoute
from api.health import Health
from api.hub import Hub
from api.metrics import Measured, Metrics
from api.rates import Rates
from api.routes import (
    approvals,
    blocks,
    drafts,
    histories,
    links,
    live,
    operations,
    process,
    runs,
    tasks,
    webhooks,
    workflows,
)
from api.services import Services
from api.settings import ApiSettings
from api.writing import Writer
from blocks.catalogue import Catalogue
from store.protocol import Store

VERSIONED: Final = "/v1"

_ROUTERS: Final[tuple[APIRouter, ...]] = (  # those that are asked most come first: routes are tried in this order
    runs.router,
    approvals.router,
    histories.router,
    tasks.router,
    drafts.router,
    workflows.router,
    blocks.router,
    operations.router,
    live.router,
    webhooks.router,
)
_UNVERSIONED: Final[tuple[APIRouter, ...]] = (process.router, links.router, webhooks.receiver)


def create_app(
    settings: ApiSettings,
    store: Store,
    catalogue: Catalogue,
    *,
    authenticator: Authenticator | None = None,
    open_store: Callable[[], Store] | None = None,
) -> FastAPI:
    """The API on a store. Who calls this closes the store, after the app has ended.

    `open_store` opens another object of the same store, for who has missed what followers were told (`api.hub`).

    Raises:
        ApiSettingsError: the settings contradict one another.
    """
    services = Services(
        settings,
        store,
        catalogue,
        authenticator or authenticator_of(settings, store),
        Writer(store),
        Hub(store, open_store),
        Bulk(store),
    )

    health = Health(store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _work_out(app)
        await services.hub.start()
        async with services.bulk.working():
            yield
        await services.hub.close()
        await services.writer.close()
        health.close()

    app = FastAPI(
        title="Icefloe",
        summary="Virtual workflows: start them, follow them, decide",
        version="1",
        lifespan=lifespan,
        openapi_url=None,  # its routes are ours, behind the guard as all others are
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours is `api.metrics`
    )
    app.state.services = services
    app.state.health = health
    app.state.metrics = Metrics()
    app.state.rates = Rates(settings.api_rate)
    app.state.link_rates = Rates(min(settings.api_rate, links.LINKS_A_MINUTE))
    app.router.route_class = GuardedRoute
    problems.install(app)
    middleware.install(app, settings)
    app.add_middleware(Measured, metrics=app.state.metrics)
    for router in _ROUTERS:
        app.include_router(router, prefix=VERSIONED)
    for router in _UNVERSIONED:
        app.include_router(router)
    return app


def _work_out(app: FastAPI) -> None:
    """Let FastAPI work out its routes before anybody asks: else the first request waits for that, and so do others."""
    scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [], "app": app}
    for route in app.routes:
        route.matches(scope)
