"""The part of vLLM's HTTP API that rollouts use, with retries.

A server that is away, restarting, full or out of memory is waited for; what it refuses for good is an error
with its own words. It knows no model and no trainer.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from visreward.errors import NoAnswerError
from visreward.retry import RetryPolicy, next_wait
from visreward_trainer.config import RolloutConfig
from visreward_trainer.errors import RolloutError

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_SAID_CHARS = 500
MAX_BACKOFF_SECONDS = 15.0

OnMissing = Callable[[], Awaitable[None]]


class RefusedError(RolloutError):
    """The server refused a request for good."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RolloutServer:
    """A client of one server, for one event loop."""

    def __init__(self, config: RolloutConfig) -> None:
        self._url = (config.url or "").rstrip("/")
        self._retry = RetryPolicy(
            max_attempts=100_000,
            max_total_seconds=config.patience_seconds,
            max_backoff_seconds=MAX_BACKOFF_SECONDS,
        )
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(config.timeout_seconds, connect=10.0),
            limits=httpx.Limits(
                max_connections=config.concurrency, max_keepalive_connections=config.concurrency
            ),
        )
        self._turns = asyncio.Semaphore(config.concurrency)
        self.num_retries = 0
        """Requests sent again so far."""

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path, None, None)

    async def post(self, path: str, body: dict[str, Any], *, on_missing: OnMissing | None = None) -> Any:
        """Post a body and return the answer, or its text where it is no JSON.

        `on_missing` is called where the server says 404, as it does for a model that it does not have; the
        request is then sent again. Raises `RefusedError`, or `RolloutError` where patience ends.
        """
        return await self._ask("POST", path, body, on_missing)

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, on_missing: OnMissing | None
    ) -> Any:
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            async with self._turns:
                answer, trouble = await self._send(method, path, body)
            if answer is not None and answer.status_code < 400:
                return read(answer)
            if answer is not None and answer.status_code == 404 and on_missing is not None:
                await on_missing()
            elif answer is not None and answer.status_code not in RETRIED:
                raise RefusedError(f"{self._url}{path}: {trouble}", answer.status_code)
            wait_seconds = next_wait(
                NoAnswerError(trouble),
                self._retry,
                attempt=attempt,
                elapsed_seconds=time.monotonic() - started,
                draw=random.random,
            )
            if wait_seconds is None:
                raise RolloutError(
                    f"{self._url}{path}: no answer in {self._retry.max_total_seconds:g} s and {attempt} "
                    f"attempts; the last: {trouble}"
                )
            self.num_retries += 1
            await asyncio.sleep(wait_seconds)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[httpx.Response | None, str]:
        """Return an answer and what is wrong with it, or None and why there is none."""
        try:
            answer = await self._http.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            return None, f"{type(error).__name__}: {error}"
        return answer, f"{answer.status_code}: {answer.text[:MAX_SAID_CHARS]}"


def read(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
