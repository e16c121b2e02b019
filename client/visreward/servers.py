"""The servers that a client may use: where a piece of work goes, and which ones are left alone for a while.

Work is placed by rendezvous hashing, so that an image goes to the server that has seen it before, and only
the work of a server that is gone moves elsewhere. Sends nothing: the clients report what became of their
requests.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import ceil

from visreward.errors import NoAnswerError, OverloadedError, RewardError, ServiceError
from visreward.holdings import Holdings
from visreward.protocol import Code

FIRST_REST_SECONDS = 0.5
"""How long a server that gave no answer is left alone; it doubles with every further failure."""
MAX_REST_SECONDS = 30.0
FULL_REST_SECONDS = 1.0
"""How long a server that refused without a hint is left alone."""
SLACK = 1.25
"""How far above an even share the work of one server may go before its next work goes to another."""


@dataclass(eq=False, slots=True)
class Server:
    """One server, and what its requests have told of it."""

    url: str
    """Without a final slash."""
    holdings: Holdings = field(default_factory=Holdings)
    num_failures: int = 0
    """Since its last answer."""
    rests_until: float = 0.0
    """On the clock of its `Servers`."""


class Servers:
    """All servers of a client. May be used from several threads."""

    def __init__(self, urls: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raise ValueError where there is no URL, or one twice."""
        if not urls or len(set(urls)) != len(urls):
            raise ValueError(
                f"a client needs one URL or several different ones, not {', '.join(urls) or 'none'}"
            )
        self.all = tuple(Server(url) for url in urls)
        self._clock = clock
        self._lock = threading.Lock()

    def choose(
        self, key: str, *, home: Server | None = None, tried: Collection[Server] = ()
    ) -> Server | None:
        """Return the best server that was not tried and is not resting, None where there is none.

        Where nothing was tried yet there is always one: of servers that all rest, the first to be back.
        """
        now = self._clock()
        ranked = [server for server in self._rank(key, home) if server not in tried]
        awake = [server for server in ranked if server.rests_until <= now]
        if awake or tried:
            return awake[0] if awake else None
        return min(ranked, key=lambda server: server.rests_until)

    def is_suspect(self, server: Server) -> bool:
        """Whether to ask the server if it is ready before work is sent: it failed, and there are others."""
        return server.num_failures > 0 and len(self.all) > 1

    def note_success(self, server: Server) -> None:
        """Note that the server has answered."""
        with self._lock:
            server.num_failures = 0
            server.rests_until = 0.0

    def note_error(self, server: Server, error: RewardError) -> None:
        """Leave the server alone for a while where the error says that it is gone, not ready or full."""
        hint_seconds = error.retry_after_seconds if isinstance(error, ServiceError) else None
        with self._lock:
            if isinstance(error, OverloadedError) and error.code in (Code.OVERLOADED, Code.RATE_LIMITED):
                seconds = FULL_REST_SECONDS if hint_seconds is None else hint_seconds
            elif isinstance(error, NoAnswerError | OverloadedError):
                server.num_failures += 1
                grown = FIRST_REST_SECONDS * 2.0 ** min(server.num_failures - 1, 60)
                seconds = min(MAX_REST_SECONDS, grown) if hint_seconds is None else hint_seconds
            else:
                return
            server.rests_until = max(server.rests_until, self._clock() + seconds)

    def spread(self, units: Sequence[tuple[str, int]]) -> dict[Server, list[int]]:
        """Place units of work, each a key and a weight; return the units' numbers by server, in order.

        A unit goes to the first server of its own ranking that is not above its share: consistent hashing
        with bounded loads (Mirrokni, Thorup and Zadimoghaddam, arXiv:1608.01350). The order in which the
        units are given changes nothing.
        """
        now = self._clock()
        awake = [server for server in self.all if server.rests_until <= now] or list(self.all)
        bound = ceil(SLACK * sum(weight for _, weight in units) / len(awake))
        loads = dict.fromkeys(awake, 0)
        placed: dict[Server, list[int]] = {}
        for number in sorted(range(len(units)), key=units.__getitem__):
            key, weight = units[number]
            ranked = [server for server in self._rank(key) if server in loads]
            fitting = [server for server in ranked if loads[server] + weight <= bound]
            chosen = fitting[0] if fitting else min(ranked, key=lambda server: loads[server])
            loads[chosen] += weight
            placed.setdefault(chosen, []).append(number)
        return {server: sorted(numbers) for server, numbers in placed.items()}

    def _rank(self, key: str, home: Server | None = None) -> list[Server]:
        """Servers by their hash with the key, the highest first; before all of them the home, if any."""
        if len(self.all) == 1:
            return list(self.all)
        hashes = {server: _hash(server.url, key) for server in self.all}
        return sorted(self.all, key=lambda server: (server is home, hashes[server]), reverse=True)


def _hash(url: str, key: str) -> bytes:
    return hashlib.blake2b(f"{url}\n{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
