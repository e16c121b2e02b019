"""The HTTP app: paths, and which engine call answers each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from visreward.protocol import Code, ErrorResponse, Limits, MissingImages, ScoreResponse
from visreward_service import oip
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.recipes import Recipe
from visreward_service.rest import body, errors, openapi
from visreward_service.rest.disconnect import while_connected
from visreward_service.rest.trace import Trace
from visreward_service.settings import Settings

PATHS = frozenset(
    {"/score", "/recipes", "/models", "/limits", "/images/missing", "/healthz", "/readyz", "/metrics", "/"}
)
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 404, 413, 415, 422, 429, 500, 503)
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


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """Return the app. It starts the engine when it is started, and closes it when it is stopped."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        await engine.start()
        yield
        await engine.close()

    app = FastAPI(
        title="visreward",
        version=version("visreward"),
        summary="Rewards for reinforcement learning of vision-language models.",
        lifespan=lifespan,
        docs_url=None,  # its scripts would come from elsewhere; a service may have no network
        redoc_url=None,
    )
    app.add_middleware(Trace, metrics=engine.metrics, paths=PATHS)
    errors.install(app)
    openapi.install(app)
    _add_scoring(app, settings, engine)
    _add_images(app, engine)
    _add_listings(app, engine)
    _add_probes(app, engine)
    oip.install(
        app, engine, limits=settings.limits, read_body=body.read_body, while_connected=while_connected
    )
    return app


def _add_scoring(app: FastAPI, settings: Settings, engine: Engine) -> None:
    @app.post("/score", response_model=ScoreResponse, responses=ERRORS, openapi_extra=SCORE_BODY)
    async def score(request: Request) -> Response:
        """Score items with a recipe. The answer lists them in the request's order."""
        read = body.reader(request)
        raw = await body.read_body(request, settings.limits.max_request_bytes)
        scoring = engine.score(lambda: read(raw), request_id=request.state.request_id, num_bytes=len(raw))
        answer = await while_connected(request, scoring)
        return body.write(request, answer)


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
        return [_summary(recipe) for recipe in engine.recipes.recipes.values()]

    @app.get("/recipes/{name:path}", responses=ERRORS)
    async def recipe(name: str) -> dict[str, Any]:
        """Show one recipe with its file."""
        engine.recipes.get(name)
        found = engine.recipes.recipes[name]
        return {**_summary(found), "quirks": list(found.quirks), "source": found.source}

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """List the loaded models: kind, source, revision, text limits, device."""
        return [asdict(info) for info in engine.models]

    @app.get("/limits")
    async def limits() -> Limits:
        """Show what one request may hold."""
        return engine.limits


def _add_probes(app: FastAPI, engine: Engine) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": ErrorResponse}})
    async def readyz() -> JSONResponse:
        """Say whether a score request would be answered now."""
        if engine.not_ready is not None:
            raise RequestFault(Code.NOT_READY, engine.not_ready, retry_after_seconds=2)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Expose the metrics in Prometheus' text format."""
        return Response(engine.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _summary(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "paper": recipe.paper,
        "summary": recipe.summary,
        "profile": recipe.profile,
        "needs": list(recipe.needs),
        "formula": recipe.formula,
    }
