"""Ray Serve with `@serve.batch`: a group a request, its image once, texts padded to the batch's longest."""

import base64
import sys
import time
from pathlib import Path
from typing import Any

from ray import serve
from starlette.requests import Request

from loadtests.peers.systems.network import Network
from loadtests.peers.systems.steps import decode


class Groups:
    """Scores groups; a batch holds up to eight."""

    def __init__(self, checkpoint: str) -> None:
        import os

        import torch

        torch.set_num_threads(os.cpu_count() or 1)  # Ray gives an actor one
        self.network = Network(Path(checkpoint))

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.01)
    async def score(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        images = self.network.encode_images(
            self.network.pixels([decode(base64.b64decode(body["image"])) for body in bodies])
        )
        texts = [text for body in bodies for text in body["texts"]]
        rows = self.network.encode_texts(self.network.ids(texts, to_limit=False))
        scores, start = [], 0
        for image, body in zip(images, bodies):
            end = start + len(body["texts"])
            scores.append({"scores": (rows[start:end] @ image).tolist()})
            start = end
        return scores

    async def __call__(self, request: Request) -> dict[str, Any]:
        if request.method == "GET":
            return {"status": "ok"}
        answer: dict[str, Any] = await self.score(await request.json())
        return answer


def main() -> None:
    serve.start(http_options={"port": int(sys.argv[2]), "host": "127.0.0.1"})
    deployment = serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=64)(Groups)
    serve.run(deployment.bind(sys.argv[1]), route_prefix="/")
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
