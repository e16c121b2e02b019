"""The blocking client.

It owns sending and waiting, nothing else: what is sent, retried and made of the answers stands in `core`,
`exchange` and `result`, once for this client and the one in `async_client`.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from visreward.access import Tls, authorized
from visreward.answers import read_value
from visreward.codec import Encoding
from visreward.compression import Compression
from visreward.core import (
    MAX_CONCURRENCY,
    TIMEOUT_SECONDS,
    Core,
    Plan,
    build_query,
    choose_urls,
    grpc_urls,
    read_limits,
    to_http,
)
from visreward.errors import NoAnswerError, ServiceError
from visreward.exchange import Outcome, Route, Send, Steps, Wait, exchange, sending
from visreward.hedging import Hedging, Race
from visreward.items import ItemLike
from visreward.progress import Advance, show_progress
from visreward.protocol import Limits, RewardSpec
from visreward.result import Answered, OnItemError, ScoreResult
from visreward.retry import NEVER, RetryPolicy
from visreward.scoring import scoring
from visreward.servers import Servers

T = TypeVar("T")

PIECE_BYTES = 2**18
"""Of a body, given to a connection at a time."""


class RewardClient:
    """A blocking client; one instance may be shared by threads, and keeps its connections open.

    Parameters
    ----------
    url:
        Where the service is; else the environment's `VISREWARD_URL`, else `http://127.0.0.1:8000`.
        `grpc://host:port` speaks gRPC, `grpcs://` over TLS, with the extra grpc installed. Several servers,
        as a list or with commas between them, share the work.
    timeout_seconds:
        How long one attempt may stay without an answer.
    retry:
        How often and how long a request is tried again.
    max_concurrency:
        Requests in flight at once, and connections kept.
    hedging:
        When the last requests of a large call are sent to a second server too; None for never.
    limits:
        Bounds for one request; None fetches the service's own, once, when they are first needed.
    encoding:
        `"msgpack"` (raw image bytes) or `"json"` (base64).
    compression:
        `"zstd"` packs bodies and asks for packed answers, with the extra zstd installed. HTTP's alone.
    headers:
        Sent with every request, for a gateway that wants some.
    api_key:
        The key that the service knows this client by; else the environment's `VISREWARD_API_KEY`.
    tls:
        Certificates, where the system's roots are not enough or the service asks for the client's.
    transport, http_client:
        httpx's own seams. A client that is passed in keeps its settings and is left open by `close`.
    """

    def __init__(
        self,
        *,
        url: str | Sequence[str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        max_concurrency: int = MAX_CONCURRENCY,
        hedging: Hedging | None = None,
        limits: Limits | None = None,
        encoding: Encoding = "msgpack",
        compression: Compression | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        tls: Tls | None = None,
        transport: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        urls = choose_urls(url, http_client)
        over_grpc = grpc_urls(urls) if transport is None else []
        mounts: dict[str, httpx.BaseTransport] = {}
        if over_grpc:
            from visreward.grpc_transport import GrpcTransport

            mounts = {to_http(one): GrpcTransport.open(one, tls) for one in over_grpc}
            if len(over_grpc) == len(urls):
                transport = mounts.popitem()[1]
        self._core = Core(
            servers=Servers([to_http(one) for one in urls]),
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            encoding=encoding,
            compression=compression,
            max_concurrency=max_concurrency,
            headers=authorized(headers, api_key),
        )
        self._limits = limits
        self._hedging = hedging
        self._owns_http = http_client is None
        self._http = http_client or httpx.Client(
            transport=transport,
            mounts=mounts,
            limits=self._core.connections(),
            verify=True if tls is None else tls.context(),
        )

    def score(
        self,
        items: Iterable[ItemLike],
        *,
        recipe: str | None = None,
        terms: Mapping[str, Mapping[str, Any]] | None = None,
        reward: str | RewardSpec | None = None,
        extract: Mapping[str, Any] | None = None,
        group: Mapping[str, Mapping[str, Any]] | None = None,
        deadline_seconds: float | None = None,
        details: bool = True,
        on_item_error: OnItemError = "raise",
        progress: bool = False,
    ) -> ScoreResult:
        """Score items and return their rewards in the same order.

        Parameters
        ----------
        items:
            Dicts with the wire's fields, `ItemInput` or `protocol.Item`. `images` may hold paths, encoded
            bytes, Pillow images and digests of images that the service holds. An item without an id gets one.
        recipe:
            Name of a recipe that the service has loaded.
        terms, reward, extract, group:
            A recipe written inline, in the place of `recipe`.
        deadline_seconds:
            For each request: what is not scored by then comes back as an error.
        details:
            False leaves the items' details out of the answer.
        on_item_error:
            `"raise"` raises ItemError with the whole result attached, `"mask"` gives None for a failed item,
            a number stands in for it.
        progress:
            Show a bar on stderr.

        Raises
        ------
        ItemError
            Under `"raise"`, where an item could not be scored.
        RewardError
            Another of the tree in `visreward.errors`, where a whole request failed.
        """
        query = build_query(
            recipe=recipe,
            terms=terms,
            reward=reward,
            extract=extract,
            group=group,
            deadline_seconds=deadline_seconds,
            details=details,
            on_item_error=on_item_error,
        )
        plan = self._core.plan(items, query, self.limits())
        with show_progress(plan.prepared.num_items, enabled=progress) as advance:
            advance(plan.num_unsent)
            answers = self._score_all(plan, advance)
        return plan.finish(answers)

    def limits(self) -> Limits:
        """Return the bounds of one request: the constructor's, else the service's, fetched once."""
        if self._limits is None:
            self._limits = read_limits(self._get("/limits"))
        return self._limits

    def recipes(self) -> Any:
        """Return what the service says of its recipes."""
        return read_value(self._get("/recipes"))

    def recipe(self, name: str) -> Any:
        """Return what the service says of one recipe; raise UnknownNameError where it has no such recipe."""
        return read_value(self._get(f"/recipes/{quote(name)}"))

    def models(self) -> Any:
        """Return what the service says of its models."""
        return read_value(self._get("/models"))

    def ready(self) -> bool:
        """Whether a server would score now; False where all are starting, draining or not there."""
        try:
            self._get("/readyz", NEVER)
        except (NoAnswerError, ServiceError):
            return False
        return True

    def close(self) -> None:
        """Close the connections that this client opened."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _score_all(self, plan: Plan, advance: Advance) -> list[Answered]:
        race: Race[Answered] = Race(len(plan.chunks), self._hedging)
        routes = [self._core.route(plan, number) for number in range(len(plan.chunks))]
        stops = [threading.Event() for _ in routes]

        def score(number: int, route: Route) -> Answered:
            race.begin(number)
            attempt = scoring(self._core, plan, plan.chunks[number])
            return self._run(exchange(attempt, self._core.retry, route), stops[number])

        if len(routes) <= 1:
            answers = [score(number, route) for number, route in enumerate(routes)]
            advance(sum(len(chunk.items) for chunk in plan.chunks))
            return answers
        pool = ThreadPoolExecutor(self._core.max_concurrency, thread_name_prefix="visreward")
        running: dict[Future[Answered], int] = {}

        def launch(number: int, route: Route) -> None:
            race.launch(number)
            running[pool.submit(score, number, route)] = number

        try:
            for number, route in enumerate(routes):
                launch(number, route)
            while not race.is_over:
                done, _ = wait(running, race.patience_seconds(), FIRST_COMPLETED)
                for future in done:
                    number = running.pop(future)
                    if self._settle(race, number, future):
                        stops[number].set()
                        advance(len(plan.chunks[number].items))
                for number in race.stragglers():
                    if (again := self._core.detour(plan, number, routes[number])) is not None:
                        launch(number, again)
            return race.answers
        finally:
            for stop in stops:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _settle(self, race: Race[Answered], number: int, future: Future[Answered]) -> bool:
        """Take what came of a request; return whether it is its first answer. Raise where it has failed."""
        error = future.exception()
        if error is None:
            return race.answer(number, future.result())
        if race.fail(number):
            raise error
        return False

    def _get(self, path: str, retry: RetryPolicy | None = None) -> httpx.Response:
        steps = exchange(sending(self._core.get(path)), retry or self._core.retry, self._core.anywhere())
        return self._run(steps, threading.Event())

    def _run(self, steps: Steps[T], stop: threading.Event) -> T:
        """Drive one exchange; `stop` cuts its waits short where its answer is wanted no more."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            outcome = self._do(step, stop)

    def _do(self, step: Send | Wait, stop: threading.Event) -> Outcome:
        if isinstance(step, Wait):
            if stop.wait(step.seconds):
                raise _AbandonedError
            return None
        request = self._http.build_request(
            step.call.method,
            step.server.url + step.call.path,
            headers=step.call.headers,
            content=step.call.content,
            timeout=self._core.timeout(step.timeout_seconds),
        )
        if step.call.content is not None:
            request.stream = Pieces(step.call.content)
        try:
            return self._http.send(request)
        except httpx.HTTPError as error:
            return error


class Pieces(httpx.ByteStream):
    """A body that goes out piece by piece.

    httpx's blocking transport copies what is left of a piece after every write of the socket.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), PIECE_BYTES):
            yield self._content[start : start + PIECE_BYTES]


class _AbandonedError(Exception):
    """A wait was cut short because its call has failed, or has the answer from elsewhere."""
