"""The OpenAPI document: FastAPI's own, with the schema of the score request, whose body is read by hand."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from visreward.protocol import ScoreRequest

REFERENCE = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Serve the completed document at `/openapi.json`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            request = ScoreRequest.model_json_schema(ref_template=REFERENCE)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(request.pop("$defs", {}))
            schemas["ScoreRequest"] = request
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
