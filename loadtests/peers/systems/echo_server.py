"""Servers that read a JSON body and write it back: what a framework costs before anything is done.

python -m loadtests.peers.systems.echo_server fastapi|bare|litserve|ray PORT
"""

import sys
import time
from typing import Any


def serve_fastapi(port: int) -> None:
    """FastAPI with a raw body, orjson and a plain Response."""
    import orjson
    import uvicorn
    from fastapi import FastAPI, Request, Response

    app = FastAPI()

    @app.post("/score")
    async def score(request: Request) -> Response:
        document = orjson.loads(await request.body())
        return Response(orjson.dumps(document), media_type="application/json")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def serve_bare(port: int) -> None:
    """An ASGI function and orjson."""
    import orjson
    import uvicorn

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        content = orjson.dumps(orjson.loads(body or b"{}"))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    uvicorn.run(app, port=port, log_level="warning", access_log=False, lifespan="off")


def serve_litserve(port: int) -> None:
    """LitServe with one worker."""
    from loadtests.peers.systems.litserve_echo import serve

    serve(port)


def serve_ray(port: int) -> None:
    """Ray Serve with one replica."""
    from ray import serve
    from starlette.requests import Request

    class Echo:
        async def __call__(self, request: Request) -> Any:
            return await request.json() if request.method == "POST" else {"status": "ok"}

    serve.start(http_options={"port": port, "host": "127.0.0.1"})
    deployment = serve.deployment(max_ongoing_requests=64)(Echo)
    serve.run(deployment.bind(), route_prefix="/")
    while True:
        time.sleep(60)


SERVERS = {"fastapi": serve_fastapi, "bare": serve_bare, "litserve": serve_litserve, "ray": serve_ray}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
