"""A reward service small enough to be read: real sockets, the wire's own models, a reward that is a length.

It answers `POST /score` with the number of characters of each completion, refuses what is over its limits,
and can be told to fail first, so that the client is tested over HTTP and against both bodies of the wire.
"""

import base64
import hashlib
import json
import ssl
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack
from pydantic import ValidationError

from tests.listening import Handler, bind, listening
from visreward.protocol import MEANINGS, Code, ErrorBody, Item, Limits

MSGPACK = "application/msgpack"
RECIPES = [{"name": "lengths", "paper": None, "summary": "Characters.", "needs": ["completion"]}]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer that is given in the place of the next one. Without a status the connection is cut."""

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, code: Code, *, headers: Mapping[str, str] | None = None, **fields: Any) -> "Fault":
        """Return the wire's own answer for a code."""
        meaning = MEANINGS[code]
        error = ErrorBody(code=code, message=meaning.summary, retryable=meaning.retryable, **fields)
        body = json.dumps({"error": error.model_dump(mode="json")}).encode()
        return cls(
            status=meaning.http, body=body, headers={"content-type": "application/json", **(headers or {})}
        )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    num_bytes: int
    body: Any
    connection: int
    """Port of the client's end: the same for requests on one connection."""


@dataclass
class SmallService:
    """What the handler knows, and what tests ask and set."""

    limits: Limits = field(default_factory=Limits)
    faults: deque[Fault] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    delay_seconds: float = 0.0
    meeting: threading.Barrier | None = None
    """Where set, requests to score are answered when so many are in flight."""
    broken_groups: frozenset[str] = frozenset()
    store: dict[str, str | None] = field(default_factory=dict)
    """Images that came with earlier requests, by digest."""
    is_forgetful: bool = False
    """Where set, nothing is kept for later requests."""
    num_held: int = 0
    """So many requests to score wait for `hold` before they are answered."""
    hold: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    in_flight: int = 0
    max_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def num_uploads(self) -> int:
        """Images that came with requests to score."""
        return sum(len(seen.body["images"]) for seen in self.scored)

    @property
    def scored(self) -> list[Seen]:
        """The requests to score, faults included."""
        return [seen for seen in self.seen if seen.path == "/score"]

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/score":
            return self.score(body)
        if path == "/images/missing":
            return 200, {"digests": [digest for digest in body["digests"] if digest not in self.store]}
        pages: dict[str, Any] = {
            "/limits": self.limits.model_dump(mode="json"),
            "/recipes": RECIPES,
            "/recipes/lengths": RECIPES[0],
            "/models": [{"name": "clip", "revision": "r1"}],
            "/readyz": {"status": "ready"},
        }
        return (200, pages[path]) if path in pages else refuse(Code.NOT_FOUND, "no such path")

    def score(self, request: dict[str, Any]) -> tuple[int, Any]:
        if request.get("recipe", "inline") not in ("lengths", "inline"):
            return refuse(Code.UNKNOWN_RECIPE, "no such recipe", field="recipe", nearest=["lengths"])
        images, items = request["images"], request["items"]
        if len(items) > self.limits.max_items or len(images) > self.limits.max_images:
            return refuse(Code.REQUEST_TOO_LARGE, "over a limit", field="items")
        held = dict(self.store)
        for place, image in enumerate(images):
            data = base64.b64decode(image["data"]) if isinstance(image["data"], str) else image["data"]
            assert hashlib.sha256(data).hexdigest() == image["digest"]
            held[image["digest"]] = f"images[{place}].data" if data.startswith(b"broken") else None
        if not self.is_forgetful:
            self.store |= {digest: fault for digest, fault in held.items() if fault is None}
        named = dict.fromkeys(digest for item in items for digest in item.get("images", []))
        results = [self.score_item(item, index, held) for index, item in enumerate(items)]
        return 200, {
            "request_id": "small",
            "recipe": request.get("recipe", "inline"),
            "items": results,
            "groups": summarise(items, results),
            "timings_ms": {"total": 1.5},
            "work": {
                "images_asked": sum(len(i.get("images", [])) for i in items),
                "images_encoded": len(named),
            },
            "cache": {"hits": 1, "misses": 2},
            "models": {"clip": "r1"},
            "missing_images": [digest for digest in named if digest not in held],
        }

    def score_item(self, item: dict[str, Any], index: int, held: Mapping[str, str | None]) -> dict[str, Any]:
        try:
            known = Item.model_validate(item)
        except ValidationError as error:
            place = ".".join(str(step) for step in error.errors()[0]["loc"])
            return fail(item.get("id"), Code.INVALID_ITEM, f"items[{index}].{place}")
        missing = [place for place, digest in enumerate(known.images) if digest not in held]
        if missing:
            return fail(known.id, Code.IMAGE_MISSING, f"items[{index}].images[{missing[0]}]")
        broken = [held[digest] for digest in known.images if held[digest] is not None]
        if broken:
            return fail(known.id, Code.IMAGE_INVALID, str(broken[0]))
        if known.group in self.broken_groups:
            return fail(known.id, Code.MODEL_FAILED, f"items[{index}]")
        return {
            "id": known.id,
            "reward": float(len(known.completion)),
            "parts": {},
            "details": {},
            "error": None,
        }


def fail(item_id: Any, code: Code, place: str) -> dict[str, Any]:
    error = ErrorBody(code=code, message=MEANINGS[code].summary, field=place)
    readable = item_id if isinstance(item_id, str) else None
    return {
        "id": readable,
        "reward": None,
        "parts": {},
        "details": {},
        "error": error.model_dump(mode="json"),
    }


def refuse(code: Code, message: str, **fields: Any) -> tuple[int, Any]:
    error = ErrorBody(code=code, message=message, retryable=MEANINGS[code].retryable, **fields)
    return MEANINGS[code].http, {"error": error.model_dump(mode="json")}


def summarise(items: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, list[float | None]] = {}
    for item, result in zip(items, results, strict=True):
        if item.get("group") is not None:
            groups.setdefault(item["group"], []).append(result["reward"])
    found = []
    for group, rewards in groups.items():
        scored = [reward for reward in rewards if reward is not None]
        found.append(
            {
                "group": group,
                "num_items": len(rewards),
                "num_scored": len(scored),
                "mean": statistics.fmean(scored) if scored else None,
                "std": statistics.pstdev(scored) if scored else None,
                "tied": len(scored) > 1 and len(set(scored)) == 1,
            }
        )
    return found


class ServiceHandler(Handler):
    service: SmallService

    def respond(self, body: bytes | None) -> None:
        if body is None:
            self.handle_call(None)
        else:
            is_msgpack = self.headers["content-type"] == MSGPACK
            self.handle_call(msgpack.unpackb(body) if is_msgpack else json.loads(body), len(body))

    def handle_call(self, body: Any, num_bytes: int = 0) -> None:
        service = self.service
        seen = Seen(
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            num_bytes=num_bytes,
            body=body,
            connection=self.client_address[1],
        )
        with service.lock:
            service.seen.append(seen)
            service.in_flight += 1
            service.max_in_flight = max(service.max_in_flight, service.in_flight)
            is_probe = self.path == "/limits"
            is_held = self.path == "/score" and service.num_held > 0
            service.num_held -= is_held
            fault = service.faults.popleft() if service.faults and not is_probe else None
        if service.meeting is not None and self.path == "/score":
            service.meeting.wait(timeout=20)
        time.sleep(service.delay_seconds)
        if is_held:
            service.hold.wait(timeout=20)
        # Counted down before the answer is sent: its reader may send the next request at once.
        with service.lock:
            service.in_flight -= 1
        if fault is None:
            self.send_value(*service.answer(self.path, body))
        elif fault.status is None:
            self.close_connection = True
        else:
            self.send_bytes(fault.status, fault.body, fault.headers)

    def send_value(self, status: int, value: Any) -> None:
        wants_msgpack = self.headers.get("accept") == MSGPACK
        raw = msgpack.packb(value) if wants_msgpack else json.dumps(value).encode()
        self.send_bytes(status, raw, {"content-type": MSGPACK if wants_msgpack else "application/json"})

    def send_bytes(self, status: int, raw: bytes, headers: Mapping[str, str]) -> None:
        request_id = self.headers.get("x-request-id", "none")
        self.answer(status, raw, {"x-request-id": request_id, **headers})


@contextmanager
def running_service(encryption: ssl.SSLContext | None = None, **settings: Any) -> Iterator[SmallService]:
    """Yield a service that listens on a port of its own, encrypted where it is told how."""
    service = SmallService(**settings)
    server = bind(ServiceHandler, service=service)
    if encryption is not None:
        server.socket = encryption.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    service.url = server.url if encryption is None else server.url.replace("http", "https")
    with listening(server):
        yield service
