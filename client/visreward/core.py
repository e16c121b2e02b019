"""What both clients share: settings, and building, splitting and joining requests. Sends nothing."""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from visreward.answers import REQUEST_ID_HEADER, read_model, read_value
from visreward.codec import CODECS, Codec, Encoding
from visreward.compression import MIN_BYTES, Compression, check_compression, pack
from visreward.errors import InvalidRequestError, ServiceError, UnexpectedAnswerError
from visreward.exchange import Call, Route
from visreward.items import ItemLike, Prepared, Sendable, prepare
from visreward.protocol import Code, Limits, RewardSpec, ScoreResponse
from visreward.result import Answered, OnItemError, ScoreResult, check_policy, join, settle, to_caller_path
from visreward.retry import RetryPolicy
from visreward.servers import Server, Servers
from visreward.split import Bounds, Chunk, by_group, route_key, split

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "VISREWARD_URL"
GRPC_SCHEMES = ("grpc://", "grpcs://")
TIMEOUT_SECONDS = 120.0
MAX_CONCURRENCY = 8
CONNECT_SECONDS = 5.0
DEADLINE_MARGIN_SECONDS = 5.0
"""How much longer than its deadline a request is waited for: the service may answer just at the deadline."""


def choose_urls(
    url: str | Sequence[str] | None, http_client: httpx.Client | httpx.AsyncClient | None
) -> list[str]:
    """Return where the servers of the service are, without final slashes.

    In order: the argument, the base URL of a client that was passed in, the environment's `VISREWARD_URL`,
    the default. In a text commas stand between several. Raises ValueError for anything but http, https, grpc
    and grpcs.
    """
    given = str(http_client.base_url) if http_client is not None else ""
    chosen = url or given or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    several = chosen.split(",") if isinstance(chosen, str) else chosen
    urls = [one.strip().rstrip("/") for one in several if one.strip()]
    for one in urls:
        if not one.startswith(("http://", "https://", *GRPC_SCHEMES)):
            raise ValueError(f"a service's URL must start with http(s):// or grpc(s)://, not {one!r}")
    return urls


def grpc_urls(urls: Sequence[str]) -> list[str]:
    """Return the `grpc://` and `grpcs://` URLs."""
    return [url for url in urls if url.startswith(GRPC_SCHEMES)]


def to_http(url: str) -> str:
    """Return the URL for httpx: for a gRPC server the one that its transport is mounted at."""
    return f"http{url.removeprefix('grpc')}" if url.startswith(GRPC_SCHEMES) else url


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of every item of a call: the recipe and how to answer."""

    head: dict[str, Any]
    """The request's fields beside `images` and `items`."""
    policy: OnItemError
    deadline_seconds: float | None

    @property
    def recipe(self) -> str:
        return str(self.head.get("recipe", "inline"))


def build_query(
    *,
    recipe: str | None,
    terms: Mapping[str, Mapping[str, Any]] | None,
    reward: str | RewardSpec | None,
    extract: Mapping[str, Any] | None,
    group: Mapping[str, Mapping[str, Any]] | None,
    deadline_seconds: float | None,
    details: bool,
    on_item_error: OnItemError,
) -> Query:
    """Return the query; raise ValueError where the arguments contradict one another."""
    inline = terms is not None and reward is not None
    written = any(part is not None for part in (terms, reward, extract, group))
    if (recipe is None) != inline or (recipe is not None and written):
        raise ValueError("give either recipe=, or terms= and reward= (with extract= and group= where needed)")
    if deadline_seconds is not None and not deadline_seconds > 0:
        raise ValueError(f"deadline_seconds must be positive, not {deadline_seconds}")
    fields = {
        "recipe": recipe,
        "extract": extract,
        "terms": terms,
        "reward": reward,
        "group": group,
        "deadline_ms": None if deadline_seconds is None else max(1, round(deadline_seconds * 1000)),
        "details": details,
    }
    head = {name: value for name, value in fields.items() if value is not None}
    return Query(head=head, policy=check_policy(on_item_error), deadline_seconds=deadline_seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """A call's items laid out in requests."""

    query: Query
    prepared: Prepared
    chunks: list[Chunk]
    homes: list[Server]
    """The server that each chunk was laid out for."""
    too_large: list[Sendable]

    @property
    def num_unsent(self) -> int:
        """Items whose failure is known before anything is sent."""
        return len(self.prepared.failed) + len(self.too_large)

    def read(self, chunk: Chunk, response: httpx.Response) -> Answered:
        """Return the answer to a chunk; raise UnexpectedAnswerError where it does not answer every item."""
        scored = read_model(response, ScoreResponse)
        if len(scored.items) != len(chunk.items):
            raise UnexpectedAnswerError(
                f"{len(chunk.items)} items were sent and {len(scored.items)} answered",
                status=response.status_code,
                request_id=scored.request_id,
            )
        return Answered(chunk, scored)

    def finish(self, answers: list[Answered]) -> ScoreResult:
        """Return the call's result under the caller's policy; raise ItemError where the policy says so."""
        joined = join(self.prepared, self.too_large, answers, recipe=self.query.recipe)
        return settle(joined, self.query.policy)


def blame(error: ServiceError, chunk: Chunk) -> ServiceError:
    """Return the error with the caller's item numbers in the place of the chunk's."""
    error.field = to_caller_path(error.field, chunk)
    return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The settings of a client, and the calls that it makes."""

    servers: Servers
    timeout_seconds: float
    retry: RetryPolicy
    encoding: Encoding
    max_concurrency: int
    compression: Compression | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.encoding not in CODECS:
            raise ValueError(f"encoding is one of {', '.join(CODECS)}, not {self.encoding!r}")
        if self.max_concurrency < 1:
            raise ValueError("max_concurrency must be at least 1")
        if not self.timeout_seconds > 0:
            raise ValueError("timeout_seconds must be positive")
        check_compression(self.compression)

    @property
    def codec(self) -> Codec:
        return CODECS[self.encoding]

    def plan(self, items: Iterable[ItemLike], query: Query, limits: Limits) -> Plan:
        """Read images, encode items, lay them out in requests; raise InvalidRequestError for no items."""
        prepared = prepare(items, self.codec, max_image_bytes=limits.max_image_bytes)
        if prepared.num_items == 0:
            raise InvalidRequestError("there are no items to score", code=Code.INVALID_REQUEST, field="items")
        bounds = Bounds.of(limits, head_bytes=len(self.codec.encode(query.head)))
        sizes = {digest: self.codec.image_size(data) for digest, data in prepared.images.items()}
        plan = Plan(query, prepared, [], [], [])
        groups = by_group(prepared.sendable)
        placed = self.servers.spread([(route_key(group[0]), len(group)) for group in groups])
        for server, numbers in placed.items():
            chunks, too_large = split([item for number in numbers for item in groups[number]], sizes, bounds)
            plan.chunks.extend(chunks)
            plan.homes.extend([server] * len(chunks))
            plan.too_large.extend(too_large)
        return plan

    def route(self, plan: Plan, number: int, *, avoided: Server | None = None) -> Route:
        """Return the way of a chunk to a server; `avoided` is one that has it already."""
        return Route(
            servers=self.servers,
            key=plan.chunks[number].key,
            home=plan.homes[number],
            avoided=avoided,
            probe=self.get("/readyz"),
        )

    def detour(self, plan: Plan, number: int, taken: Route) -> Route | None:
        """Return the way of a chunk to another server than the one that has it; None where there is none."""
        if taken.current is None:
            return None
        route = self.route(plan, number, avoided=taken.current)
        other = self.servers.choose(route.key, home=route.home, tried={taken.current})
        return None if other is None else route

    def anywhere(self) -> Route:
        """Return the way of a question that any server can answer."""
        return Route(servers=self.servers, probe=self.get("/readyz"))

    def get(self, path: str) -> Call:
        """Return the call that fetches `path`."""
        return self._call("GET", path, CODECS["json"], None, self.timeout_seconds)

    def missing(self, digests: Sequence[str]) -> Call:
        """Return the call that asks which images have to be sent."""
        content = CODECS["json"].encode({"digests": digests})
        return self._call("POST", "/images/missing", CODECS["json"], content, self.timeout_seconds)

    def score(self, plan: Plan, chunk: Chunk, request_id: str) -> Call:
        """Return the call that scores a chunk and brings its images; its body is put together here."""
        images = {digest: plan.prepared.images[digest] for digest in chunk.digests}
        content = self.codec.join(plan.query.head, images, [item.encoded for item in chunk.items])
        deadline_seconds = plan.query.deadline_seconds
        patience_seconds = 0.0 if deadline_seconds is None else deadline_seconds + DEADLINE_MARGIN_SECONDS
        timeout_seconds = max(self.timeout_seconds, patience_seconds)
        return self._call("POST", "/score", self.codec, content, timeout_seconds, request_id)

    def _call(
        self,
        method: str,
        path: str,
        codec: Codec,
        content: bytes | None,
        timeout_seconds: float,
        request_id: str | None = None,
    ) -> Call:
        request_id = request_id or uuid.uuid4().hex
        headers = {**self.headers, "accept": codec.content_type, REQUEST_ID_HEADER: request_id}
        # Said in so many words: httpx asks by itself for whatever it can read.
        headers["accept-encoding"] = self.compression or "identity"
        if content is not None:
            headers["content-type"] = codec.content_type
            if self.compression is not None and len(content) >= MIN_BYTES:
                headers["content-encoding"] = self.compression
                content = pack(content)
        return Call(
            method=method,
            path=path,
            headers=headers,
            content=content,
            timeout_seconds=timeout_seconds,
            request_id=request_id,
        )

    def timeout(self, seconds: float) -> httpx.Timeout:
        """Return httpx's form of a timeout; waiting for a free connection has none, it is our own queue."""
        return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS), pool=None)

    def connections(self) -> httpx.Limits:
        """Return how many connections a client of this core keeps."""
        return httpx.Limits(
            max_connections=self.max_concurrency, max_keepalive_connections=self.max_concurrency
        )


def read_limits(response: httpx.Response) -> Limits:
    """Return the service's limits, leaving out any that this client does not know."""
    value = read_value(response)
    if not isinstance(value, dict):
        raise UnexpectedAnswerError("the answer to GET /limits is not an object", status=response.status_code)
    return Limits.model_validate(
        {name: bound for name, bound in value.items() if name in Limits.model_fields}
    )
