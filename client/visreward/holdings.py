"""What a client believes a server to hold: images that it has sent there, by digest, within a bound.

Belief and not knowledge: a server forgets images when its store is full and when it starts again. One that
has forgotten something is asked before it is believed again.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable

MAX_DIGESTS = 65_536
"""Digests remembered of one server; the least recently used go first."""
CALM_ANSWERS = 16
"""Answers in a row that confirm what was believed, after which the server is believed unasked again."""


class Holdings:
    """The images of one server. May be used from several threads."""

    def __init__(self, max_digests: int = MAX_DIGESTS) -> None:
        self._max_digests = max_digests
        self._digests: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._num_calm = CALM_ANSWERS

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def doubtful(self) -> bool:
        """Whether the server has forgotten images lately, so that asking it first saves a second request."""
        return self._num_calm < CALM_ANSWERS

    def unknown(self, digests: Iterable[str]) -> list[str]:
        """Return the digests that the server is not known to hold, in order; the others count as used."""
        with self._lock:
            return [digest for digest in digests if not self._touch(digest)]

    def add(self, digests: Iterable[str]) -> None:
        """Note images that have arrived."""
        with self._lock:
            for digest in digests:
                self._digests[digest] = None
                self._digests.move_to_end(digest)
            while len(self._digests) > self._max_digests:
                self._digests.popitem(last=False)

    def confirm(self, asked: Iterable[str], missing: Collection[str]) -> None:
        """Take the server's own word on images: of those asked about, which it does not hold.

        One that was believed to be there makes the server doubtful.
        """
        asked = list(asked)
        with self._lock:
            surprised = any(digest in self._digests for digest in missing)
            for digest in missing:
                self._digests.pop(digest, None)
            self._num_calm = 0 if surprised else self._num_calm + 1
        self.add(digest for digest in asked if digest not in missing)

    def _touch(self, digest: str) -> bool:
        if digest not in self._digests:
            return False
        self._digests.move_to_end(digest)
        return True
