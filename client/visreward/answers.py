"""From an HTTP answer to a value or an error: pure functions over a received response."""

from datetime import datetime
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from visreward.codec import codec_of
from visreward.errors import (
    AccessDeniedError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    RequestTooLargeError,
    RewardError,
    ServiceError,
    UnexpectedAnswerError,
    UnknownNameError,
)
from visreward.protocol import Code
from visreward.retry import parse_retry_after

REQUEST_ID_HEADER = "x-request-id"

BY_CODE: dict[str, type[ServiceError]] = {
    Code.UNKNOWN_RECIPE: UnknownNameError,
    Code.NOT_FOUND: UnknownNameError,
    Code.UNAUTHENTICATED: AccessDeniedError,
    Code.FORBIDDEN: AccessDeniedError,
    Code.RATE_LIMITED: OverloadedError,
    Code.REQUEST_TOO_LARGE: RequestTooLargeError,
    Code.OVERLOADED: OverloadedError,
    Code.NOT_READY: OverloadedError,
    Code.DEADLINE_EXCEEDED: DeadlineExceededError,
}
"""Codes with a class of their own; the others go by the status."""

BY_STATUS: dict[int, tuple[Code, type[ServiceError], bool]] = {
    408: (Code.DEADLINE_EXCEEDED, DeadlineExceededError, True),
    413: (Code.REQUEST_TOO_LARGE, RequestTooLargeError, False),
    429: (Code.OVERLOADED, OverloadedError, True),
    502: (Code.NOT_READY, OverloadedError, True),
    503: (Code.NOT_READY, OverloadedError, True),
    504: (Code.DEADLINE_EXCEEDED, DeadlineExceededError, True),
}
"""What proxies and load balancers say in the service's place: code, class, and whether to retry."""

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_value(response: httpx.Response) -> Any:
    """Return the plain value of a successful answer; raise UnexpectedAnswerError where there is none."""
    codec = codec_of(response.headers.get("content-type"))
    if codec is None:
        raise _unexpected(response, "neither JSON nor msgpack")
    try:
        return codec.decode(response.content)
    except ValueError:
        raise _unexpected(response, "a body that cannot be read") from None


def read_model(response: httpx.Response, model: type[ModelT]) -> ModelT:
    """Return a successful answer as a wire model; raise UnexpectedAnswerError where it has another shape."""
    value = read_value(response)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the body"
        raise _unexpected(response, f"not a {model.__name__} ({place}: {first['msg']})") from None


def error_of(response: httpx.Response, *, request_id: str, now: datetime) -> RewardError:
    """Return the error that an unsuccessful answer stands for."""
    body = _error_body(response)
    known = BY_STATUS.get(response.status_code)
    if body is None and known is None:
        return _unexpected(response, "not an answer of the reward service", request_id)
    if body is None:
        assert known is not None  # noqa: S101 - the branch above returned
        code, kind, retryable = known
        body = {
            "code": code,
            "message": f"HTTP {response.status_code} without a body of the service's",
            "retryable": retryable,
        }
    else:
        kind = BY_CODE.get(body["code"]) or _kind_of(response.status_code)
    return kind(
        body["message"],
        code=body["code"],
        status=response.status_code,
        field=body.get("field"),
        nearest=tuple(body.get("nearest") or ()),
        retryable=bool(body.get("retryable")),
        retry_after_seconds=parse_retry_after(response.headers.get("retry-after"), now),
        request_id=body.get("request_id") or response.headers.get(REQUEST_ID_HEADER) or request_id,
    )


def _kind_of(status: int) -> type[ServiceError]:
    return InternalError if status >= 500 else InvalidRequestError


def _error_body(response: httpx.Response) -> dict[str, Any] | None:
    """Return the `error` of a body in the wire's shape, None where there is none.

    Read by hand and not through `ErrorBody`: a newer service may have codes that this client does not know.
    """
    codec = codec_of(response.headers.get("content-type"))
    try:
        value = codec.decode(response.content) if codec is not None else None
    except ValueError:
        return None
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return None
    readable = isinstance(error.get("code"), str) and isinstance(error.get("message"), str)
    return error if readable else None


def _unexpected(response: httpx.Response, what: str, request_id: str | None = None) -> UnexpectedAnswerError:
    where = f"{response.request.method} {response.request.url.path}"
    return UnexpectedAnswerError(
        f"unexpected answer to {where}: HTTP {response.status_code}, {what}; "
        "is this the address of a reward service?",
        status=response.status_code,
        request_id=response.headers.get(REQUEST_ID_HEADER) or request_id,
    )
