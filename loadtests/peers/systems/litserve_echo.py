"""LitServe with one worker that writes back what it reads."""

from typing import Any

import litserve


class Echo(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    """Does nothing; its class stands in a module, since LitServe sends it to a process of its own."""

    def setup(self, device: str) -> None:
        del device

    def predict(self, document: Any) -> Any:
        return document


def serve(port: int) -> None:
    """Serve until stopped."""
    server = litserve.LitServer(Echo(api_path="/score"), accelerator="cpu", timeout=600)
    server.run(port=port, generate_client_file=False, num_api_servers=1, log_level="warning")
