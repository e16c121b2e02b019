"""What a script has in hand in a trainer's environment: a label, completions, bare packages, dead services.

It runs beside the client alone; the service's side of it comes through the environment.
"""

import base64
import importlib.util
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from PIL import Image

MATERIAL: dict[str, Any] = json.loads(os.environ["MATERIAL"])
LABEL, LOST, GOOD, CUT = (MATERIAL[name] for name in ("label", "lost", "good", "cut"))
"""A label whose image the service holds, one whose image it lacks; a completion, and the beginning of it."""
EXPECTED: tuple[float, float] = (MATERIAL["good_reward"], MATERIAL["cut_reward"])
"""What the service gives the two completions on the image."""
URL = os.environ["VISREWARD_URL"]
DEAD = "http://127.0.0.1:9"
RECIPE = "clipscore"
COLUMNS = {"failed", "clip", "clip_applies"}
"""What the recipe's parts are in a trainer's metrics."""


class Slow(BaseHTTPRequestHandler):
    """Tells what the service tells of itself, and never answers a request to score."""

    def do_GET(self) -> None:
        told = httpx.get(URL + self.path).content
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_POST(self) -> None:
        threading.Event().wait()

    def log_message(self, *told: object) -> None:
        """Say nothing."""


_slow = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
_slow.daemon_threads = True
threading.Thread(target=_slow.serve_forever, daemon=True).start()
SLOW = f"http://127.0.0.1:{_slow.server_port}"
GONE: dict[str, dict[str, Any]] = {
    "dead service": {"url": DEAD, "patience_seconds": 0.2},
    "slow service": {"url": SLOW, "patience_seconds": 1.0, "timeout_seconds": 0.5},
}
"""Settings of an adapter whose service does not answer."""
MISSING = ("ItemError",)
UNREACHED = ("ConnectionFailedError", "AnswerTimeoutError")
"""What the client raises for an item without a reward, and for a service that does not answer."""


def picture() -> Image.Image:
    """Return the image of `LABEL` anew, as a trainer hands one to every sibling."""
    return Image.open(io.BytesIO(base64.b64decode(MATERIAL["image"]))).copy()


def spoilt_picture() -> dict[str, Any]:
    """Return bytes that are no image, as a data set may hold them."""
    return {"bytes": b"\x89PNG\r\n\x1a\nand no more", "path": None}


def register_bare(*names: str) -> None:
    """Register packages by their folders, without running an `__init__` that loads a whole trainer."""
    for name in names:
        parent, _, leaf = name.rpartition(".")
        if parent:
            folder = Path(sys.modules[parent].__path__[0]) / leaf
        else:
            spec = importlib.util.find_spec(name)
            if spec is None or not spec.submodule_search_locations:
                raise SystemExit(f"{name} is not installed")
            folder = Path(spec.submodule_search_locations[0])
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module


def check(name: str, good: float, cut: float) -> None:
    """Check that the rewards are the service's for this image and these completions."""
    for found, expected in zip((good, cut), EXPECTED):
        if not abs(found - expected) < 1e-5:
            raise SystemExit(f"{name}: {good} and {cut} in the place of {EXPECTED}")
    sys.stdout.write(f"{name}: {good:.4f}, {cut:.4f}\n")


def check_raises(name: str, call: Callable[[], object], kinds: tuple[str, ...]) -> None:
    """Check that a call raises an error of one of the kinds, or one that quotes it, and gives no number."""
    try:
        value = call()
    except Exception as error:
        said = f"{type(error).__name__}: {error} {error.__cause__!r}"
        found = [kind for kind in kinds if kind in said]
        if not found:
            raise
        sys.stdout.write(f"{name}: {type(error).__name__}, {found[0]}\n")
    else:
        raise SystemExit(f"{name}: {value} in the place of an error")


def check_gone(call: Callable[[dict[str, Any]], object]) -> None:
    """Check that a call raises where the service is dead, and where it never answers."""
    for name, settings in GONE.items():
        check_raises(name, lambda settings=settings: call(settings), UNREACHED)  # type: ignore[misc]
