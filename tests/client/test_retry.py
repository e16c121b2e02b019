"""What is sent again and when: the decisions alone, then over sockets."""

import asyncio
import pickle
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.client.conftest import QUICK, Ask
from tests.client.small_service import Fault, SmallService, running_service
from visreward import (
    AnswerTimeoutError,
    AsyncRewardClient,
    ConnectionFailedError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    ItemError,
    Limits,
    NoAnswerError,
    OverloadedError,
    RequestTooLargeError,
    RetryPolicy,
    RewardClient,
    RewardError,
    ScoreResult,
    ServiceError,
    UnexpectedAnswerError,
    UnknownNameError,
)
from visreward.protocol import MEANINGS, Code
from visreward.retry import next_wait, parse_retry_after

Score = Callable[..., ScoreResult]
ITEMS = [{"completion": "four"}]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
BUSY = OverloadedError("full", code=Code.OVERLOADED, retryable=True)


def wait_for(
    error: RewardError, policy: RetryPolicy, *, attempt: int = 1, elapsed: float = 0.0, draw: float
) -> float | None:
    return next_wait(error, policy, attempt=attempt, elapsed_seconds=elapsed, draw=lambda: draw)


def test_waits_are_a_random_part_of_a_span_that_doubles_up_to_a_bound() -> None:
    policy = RetryPolicy(base_seconds=1.0, max_backoff_seconds=5.0, max_attempts=100)
    spans = [wait_for(BUSY, policy, attempt=attempt, draw=1.0) for attempt in (1, 2, 3, 4, 5, 99)]
    assert spans == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert wait_for(BUSY, policy, attempt=3, draw=0.0) == 0.0
    assert wait_for(BUSY, policy, attempt=3, draw=0.25) == 1.0


def test_the_services_hint_is_a_lower_bound_with_the_jitter_on_top() -> None:
    hinted = OverloadedError("full", retryable=True, retry_after_seconds=7.0)
    policy = RetryPolicy(base_seconds=1.0)
    assert wait_for(hinted, policy, draw=0.0) == 7.0
    assert wait_for(hinted, policy, draw=0.5) == 7.5


def test_no_wait_goes_past_the_total_time() -> None:
    policy = RetryPolicy(base_seconds=1.0, max_total_seconds=10.0)
    hinted = OverloadedError("full", retryable=True, retry_after_seconds=7.0)
    assert wait_for(hinted, policy, elapsed=2.0, draw=0.0) == 7.0
    assert wait_for(hinted, policy, elapsed=4.0, draw=0.0) is None


def test_the_last_attempt_has_no_wait_after_it() -> None:
    policy = RetryPolicy(max_attempts=3)
    assert wait_for(BUSY, policy, attempt=2, draw=0.5) is not None
    assert wait_for(BUSY, policy, attempt=3, draw=0.5) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("0", 0.0),
        ("3", 3.0),
        ("2.5", 2.5),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOON - timedelta(seconds=90), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOON) == seconds


@pytest.mark.parametrize("settings", [{"max_attempts": 0}, {"max_total_seconds": 0}, {"base_seconds": -1}])
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        RetryPolicy(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_retried_exactly_where_the_protocol_says_so(
    score: Score, service: SmallService, code: Code
) -> None:
    service.faults.append(Fault.of(code, request_id="r-1", field="items[0].prompt"))
    if MEANINGS[code].retryable:
        assert score(ITEMS).rewards == [4.0]
        assert len(service.scored) == 2
        return
    with pytest.raises(ServiceError) as caught:
        score(ITEMS)
    error = caught.value
    assert (error.code, error.request_id, error.field) == (code, "r-1", "items[0].prompt")
    assert error.status == MEANINGS[code].http
    assert len(service.scored) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_BODY, InvalidRequestError),
        (Code.INVALID_RECIPE, InvalidRequestError),
        (Code.UNKNOWN_RECIPE, UnknownNameError),
        (Code.REQUEST_TOO_LARGE, RequestTooLargeError),
        (Code.OVERLOADED, OverloadedError),
        (Code.NOT_READY, OverloadedError),
        (Code.DEADLINE_EXCEEDED, DeadlineExceededError),
        (Code.INTERNAL, InternalError),
    ],
)
def test_codes_raise_errors_of_their_own_kind(
    score: Score, service: SmallService, code: Code, kind: type[ServiceError]
) -> None:
    service.faults.extend([Fault.of(code)] * QUICK.max_attempts)
    with pytest.raises(ServiceError) as caught:
        score(ITEMS)
    assert type(caught.value) is kind


def test_an_unknown_recipe_comes_with_the_nearest_names(score: Score) -> None:
    with pytest.raises(UnknownNameError, match=r"no such recipe .*nearest: lengths") as caught:
        score(ITEMS, recipe="lenghts")
    assert caught.value.nearest == ("lengths",)
    assert caught.value.field == "recipe"
    assert caught.value.request_id


def test_a_code_of_a_newer_service_is_kept_and_obeyed(score: Score, service: SmallService) -> None:
    body = b'{"error": {"code": "brewing", "message": "still brewing", "retryable": true}}'
    fault = Fault(status=418, body=body, headers={"content-type": "application/json"})
    service.faults.append(fault)
    assert score(ITEMS).rewards == [4.0]
    service.faults.extend([fault] * QUICK.max_attempts)
    with pytest.raises(InvalidRequestError, match="still brewing") as caught:
        score(ITEMS)
    assert caught.value.code == "brewing"


def test_a_hint_is_obeyed(score: Score, service: SmallService) -> None:
    service.faults.append(Fault.of(Code.OVERLOADED, headers={"retry-after": "0.3"}))
    started = time.monotonic()
    assert score(ITEMS).rewards == [4.0]
    assert time.monotonic() - started >= 0.3


def test_a_hint_beyond_the_total_time_ends_the_call_at_once(score: Score, service: SmallService) -> None:
    service.faults.append(Fault.of(Code.OVERLOADED, headers={"retry-after": "3600"}))
    with pytest.raises(OverloadedError) as caught:
        score(ITEMS)
    assert caught.value.retry_after_seconds == 3600.0
    assert len(service.scored) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504, 408])
def test_what_a_proxy_says_in_the_services_place_is_retried(
    score: Score, service: SmallService, status: int
) -> None:
    service.faults.append(Fault(status=status, body=b"<html>", headers={"content-type": "text/html"}))
    assert score(ITEMS).rewards == [4.0]


def test_a_proxy_with_a_smaller_body_limit_is_not_asked_again(score: Score, service: SmallService) -> None:
    service.faults.append(Fault(status=413, body=b"<html>", headers={"content-type": "text/html"}))
    with pytest.raises(RequestTooLargeError):
        score(ITEMS)
    assert len(service.scored) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=200, body=b"<html>", headers={"content-type": "text/html"}),
        Fault(status=200, body=b"{", headers={"content-type": "application/json"}),
        Fault(status=200, body=b"\xc1", headers={"content-type": "application/msgpack"}),
        Fault(status=200, body=b'{"items": []}', headers={"content-type": "application/json"}),
        Fault(
            status=200,
            body=b'{"request_id": "r", "recipe": "lengths", "items": []}',
            headers={"content-type": "application/json"},
        ),
        Fault(status=302, headers={"location": "http://127.0.0.1:9/score"}),
        Fault(status=401, body=b"{}", headers={"content-type": "application/json"}),
    ],
)
def test_an_answer_that_is_not_the_services_is_said_to_be_none(
    score: Score, service: SmallService, fault: Fault
) -> None:
    service.faults.append(fault)
    with pytest.raises(UnexpectedAnswerError) as caught:
        score(ITEMS)
    assert caught.value.status == fault.status
    assert len(service.scored) == 1


def test_a_connection_that_breaks_is_tried_again(score: Score, service: SmallService) -> None:
    service.faults.extend([Fault(), Fault()])
    assert score(ITEMS).rewards == [4.0]
    assert len(service.scored) == 3


def test_a_service_that_is_not_there_is_a_connection_failure(ask: Ask) -> None:
    with running_service() as gone:
        pass
    with pytest.raises(ConnectionFailedError, match="cannot reach the reward service") as caught:
        ask("score", ITEMS, recipe="lengths", settings={"url": gone.url})
    assert caught.value.__cause__ is not None
    assert ask("ready", settings={"url": gone.url}) is False


def test_ready_is_asked_once_and_no_is_an_answer(ask: Ask, service: SmallService) -> None:
    service.faults.append(Fault.of(Code.NOT_READY, headers={"retry-after": "60"}))
    assert ask("ready") is False
    assert len(service.seen) == 1


def test_a_silent_service_is_a_timeout(score: Score, service: SmallService) -> None:
    service.delay_seconds = 0.5
    settings = {"timeout_seconds": 0.05, "retry": RetryPolicy(max_attempts=1), "limits": Limits()}
    with pytest.raises(AnswerTimeoutError):
        score(ITEMS, settings=settings)


def test_a_call_with_a_deadline_is_waited_for_at_least_that_long(score: Score, service: SmallService) -> None:
    service.delay_seconds = 0.3
    settings = {"timeout_seconds": 0.05, "retry": RetryPolicy(max_attempts=1), "limits": Limits()}
    assert score(ITEMS, settings=settings, deadline_seconds=10.0).rewards == [4.0]


def test_errors_survive_pickling_with_all_they_carry() -> None:
    kinds: list[RewardError] = [
        NoAnswerError("m", request_id="r"),
        UnexpectedAnswerError("m", status=302, request_id="r"),
        UnknownNameError("m", code=Code.UNKNOWN_RECIPE, field="recipe", nearest=("a", "b"), request_id="r"),
        OverloadedError("m", code=Code.OVERLOADED, status=429, retryable=True, retry_after_seconds=2.0),
        ItemError("m"),
    ]
    for error in kinds:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert type(again) is type(error)
        assert (str(again), again.__dict__) == (str(error), error.__dict__)


def test_the_request_id_of_a_call_is_the_same_in_every_attempt(score: Score, service: SmallService) -> None:
    service.faults.extend([Fault.of(Code.NOT_READY)] * 2)
    score(ITEMS)
    assert len({seen.headers["x-request-id"] for seen in service.scored}) == 1


def test_other_requests_of_a_call_do_not_wait_out_their_retries_when_one_has_failed() -> None:
    with running_service(limits=Limits(max_items=1)) as service:
        service.faults.append(Fault.of(Code.OVERLOADED, headers={"retry-after": "30"}))
        service.faults.append(Fault.of(Code.INVALID_RECIPE))
        with RewardClient(url=service.url, max_concurrency=2) as client, pytest.raises(InvalidRequestError):
            client.score(ITEMS * 2, recipe="lengths")
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("visreward")]
    for worker in workers:
        worker.join(timeout=10)
    assert not any(worker.is_alive() for worker in workers)


async def test_a_cancelled_call_leaves_nothing_running() -> None:
    with running_service() as service:
        service.faults.extend([Fault.of(Code.OVERLOADED, headers={"retry-after": "30"})] * 2)
        async with AsyncRewardClient(url=service.url) as client:
            call = asyncio.create_task(client.score(ITEMS, recipe="lengths"))
            while not service.scored:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}


def test_clients_refused_together_do_not_come_back_together() -> None:
    draw = random.Random(0).random
    policy = RetryPolicy(base_seconds=1.0)
    waits = [next_wait(BUSY, policy, attempt=3, elapsed_seconds=0, draw=draw) for _ in range(100)]
    buckets = {int((wait or 0.0) * 2) for wait in waits}
    assert buckets == set(range(8))
