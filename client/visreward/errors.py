"""What can go wrong between a caller and its rewards, as one tree of exceptions.

    RewardError
    ├── NoAnswerError                nobody answered
    │   ├── ConnectionFailedError    no connection, or it broke
    │   └── AnswerTimeoutError       connected, and no answer in time
    ├── UnexpectedAnswerError        an answer that is not this service's: a proxy's page, a broken body
    ├── ServiceError                 the service refused or failed the request as a whole
    │   ├── InvalidRequestError      something in the request is wrong
    │   │   └── UnknownNameError     no such recipe or path; `nearest` has the names close to it
    │   ├── AccessDeniedError        no key, a wrong one, or one that may not do this
    │   ├── RequestTooLargeError     over a limit published at GET /limits
    │   ├── OverloadedError          too many requests, or the service is starting or draining
    │   ├── DeadlineExceededError    not scored within the request's deadline
    │   └── InternalError            a defect of the service
    └── ItemError                    the request was answered, and some items have no reward

All of them survive pickling, so that they cross process and Ray-actor boundaries whole. This module knows
no HTTP library; `visreward.answers` makes these from answers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visreward.protocol import ItemResult
    from visreward.result import ScoreResult


class RewardError(Exception):
    """Base of every error that the client raises on purpose."""

    request_id: str | None = None
    """Id under which the service logged the request, where one was given."""


class NoAnswerError(RewardError):
    """No answer came, after every retry that the policy allows."""

    def __init__(self, message: str = "", *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class ConnectionFailedError(NoAnswerError):
    """The service could not be reached, or the connection broke."""


class AnswerTimeoutError(NoAnswerError):
    """The service did not answer within `timeout_seconds`."""


class UnexpectedAnswerError(RewardError):
    """Something answered, but not in the way the service does: a proxy, another server, a cut body."""

    def __init__(
        self, message: str = "", *, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class ServiceError(RewardError):
    """The service answered with an error for the whole request."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int | None = None,
        field: str | None = None,
        nearest: tuple[str, ...] = (),
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """A `visreward.protocol.Code`; compare it with one, or with its text."""
        self.status = status
        """HTTP status of the answer."""
        self.field = field
        """Path of the field at fault, with the caller's own item numbers, such as `items[3].completion`."""
        self.nearest = nearest
        """Known names near an unknown one."""
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        """The service's hint when to come back."""
        self.request_id = request_id

    def __str__(self) -> str:
        notes = [str(self.code)]
        if self.field is not None:
            notes.append(f"field {self.field}")
        if self.nearest:
            notes.append(f"nearest: {', '.join(self.nearest)}")
        if self.request_id is not None:
            notes.append(f"request {self.request_id}")
        return f"{super().__str__()} [{'; '.join(notes)}]"


class InvalidRequestError(ServiceError):
    """Something in the request is wrong; sending it again cannot help."""


class UnknownNameError(InvalidRequestError):
    """The service has no recipe, or no path, of that name."""


class AccessDeniedError(ServiceError):
    """No key, one that the service does not know, or one that may not use the recipe."""


class RequestTooLargeError(ServiceError):
    """The request is over a limit of the service, or of a proxy in front of it."""


class OverloadedError(ServiceError):
    """The service is full, starting or draining, and stayed so through every retry."""


class DeadlineExceededError(ServiceError):
    """The request as a whole was not scored within its deadline."""


class InternalError(ServiceError):
    """A defect of the service; its log holds `request_id`."""


class ItemError(RewardError):
    """Items that could not be scored, under the policy `on_item_error="raise"`."""

    result: "ScoreResult"
    """The whole answer: the rewards of the other items are in it."""

    def __init__(self, message: str = "", *, result: "ScoreResult | None" = None) -> None:
        super().__init__(message)
        if result is not None:
            self.result = result

    @property
    def failed(self) -> "list[ItemResult]":
        """The items without a reward, in the caller's order."""
        return self.result.failed
