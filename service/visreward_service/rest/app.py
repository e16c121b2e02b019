"""The HTTP app: paths, and which engine call answers each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware

from visreward.protocol import Code, ErrorResponse, Limits, MissingImages, ScoreResponse
from visreward_service import oip
from visreward_service.access import Guard
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.recipes import Recipe
from visreward_service.rest import body, compat, errors, openapi, scoring
from visreward_service.rest.access import Access, caller_of
from visreward_service.rest.disconnect import while_connected
from visreward_service.rest.headers import SecurityHeaders
from visreward_service.rest.scoring import Scoring, Service
from visreward_service.rest.trace import Trace
from visreward_service.settings import Settings

PATHS = frozenset(
    {"/score", "/recipes", "/models", "/limits", "/images/missing", "/healthz", "/readyz", "/metrics", "/"}
    | compat.PATHS
)
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 401, 403, 404, 413, 415, 422, 429, 500, 503)
}
SCORE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"$ref": "#/components/schemas/ScoreRequest"}}
            for kind in (body.JSON, body.MSGPACK)
        },
    }
}


def create_app(settings: Settings, engine: Engine, guard: Guard | None = None) -> FastAPI:
    """Return the app. It starts the engine when it is started, and closes it when it is stopped.

    `guard` is shared with other protocols, so that a key's requests are counted together.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        await engine.start()
        yield
        await engine.close()

    app = Service(
        title="visreward",
        version=version("visreward"),
        summary="Rewards for reinforcement learning of vision-language models.",
        lifespan=lifespan,
        docs_url=None,  # its scripts would come from elsewhere; a service may have no network
        redoc_url=None,
        # It would look for OpenTelemetry's settings at every request; the service has metrics of its own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    _add_middleware(app, settings, engine, guard or Guard(settings.keys))
    errors.install(app)
    openapi.install(app)
    _add_scoring(app, engine)
    _add_images(app, engine)
    _add_listings(app, engine)
    compat.install(app, engine)
    add_probes(app, engine)
    if settings.metrics.port is None:
        add_metrics(app, engine)
    oip.install(
        app,
        engine,
        limits=settings.limits,
        read_body=body.read_body,
        while_connected=while_connected,
        caller_of=caller_of,
    )
    return app


def _add_middleware(app: Service, settings: Settings, engine: Engine, guard: Guard) -> None:
    """Wrap the app, and what answers in front of it; the last one added is the outermost."""
    layers: list[tuple[Any, dict[str, Any]]] = [(Access, {"guard": guard})]
    if settings.cors.origins:
        # Asked before the key: a browser's preflight has none.
        cors = {
            "allow_origins": list(settings.cors.origins),
            "allow_methods": ["GET", "POST", "PUT"],
            "allow_headers": ["authorization", "content-type", "x-request-id"],
            "expose_headers": ["retry-after", "x-request-id"],
        }
        layers.append((CORSMiddleware, cors))
    headers = SecurityHeaders(encrypted=settings.tls is not None, shared=bool(settings.cors.origins))
    layers.append((Trace, {"metrics": engine.metrics, "paths": PATHS, "headers": headers}))
    app.scoring = Scoring(engine)
    for layer, options in layers:
        app.add_middleware(layer, **options)
        app.scoring = layer(app.scoring, **options)


def _add_scoring(app: FastAPI, engine: Engine) -> None:
    @app.post(scoring.PATH, response_model=ScoreResponse, responses=ERRORS, openapi_extra=SCORE_BODY)
    async def score(request: Request) -> Response:
        """Score items with a recipe. The answer lists them in the request's order."""
        return await scoring.answer(engine, request.scope, request.receive)


def _add_images(app: FastAPI, engine: Engine) -> None:
    @app.post("/images/missing", responses=ERRORS)
    async def missing(asked: MissingImages) -> MissingImages:
        """Of the images asked about, list those that have to be sent."""
        return MissingImages(digests=engine.missing_images(asked.digests))

    @app.put("/images/{digest}", status_code=204, responses=ERRORS)
    async def keep(request: Request, digest: str) -> Response:
        """Keep an image, sent as the raw bytes of its file, for later requests to name by its SHA-256."""
        await engine.keep_image(digest, await body.read_body(request, engine.limits.max_image_bytes))
        return Response(status_code=204)


def _add_listings(app: FastAPI, engine: Engine) -> None:
    @app.get("/recipes")
    async def recipes() -> list[dict[str, Any]]:
        """List the recipes: name, paper, summary, and the item fields that each needs."""
        return [_summary(recipe, engine) for recipe in engine.recipes.recipes.values()]

    @app.get("/recipes/{name:path}", responses=ERRORS)
    async def recipe(name: str) -> dict[str, Any]:
        """Show one recipe with its file."""
        engine.recipes.get(name)
        found = engine.recipes.recipes[name]
        return {**_summary(found, engine), "quirks": list(found.quirks), "source": found.source}

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """List the loaded models: kind, source, revision, text limits, device."""
        return [asdict(info) for info in engine.models]

    @app.get("/limits")
    async def limits() -> Limits:
        """Show what one request may hold."""
        return engine.limits


def add_probes(app: FastAPI, engine: Engine) -> None:
    """Add what Kubernetes and clients ask about the service's health."""

    @app.get("/healthz", responses={500: {"model": ErrorResponse}})
    async def healthz() -> dict[str, str]:
        """Say that the process answers, and that nothing has stopped in it for good."""
        if engine.lost is not None:
            raise RequestFault(Code.INTERNAL, f"{engine.lost}; restart the service")
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": ErrorResponse}})
    async def readyz() -> JSONResponse:
        """Say whether a score request would be answered now."""
        if engine.not_ready is not None:
            raise RequestFault(Code.NOT_READY, engine.not_ready, retry_after_seconds=2)
        return JSONResponse({"status": "ready"})


def add_metrics(app: FastAPI, engine: Engine) -> None:
    """Add what Prometheus asks."""

    @app.get("/metrics")
    async def metrics() -> Response:
        """Expose the metrics in Prometheus' text format."""
        return Response(engine.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _summary(recipe: Recipe, engine: Engine) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "paper": recipe.paper,
        "summary": recipe.summary,
        "profile": recipe.profile,
        "needs": list(recipe.needs),
        "parts": list(recipe.spec.terms),
        "needs_group": compat.needs_group(engine.recipes.get(recipe.name)),
        "formula": recipe.formula,
    }
