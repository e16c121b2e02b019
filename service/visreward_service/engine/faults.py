"""Why a whole request is refused. Why one item is, is `scorers.base.Fault`."""

from typing import Any

from visreward.protocol import Code


class RequestFault(Exception):
    """A request that gets no answer but this: a code, a sentence, and where known the field at fault."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        field: str | None = None,
        nearest: tuple[str, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.nearest = nearest
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.message, self.field, self.nearest, self.retry_after_seconds))


def _rebuild(
    code: Code, message: str, field: str | None, nearest: tuple[str, ...], retry_after_seconds: float | None
) -> RequestFault:
    return RequestFault(code, message, field=field, nearest=nearest, retry_after_seconds=retry_after_seconds)
