"""What both clients share: settings, and building, splitting and joining requests. Sends nothing."""

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from visreward.answers import REQUEST_ID_HEADER, read_model, read_value
from visreward.codec import CODECS, Codec, Encoding
from visreward.errors import InvalidRequestError, ServiceError, UnexpectedAnswerError
from visreward.exchange import Call
from visreward.items import ItemLike, Prepared, Sendable, prepare
from visreward.protocol import Code, Limits, RewardSpec, ScoreResponse
from visreward.result import Answered, OnItemError, ScoreResult, check_policy, join, settle, to_caller_path
from visreward.retry import RetryPolicy
from visreward.split import Bounds, Chunk, split

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "VISREWARD_URL"
GRPC_SCHEME = "grpc://"
TIMEOUT_SECONDS = 120.0
MAX_CONCURRENCY = 8
CONNECT_SECONDS = 5.0
DEADLINE_MARGIN_SECONDS = 5.0
"""How much longer than its deadline a request is waited for: the service may answer just at the deadline."""


def choose_url(url: str | None, http_client: httpx.Client | httpx.AsyncClient | None) -> str:
    """Return where the service is, without a final slash.

    In order: the argument, the base URL of a client that was passed in, the environment's `VISREWARD_URL`,
    the default. Raises ValueError for anything but http, https and grpc.
    """
    given = str(http_client.base_url) if http_client is not None else ""
    chosen = url or given or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if not chosen.startswith(("http://", "https://", GRPC_SCHEME)):
        raise ValueError(f"the service's URL must start with http://, https:// or grpc://, not {chosen!r}")
    return chosen.rstrip("/")


def grpc_target(url: str) -> str | None:
    """Return the host and port of a `grpc://` URL, None for any other."""
    return url.removeprefix(GRPC_SCHEME) if url.startswith(GRPC_SCHEME) else None


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
    deadline_seconds: float | None,
    details: bool,
    on_item_error: OnItemError,
) -> Query:
    """Return the query; raise ValueError where the arguments contradict one another."""
    inline = terms is not None and reward is not None
    if (recipe is None) != inline or (recipe is not None and (terms, reward, extract) != (None, None, None)):
        raise ValueError("give either recipe=, or terms= and reward= (with extract= where terms need pieces)")
    if deadline_seconds is not None and not deadline_seconds > 0:
        raise ValueError(f"deadline_seconds must be positive, not {deadline_seconds}")
    fields = {
        "recipe": recipe,
        "extract": extract,
        "terms": terms,
        "reward": reward,
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

    url: str
    timeout_seconds: float
    retry: RetryPolicy
    encoding: Encoding
    max_concurrency: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.encoding not in CODECS:
            raise ValueError(f"encoding is one of {', '.join(CODECS)}, not {self.encoding!r}")
        if self.max_concurrency < 1:
            raise ValueError("max_concurrency must be at least 1")
        if not self.timeout_seconds > 0:
            raise ValueError("timeout_seconds must be positive")

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
        chunks, too_large = split(prepared.sendable, sizes, bounds)
        return Plan(query, prepared, chunks, too_large)

    def get(self, path: str) -> Call:
        """Return the call that fetches `path`."""
        return self._call("GET", path, CODECS["json"], None, self.timeout_seconds)

    def score(self, plan: Plan, chunk: Chunk) -> Call:
        """Return the call that scores a chunk; its body is put together here, once for all attempts."""
        images = {digest: plan.prepared.images[digest] for digest in chunk.digests}
        content = self.codec.join(plan.query.head, images, [item.encoded for item in chunk.items])
        deadline_seconds = plan.query.deadline_seconds
        patience_seconds = 0.0 if deadline_seconds is None else deadline_seconds + DEADLINE_MARGIN_SECONDS
        return self._call("POST", "/score", self.codec, content, max(self.timeout_seconds, patience_seconds))

    def _call(
        self, method: str, path: str, codec: Codec, content: bytes | None, timeout_seconds: float
    ) -> Call:
        request_id = uuid.uuid4().hex
        headers = {**self.headers, "accept": codec.content_type, REQUEST_ID_HEADER: request_id}
        if content is not None:
            headers["content-type"] = codec.content_type
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
