"""One piece of work with its retries, as a generator that does no I/O.

It yields what is to be done, `Send` or `Wait`, is sent what came of it, and returns the answer or raises. The
sync and the async client drive the same generator and differ only in how they send and how they wait.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import httpx

from visreward.answers import error_of
from visreward.errors import (
    AnswerTimeoutError,
    ConnectionFailedError,
    NoAnswerError,
    RewardError,
    ServiceError,
)
from visreward.retry import RetryPolicy, is_retryable, next_wait
from visreward.servers import Server, Servers

T = TypeVar("T")

PROBE_SECONDS = 5.0
"""How long a server that failed may take to say whether it is ready."""


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

    server: Server
    call: Call
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long; the generator wants None."""

    seconds: float


Outcome: TypeAlias = httpx.Response | httpx.HTTPError | None
Steps: TypeAlias = Generator[Send | Wait, Outcome, T]
Attempt: TypeAlias = Callable[[Server, float], Steps[T]]
"""Does the work with one server, within so many seconds; returns what came of it or raises a RewardError."""

NOT_TRANSIENT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)
"""Transport errors that the same request meets again."""


@dataclass(slots=True, kw_only=True)
class Route:
    """Which servers a piece of work may go to, and where it is now."""

    servers: Servers
    key: str = ""
    """Work of one key goes to one server as long as that server is there."""
    home: Server | None = None
    """The server to begin with; None leaves it to the key."""
    avoided: Server | None = None
    """A server that is asked already."""
    current: Server | None = field(default=None)
    """The server that was sent the last request."""
    probe: Call | None = None
    """Asks a server whether it is ready."""


def exchange(
    attempt: Attempt[T],
    policy: RetryPolicy,
    route: Route,
    *,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> Steps[T]:
    """Attempt the work until it is done or no retry is left; then raise the last RewardError.

    A server that fails is passed over for the next at once. Only when none is left is there a wait, after
    which all of them are tried again.
    """
    started = clock()
    for round_number in range(1, policy.max_attempts + 1):
        errors: list[RewardError] = []
        tried: set[Server] = set() if route.avoided is None else {route.avoided}
        while (server := route.servers.choose(route.key, home=route.home, tried=tried)) is not None:
            tried.add(server)
            route.current = server
            # At least a second, so that a last attempt is not cut before it can connect.
            remaining_seconds = max(1.0, policy.max_total_seconds - (clock() - started))
            try:
                return (yield from _attempt(attempt, route, server, remaining_seconds))
            except RewardError as error:
                if not is_retryable(error) or isinstance(error.__cause__, NOT_TRANSIENT):
                    raise
                errors.append(error)
            if clock() - started >= policy.max_total_seconds:
                break
        if not errors:
            raise NoAnswerError("no server is left to ask")
        # The server that is back first decides when to come back.
        first = min(errors, key=lambda error: _hint_seconds(error))
        elapsed_seconds = clock() - started
        wait_seconds = next_wait(
            first, policy, attempt=round_number, elapsed_seconds=elapsed_seconds, draw=draw
        )
        if wait_seconds is None:
            raise errors[-1]
        yield Wait(wait_seconds)
    raise AssertionError("the last round has no wait after it")


def _attempt(attempt: Attempt[T], route: Route, server: Server, seconds: float) -> Steps[T]:
    try:
        if route.probe is not None and route.servers.is_suspect(server):
            yield from send(server, route.probe, min(seconds, PROBE_SECONDS))
        done = yield from attempt(server, seconds)
    except RewardError as error:
        route.servers.note_error(server, error)
        raise
    route.servers.note_success(server)
    return done


def _hint_seconds(error: RewardError) -> float:
    return (error.retry_after_seconds or 0.0) if isinstance(error, ServiceError) else 0.0


def send(server: Server, call: Call, seconds: float) -> Steps[httpx.Response]:
    """Send a call once; return a 2xx answer, else raise a RewardError."""
    outcome = yield Send(server, call, min(call.timeout_seconds, seconds))
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        return outcome
    raise _error_of(outcome, call)


def sending(call: Call) -> Attempt[httpx.Response]:
    """Return the attempt that sends a call as it is."""
    return lambda server, seconds: send(server, call, seconds)


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
