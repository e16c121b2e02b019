"""Stands between the trainer and vLLM: it passes everything on, notes what is asked, and may interfere with
adapters."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx

from tests.listening import Server, listening

LOAD, UNLOAD, COMPLETIONS = "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/chat/completions"


@dataclass
class Relay:
    """What the handler does, and what tests set and see."""

    upstream: str
    url: str = ""
    never_publishes: bool = False
    """Where set, every adapter's folder gets the first one's weights before vLLM reads it."""
    num_forgets: int = 0
    """Before so many requests for completions the adapter is unloaded, as in a vLLM that restarted."""
    loaded: list[str] = field(default_factory=list)
    """Every name that vLLM was told to load and did."""
    statuses: list[tuple[str, int]] = field(default_factory=list)
    """Path and vLLM's status of each request."""
    first: Path | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pass_on(self, method: str, path: str, body: bytes) -> httpx.Response:
        with self.lock:
            given: dict[str, Any] = json.loads(body) if body else {}
            if path == LOAD:
                self._put_first(Path(given["lora_path"]))
            if path == COMPLETIONS and self.num_forgets:
                self.num_forgets -= 1
                self._send("POST", UNLOAD, json.dumps({"lora_name": given["model"]}).encode())
        answer = self._send(method, path, body)
        self.statuses.append((path, answer.status_code))
        if path == LOAD and answer.status_code == 200:
            self.loaded.append(given["lora_name"])
        return answer

    def _put_first(self, folder: Path) -> None:
        if not self.never_publishes:
            return
        if self.first is None:
            # The trainer deletes a folder when its adapter is unloaded.
            self.first = Path(shutil.copytree(folder, folder.with_name(f".first-{folder.name}")))
        shutil.copytree(self.first, folder, dirs_exist_ok=True)

    def _send(self, method: str, path: str, body: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return httpx.request(method, self.upstream + path, content=body, headers=headers, timeout=600)


class RelayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay: Relay

    def do_GET(self) -> None:
        self._answer(self.relay.pass_on("GET", self.path, b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer(self.relay.pass_on("POST", self.path, body))

    def _answer(self, answer: httpx.Response) -> None:
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def relaying(upstream: str) -> Iterator[Relay]:
    """Yield a relay to a server, on a port of its own."""
    relay = Relay(upstream)
    server = Server(("127.0.0.1", 0), type("Bound", (RelayHandler,), {"relay": relay}))
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    with listening(server):
        yield relay
