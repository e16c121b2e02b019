"""visreward: rewards for reinforcement learning of vision-language models, from a service of their own.

What stands in `__all__` is loaded when it is first used, so that a program that only wants to print its help
does not wait for an HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visreward.access import Tls
    from visreward.async_client import AsyncRewardClient
    from visreward.client import RewardClient
    from visreward.errors import (
        AccessDeniedError,
        AnswerTimeoutError,
        ConnectionFailedError,
        DeadlineExceededError,
        InternalError,
        InvalidRequestError,
        ItemError,
        NoAnswerError,
        OverloadedError,
        RequestTooLargeError,
        RewardError,
        ServiceError,
        UnexpectedAnswerError,
        UnknownNameError,
    )
    from visreward.hedging import Hedging
    from visreward.items import ItemInput
    from visreward.protocol import Code, ItemResult, Limits
    from visreward.result import ScoreResult
    from visreward.retry import RetryPolicy

__all__ = [
    "AccessDeniedError",
    "AnswerTimeoutError",
    "AsyncRewardClient",
    "Code",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "Hedging",
    "InternalError",
    "InvalidRequestError",
    "ItemError",
    "ItemInput",
    "ItemResult",
    "Limits",
    "NoAnswerError",
    "OverloadedError",
    "RequestTooLargeError",
    "RetryPolicy",
    "RewardClient",
    "RewardError",
    "ScoreResult",
    "ServiceError",
    "Tls",
    "UnexpectedAnswerError",
    "UnknownNameError",
]

_MODULES = {
    "AsyncRewardClient": "async_client",
    "Code": "protocol",
    "Hedging": "hedging",
    "ItemInput": "items",
    "ItemResult": "protocol",
    "Limits": "protocol",
    "RetryPolicy": "retry",
    "RewardClient": "client",
    "ScoreResult": "result",
    "Tls": "access",
}
"""Where each name is made; the ones left out are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
