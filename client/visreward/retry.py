"""When to send again: pure decisions, without a clock, a sleep or a socket of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from visreward.errors import NoAnswerError, RewardError, ServiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long one request is tried."""

    max_attempts: int = 10
    """Sends in all; 1 never sends again."""
    max_total_seconds: float = 300.0
    """From the first send to the last answer, waits included."""
    base_seconds: float = 0.5
    """Upper end of the first wait; it doubles with every attempt."""
    max_backoff_seconds: float = 30.0
    """Upper end of any wait that the service did not ask for."""

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        if not (self.max_total_seconds > 0 and self.base_seconds >= 0 and self.max_backoff_seconds >= 0):
            raise ValueError("the seconds of a RetryPolicy must not be negative, and max_total_seconds not 0")


NEVER = RetryPolicy(max_attempts=1)
"""One attempt, no second."""


def is_retryable(error: RewardError) -> bool:
    """Whether the same request can succeed later without being changed."""
    if isinstance(error, ServiceError):
        return error.retryable
    return isinstance(error, NoAnswerError)


def next_wait(
    error: RewardError,
    policy: RetryPolicy,
    *,
    attempt: int,
    elapsed_seconds: float,
    draw: Callable[[], float],
) -> float | None:
    """Return the seconds to wait before the next send, or None where there is none.

    Full jitter: a uniform part of an exponentially growing span, so that clients refused together do not
    come back together. The service's own hint is a lower bound, with the jitter on top.

    Parameters
    ----------
    attempt:
        Sends so far, from 1.
    draw:
        Gives a number from [0, 1).
    """
    if not is_retryable(error) or attempt >= policy.max_attempts:
        return None
    span_seconds = min(policy.max_backoff_seconds, policy.base_seconds * 2.0 ** min(attempt - 1, 60))
    hint_seconds = error.retry_after_seconds if isinstance(error, ServiceError) else None
    wait_seconds = (hint_seconds or 0.0) + draw() * span_seconds
    remaining_seconds = policy.max_total_seconds - elapsed_seconds
    return wait_seconds if wait_seconds < remaining_seconds else None


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None where it is absent or unreadable.

    Both forms of RFC 9110 section 10.2.3 are read: a number of seconds, and an HTTP date (a past one is 0).
    `now` carries a time zone.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _seconds_until(header, now)
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
