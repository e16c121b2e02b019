"""Lets callers in: whose key it is, whether it comes too often, and whether it may use a recipe."""

import base64
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from visreward.protocol import Code
from visreward_service.access.keys import hash_key
from visreward_service.access.settings import KeySettings
from visreward_service.engine.faults import RequestFault

INLINE = "inline"
MAX_HEADER_CHARS = 1000
Clock = Callable[[], float]


@dataclass(slots=True)
class Rate:
    """A bucket that holds a minute's requests and fills evenly; each request takes one out."""

    per_minute: int
    clock: Clock
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = float(self.per_minute), self.clock()

    def take(self) -> float:
        """Take one out and return 0, or return the seconds until there is one."""
        now = self.clock()
        self._left = min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) * 60 / self.per_minute


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may."""

    name: str | None = None
    """The key's name in the settings; None where no keys are set."""
    recipes: tuple[str, ...] | None = None
    rate: Rate | None = None

    def spend(self) -> None:
        """Count a request. Raises `RequestFault` where it is one too many."""
        seconds = self.rate.take() if self.rate is not None else 0.0
        if seconds:
            raise RequestFault(
                Code.RATE_LIMITED,
                f"the key {self.name} has sent its requests of this minute",
                retry_after_seconds=seconds,
            )

    def permit(self, recipe: str) -> None:
        """Raise `RequestFault` where the key may not use a recipe, `inline` or `encoder.NAME`."""
        if self.recipes is None or any(fnmatchcase(recipe, pattern) for pattern in self.recipes):
            return
        what = "a recipe written in the request" if recipe == INLINE else f'"{recipe[:200]}"'
        message = f"the key {self.name} may not use {what}; it may use {', '.join(self.recipes) or 'nothing'}"
        raise RequestFault(Code.FORBIDDEN, message, field="recipe")

    def permit_document(self, document: object) -> object:
        """Return a decoded request whose recipe the key may use. What is no request is not judged here."""
        recipe = document.get("recipe") if isinstance(document, Mapping) else None
        if self.recipes is not None and (recipe is None or isinstance(recipe, str)):
            self.permit(INLINE if recipe is None else recipe)
        return document


ANYONE = Caller()
"""Every caller of a service without keys."""


class Guard:
    """Knows the keys. Without any, everybody is let in."""

    def __init__(self, keys: Mapping[str, KeySettings], *, clock: Clock = time.monotonic) -> None:
        self.closed = bool(keys)
        """Whether a key is asked for."""
        self._callers = [
            (one.hash, Caller(name, one.recipes, _rate(one.requests_per_minute, clock)))
            for name, one in keys.items()
        ]

    def identify(self, authorization: str | None) -> Caller:
        """Return whose key an `Authorization` header shows. Raises `RequestFault` for none or a wrong one."""
        if not self.closed:
            return ANYONE
        if not authorization:
            raise RequestFault(Code.UNAUTHENTICATED, "send a key: `Authorization: Bearer …`")
        key = read_key(authorization) if len(authorization) <= MAX_HEADER_CHARS else None
        if key is None:
            raise RequestFault(
                Code.UNAUTHENTICATED,
                "the Authorization header is not `Bearer` and a key, or `Basic` with it for a password",
            )
        shown = hash_key(key)
        found: Caller | None = None
        # Every key is compared, and each in the same time, so that the time tells nothing of them.
        for known, caller in self._callers:
            if hmac.compare_digest(known, shown):
                found = caller
        if found is None:
            raise RequestFault(Code.UNAUTHENTICATED, "the key is not known here")
        return found


def read_key(authorization: str) -> str | None:
    """Return the key that an `Authorization` header shows, None where it shows none.

    `Bearer KEY`, or `Basic` (RFC 7617): clients that know a URL alone make it of `http://:KEY@host`. The key
    is the password, whatever the user's name; where there is no password, it is the name (`http://KEY@host`).
    """
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return shown.strip()
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(shown.strip(), validate=True)
    except ValueError:
        return None
    name, _, password = pair.decode("utf-8", "surrogateescape").partition(":")
    return password or name


def _rate(per_minute: int | None, clock: Clock) -> Rate | None:
    return None if per_minute is None else Rate(per_minute, clock)


def find_idle_patterns(keys: Mapping[str, KeySettings], known: Iterable[str]) -> dict[str, str]:
    """Return, by key, the first entry of its allow-list that nothing served here fits."""
    names = [*known, INLINE]
    idle: dict[str, str] = {}
    for key, settings in keys.items():
        for pattern in settings.recipes or ():
            if not any(fnmatchcase(name, pattern) for name in names):
                idle.setdefault(key, pattern)
    return idle
