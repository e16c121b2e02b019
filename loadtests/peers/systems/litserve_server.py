"""LitServe with dynamic batching: a group a request, its image once, texts padded to the batch's longest."""

import base64
import sys
from pathlib import Path
from typing import Any

import litserve

from loadtests.peers.systems.network import Network
from loadtests.peers.systems.steps import decode


class Groups(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    """Scores groups; a batch holds up to eight."""

    def setup(self, device: str) -> None:
        del device
        self.network = Network(Path(sys.argv[1]))

    def decode_request(self, request: dict[str, Any]) -> tuple[Any, list[str]]:
        return decode(base64.b64decode(request["image"])), request["texts"]

    def predict(self, groups: list[tuple[Any, list[str]]]) -> list[list[float]]:
        images = self.network.encode_images(self.network.pixels([image for image, _ in groups]))
        texts = [text for _, texts in groups for text in texts]
        rows = self.network.encode_texts(self.network.ids(texts, to_limit=False))
        scores, start = [], 0
        for image, (_, own) in zip(images, groups):
            scores.append((rows[start : start + len(own)] @ image).tolist())
            start += len(own)
        return scores

    def encode_response(self, scores: list[float]) -> dict[str, Any]:
        return {"scores": scores}


def main() -> None:
    api = Groups(max_batch_size=8, batch_timeout=0.01, api_path="/score")
    server = litserve.LitServer(api, accelerator="cpu", timeout=600)
    server.run(port=int(sys.argv[2]), generate_client_file=False, num_api_servers=1, log_level="warning")


if __name__ == "__main__":
    main()
