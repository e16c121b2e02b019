"""The blocking client.

It owns sending and waiting, nothing else: what is sent, retried and made of the answers stands in `core`,
`exchange` and `result`, once for this client and the one in `async_client`.
"""

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from visreward.answers import read_value
from visreward.codec import Encoding
from visreward.core import (
    MAX_CONCURRENCY,
    TIMEOUT_SECONDS,
    Core,
    Plan,
    blame,
    build_query,
    choose_url,
    grpc_target,
    read_limits,
)
from visreward.errors import NoAnswerError, ServiceError
from visreward.exchange import Call, Outcome, Send, Wait, exchange
from visreward.items import ItemLike
from visreward.progress import Advance, show_progress
from visreward.protocol import Limits, RewardSpec
from visreward.result import Answered, OnItemError, ScoreResult
from visreward.retry import NEVER, RetryPolicy
from visreward.split import Chunk


class RewardClient:
    """A blocking client; one instance may be shared by threads, and keeps its connections open.

    Parameters
    ----------
    url:
        Where the service is; else the environment's `VISREWARD_URL`, else `http://127.0.0.1:8000`.
        `grpc://host:port` speaks gRPC, with the extra grpc installed.
    timeout_seconds:
        How long one attempt may stay without an answer.
    retry:
        How often and how long a request is tried again.
    max_concurrency:
        Requests in flight at once, and connections kept.
    limits:
        Bounds for one request; None fetches the service's own, once, when they are first needed.
    encoding:
        `"msgpack"` (raw image bytes) or `"json"` (base64).
    headers:
        Sent with every request, for a gateway that wants some.
    transport, http_client:
        httpx's own seams. A client that is passed in keeps its settings and is left open by `close`.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        max_concurrency: int = MAX_CONCURRENCY,
        limits: Limits | None = None,
        encoding: Encoding = "msgpack",
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        chosen = choose_url(url, http_client)
        target = grpc_target(chosen)
        if target is not None and transport is None:
            from visreward.grpc_transport import GrpcTransport

            transport = GrpcTransport(target)
        self._core = Core(
            url=chosen if target is None else f"http://{target}",
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            encoding=encoding,
            max_concurrency=max_concurrency,
            headers=headers or {},
        )
        self._limits = limits
        self._owns_http = http_client is None
        self._http = http_client or httpx.Client(transport=transport, limits=self._core.connections())

    def score(
        self,
        items: Iterable[ItemLike],
        *,
        recipe: str | None = None,
        terms: Mapping[str, Mapping[str, Any]] | None = None,
        reward: str | RewardSpec | None = None,
        extract: Mapping[str, Any] | None = None,
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
        terms, reward, extract:
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
            self._limits = read_limits(self._send(self._core.get("/limits")))
        return self._limits

    def recipes(self) -> Any:
        """Return what the service says of its recipes."""
        return read_value(self._send(self._core.get("/recipes")))

    def recipe(self, name: str) -> Any:
        """Return what the service says of one recipe; raise UnknownNameError where it has no such recipe."""
        return read_value(self._send(self._core.get(f"/recipes/{quote(name)}")))

    def models(self) -> Any:
        """Return what the service says of its models."""
        return read_value(self._send(self._core.get("/models")))

    def ready(self) -> bool:
        """Whether the service would score now; False where it is starting, draining or not there."""
        try:
            self._send(self._core.get("/readyz"), NEVER)
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
        stop = threading.Event()

        def score(chunk: Chunk) -> Answered:
            try:
                answered = plan.read(chunk, self._send(self._core.score(plan, chunk), stop=stop))
            except BaseException as error:
                stop.set()
                if isinstance(error, ServiceError):
                    blame(error, chunk)
                raise
            advance(len(chunk.items))
            return answered

        if len(plan.chunks) <= 1:
            return [score(chunk) for chunk in plan.chunks]
        pool = ThreadPoolExecutor(self._core.max_concurrency, thread_name_prefix="visreward")
        try:
            return _collect([pool.submit(score, chunk) for chunk in plan.chunks])
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _send(
        self, call: Call, retry: RetryPolicy | None = None, *, stop: threading.Event | None = None
    ) -> httpx.Response:
        """Drive one exchange; `stop` cuts its waits short where another request of the call has failed."""
        steps = exchange(call, retry or self._core.retry)
        stop = stop or threading.Event()
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: httpx.Response = done.value
                return answer
            outcome = self._do(step, stop)

    def _do(self, step: Send | Wait, stop: threading.Event) -> Outcome:
        if isinstance(step, Wait):
            if stop.wait(step.seconds):
                raise _AbandonedError
            return None
        try:
            return self._http.request(
                step.call.method,
                self._core.url + step.call.path,
                headers=step.call.headers,
                content=step.call.content,
                timeout=self._core.timeout(step.timeout_seconds),
            )
        except httpx.HTTPError as error:
            return error


class _AbandonedError(Exception):
    """A wait was cut short because another request of the same call had failed."""


def _collect(futures: list[Future[Answered]]) -> list[Answered]:
    """Return all answers in order; raise the failure that came first, not what it caused in the others."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    errors = [error for future in done if (error := future.exception()) is not None]
    if errors:
        raise min(errors, key=lambda error: isinstance(error, _AbandonedError))
    return [future.result() for future in futures]
