"""The client for an event loop: `RewardClient` with `await`, over the same pure core."""

import asyncio
from collections.abc import Iterable, Mapping
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


class AsyncRewardClient:
    """A client for one event loop; parameters, results and errors are those of `RewardClient`.

    Many calls may run at once: together they keep at most `max_concurrency` requests in flight.
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
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        chosen = choose_url(url, http_client)
        target = grpc_target(chosen)
        if target is not None and transport is None:
            from visreward.grpc_transport import AsyncGrpcTransport

            transport = AsyncGrpcTransport(target)
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
        self._http = http_client or httpx.AsyncClient(transport=transport, limits=self._core.connections())
        self._turns = asyncio.Semaphore(max_concurrency)

    async def score(
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
        """Score items and return their rewards in the same order; see `RewardClient.score`.

        Images are read and encoded in a thread, so that the loop stays free.
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
        plan = await asyncio.to_thread(self._core.plan, items, query, await self.limits())
        with show_progress(plan.prepared.num_items, enabled=progress) as advance:
            advance(plan.num_unsent)
            answers = await self._score_all(plan, advance)
        return plan.finish(answers)

    async def limits(self) -> Limits:
        """Return the bounds of one request: the constructor's, else the service's, fetched once."""
        if self._limits is None:
            self._limits = read_limits(await self._send(self._core.get("/limits")))
        return self._limits

    async def recipes(self) -> Any:
        """Return what the service says of its recipes."""
        return read_value(await self._send(self._core.get("/recipes")))

    async def recipe(self, name: str) -> Any:
        """Return what the service says of one recipe; raise UnknownNameError where it has no such recipe."""
        return read_value(await self._send(self._core.get(f"/recipes/{quote(name)}")))

    async def models(self) -> Any:
        """Return what the service says of its models."""
        return read_value(await self._send(self._core.get("/models")))

    async def ready(self) -> bool:
        """Whether the service would score now; False where it is starting, draining or not there."""
        try:
            await self._send(self._core.get("/readyz"), NEVER)
        except (NoAnswerError, ServiceError):
            return False
        return True

    async def close(self) -> None:
        """Close the connections that this client opened."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _score_all(self, plan: Plan, advance: Advance) -> list[Answered]:
        tasks = [asyncio.create_task(self._score(plan, chunk, advance)) for chunk in plan.chunks]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _score(self, plan: Plan, chunk: Chunk, advance: Advance) -> Answered:
        # The turn is taken before the body is put together: only requests in flight hold one.
        async with self._turns:
            try:
                answered = plan.read(chunk, await self._send(self._core.score(plan, chunk)))
            except ServiceError as error:
                raise blame(error, chunk) from None
        advance(len(chunk.items))
        return answered

    async def _send(self, call: Call, retry: RetryPolicy | None = None) -> httpx.Response:
        steps = exchange(call, retry or self._core.retry)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: httpx.Response = done.value
                return answer
            outcome = await self._do(step)

    async def _do(self, step: Send | Wait) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.request(
                step.call.method,
                self._core.url + step.call.path,
                headers=step.call.headers,
                content=step.call.content,
                timeout=self._core.timeout(step.timeout_seconds),
            )
        except httpx.HTTPError as error:
            return error
