"""Stands between the trainer and vLLM: it passes everything on, notes what is asked, and may interfere with
adapters."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.listening import Handler, bind, listening

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


class RelayHandler(Handler):
    relay: Relay

    def respond(self, body: bytes | None) -> None:
        answer = self.relay.pass_on(self.command, self.path, body or b"")
        kind = answer.headers.get("content-type", "text/plain")
        self.answer(answer.status_code, answer.content, {"content-type": kind})


@contextmanager
def relaying(upstream: str) -> Iterator[Relay]:
    """Yield a relay to a server, on a port of its own."""
    relay = Relay(upstream)
    server = bind(RelayHandler, relay=relay)
    relay.url = server.url
    with listening(server):
        yield relay
