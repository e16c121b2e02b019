"""Bodies that are on their way in: how much memory they may take together.

What is admitted counts elsewhere, from when a body is whole. Knows nothing of connections but how to turn one
away.
"""

from typing import Protocol


class Sender(Protocol):
    """Who sends a body."""

    def turn_away(self) -> None:
        """Tell the sender that it took too long, and let go of what came."""
        ...


class Arrivals:
    """The bytes of unfinished bodies, bounded together.

    Over the bound, who has been sending for the longest is turned away, so that those who take their time do
    not keep out those who do not. A body that is alone is bounded by its own limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sizes: dict[Sender, int] = {}
        self.num_bytes = 0
        """Of all unfinished bodies."""

    def add(self, sender: Sender, count: int) -> None:
        """Note that more of a sender's body has come."""
        self._sizes[sender] = self._sizes.get(sender, 0) + count
        self.num_bytes += count
        while self.num_bytes > self._max_bytes and len(self._sizes) > 1:
            longest = next(iter(self._sizes))
            self.end(longest)
            longest.turn_away()

    def end(self, sender: Sender) -> None:
        """Note that a body is whole, or given up."""
        self.num_bytes -= self._sizes.pop(sender, 0)
