"""One request with its retries, as a generator that does no I/O.

It yields what is to be done, `Send` or `Wait`, is sent what came of it, and returns the answer or raises. The
sync and the async client drive the same generator and differ only in how they send and how they wait.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import httpx

from visreward.answers import error_of
from visreward.errors import AnswerTimeoutError, ConnectionFailedError, NoAnswerError, RewardError
from visreward.retry import RetryPolicy, next_wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as the core sees it."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None
    timeout_seconds: float
    """For one attempt."""
    request_id: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call once; the generator wants an `httpx.Response` with its body read, or the exception."""

    call: Call
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long; the generator wants None."""

    seconds: float


Outcome: TypeAlias = httpx.Response | httpx.HTTPError | None
Exchange: TypeAlias = Generator[Send | Wait, Outcome, httpx.Response]

NOT_TRANSIENT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)
"""Transport errors that the same request meets again."""


def exchange(
    call: Call,
    policy: RetryPolicy,
    *,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> Exchange:
    """Send until there is an answer or no retry is left; return a 2xx answer, else raise a RewardError."""
    started = clock()
    attempt = 0
    while True:
        attempt += 1
        remaining_seconds = policy.max_total_seconds - (clock() - started)
        # At least a second, so that a last attempt is not cut before it can connect.
        outcome = yield Send(call, min(call.timeout_seconds, max(1.0, remaining_seconds)))
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        error = _error_of(outcome, call)
        if isinstance(outcome, NOT_TRANSIENT):
            raise error
        wait_seconds = next_wait(error, policy, attempt=attempt, elapsed_seconds=clock() - started, draw=draw)
        if wait_seconds is None:
            raise error
        yield Wait(wait_seconds)


def _error_of(outcome: Outcome, call: Call) -> RewardError:
    if isinstance(outcome, httpx.Response):
        return error_of(outcome, request_id=call.request_id, now=datetime.now(UTC))
    error = _no_answer(outcome, call)
    error.__cause__ = outcome
    return error


def _no_answer(outcome: httpx.HTTPError | None, call: Call) -> NoAnswerError:
    reason = str(outcome) or type(outcome).__name__
    if isinstance(outcome, httpx.TimeoutException) and not isinstance(outcome, httpx.ConnectTimeout):
        message = f"no answer to {call.method} {call.path} in time ({reason})"
        return AnswerTimeoutError(message, request_id=call.request_id)
    return ConnectionFailedError(f"cannot reach the reward service: {reason}", request_id=call.request_id)
