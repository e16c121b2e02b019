"""What people write first: FastAPI, the model called in the async handler, a pair a request, padded to 77."""

import base64
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.peers.systems.network import Network
from loadtests.peers.systems.steps import decode


class Pair(BaseModel):
    """One image in base64, one text."""

    image: str
    text: str


def main() -> None:
    network = Network(Path(sys.argv[1]))
    app = FastAPI()

    @app.post("/score")
    async def score(pair: Pair) -> dict[str, Any]:
        image = network.encode_images(network.pixels([decode(base64.b64decode(pair.image))]))
        text = network.encode_texts(network.ids([pair.text], to_limit=True))
        return {"score": float(text[0] @ image[0])}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
