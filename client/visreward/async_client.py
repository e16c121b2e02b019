"""The client for an event loop: `RewardClient` with `await`, over the same pure core."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
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


class AsyncRewardClient:
    """A client for one event loop; parameters, results and errors are those of `RewardClient`.

    Many calls may run at once: together they keep at most `max_concurrency` requests in flight.
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
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        urls = choose_urls(url, http_client)
        over_grpc = grpc_urls(urls) if transport is None else []
        mounts: dict[str, httpx.AsyncBaseTransport] = {}
        if over_grpc:
            from visreward.grpc_transport import AsyncGrpcTransport

            mounts = {to_http(one): AsyncGrpcTransport.open(one, tls) for one in over_grpc}
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
        self._http = http_client or httpx.AsyncClient(
            transport=transport,
            mounts=mounts,
            limits=self._core.connections(),
            verify=True if tls is None else tls.context(),
        )
        self._turns = asyncio.Semaphore(max_concurrency)

    async def score(
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
        """Score items and return their rewards in the same order; see `RewardClient.score`.

        Images are read and encoded in a thread, so that the loop stays free.
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
        plan = await asyncio.to_thread(self._core.plan, items, query, await self.limits())
        with show_progress(plan.prepared.num_items, enabled=progress) as advance:
            advance(plan.num_unsent)
            answers = await self._score_all(plan, advance)
        return plan.finish(answers)

    async def limits(self) -> Limits:
        """Return the bounds of one request: the constructor's, else the service's, fetched once."""
        if self._limits is None:
            self._limits = read_limits(await self._get("/limits"))
        return self._limits

    async def recipes(self) -> Any:
        """Return what the service says of its recipes."""
        return read_value(await self._get("/recipes"))

    async def recipe(self, name: str) -> Any:
        """Return what the service says of one recipe; raise UnknownNameError where it has no such recipe."""
        return read_value(await self._get(f"/recipes/{quote(name)}"))

    async def models(self) -> Any:
        """Return what the service says of its models."""
        return read_value(await self._get("/models"))

    async def ready(self) -> bool:
        """Whether a server would score now; False where all are starting, draining or not there."""
        try:
            await self._get("/readyz", NEVER)
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
        race: Race[Answered] = Race(len(plan.chunks), self._hedging)
        routes = [self._core.route(plan, number) for number in range(len(plan.chunks))]
        running: dict[asyncio.Task[Answered], int] = {}

        def launch(number: int, route: Route) -> None:
            race.launch(number)
            running[asyncio.create_task(self._score(plan, number, route, race))] = number

        try:
            for number, route in enumerate(routes):
                launch(number, route)
            while not race.is_over:
                done, _ = await asyncio.wait(
                    running, timeout=race.patience_seconds(), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    number = running.pop(task)
                    if self._settle(race, number, task):
                        advance(len(plan.chunks[number].items))
                        for other in [other for other, its in running.items() if its == number]:
                            other.cancel()
                for number in race.stragglers():
                    if (again := self._core.detour(plan, number, routes[number])) is not None:
                        launch(number, again)
            return race.answers
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _settle(self, race: Race[Answered], number: int, task: asyncio.Task[Answered]) -> bool:
        """Take what came of a request; return whether it is its first answer. Raise where it has failed."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return race.answer(number, task.result())
        if race.fail(number):
            raise error
        return False

    async def _score(self, plan: Plan, number: int, route: Route, race: Race[Answered]) -> Answered:
        # The turn is taken before the body is put together: only requests in flight hold one.
        async with self._turns:
            race.begin(number)
            attempt = scoring(self._core, plan, plan.chunks[number])
            return await self._run(exchange(attempt, self._core.retry, route))

    async def _get(self, path: str, retry: RetryPolicy | None = None) -> httpx.Response:
        attempt = sending(self._core.get(path))
        return await self._run(exchange(attempt, retry or self._core.retry, self._core.anywhere()))

    async def _run(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            outcome = await self._do(step)

    async def _do(self, step: Send | Wait) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.request(
                step.call.method,
                step.server.url + step.call.path,
                headers=step.call.headers,
                content=step.call.content,
                timeout=self._core.timeout(step.timeout_seconds),
            )
        except httpx.HTTPError as error:
            return error
