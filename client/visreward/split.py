"""One call's items into requests within the service's limits, of a good size: a pure grouping function.

The service begins with a request when it is there whole: of a large call, cut in several, the first are
worked at while the others come in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from visreward.items import Sendable
from visreward.protocol import Limits

ENVELOPE_BYTES = 4096
"""Room in every body for what stands round the items: names, counts, the deadline."""

GOOD_ITEMS = 512
GOOD_BYTES = 8 * 2**20
"""What a request that holds something already may grow to."""


@dataclass(slots=True)
class Chunk:
    """The items of one request, and what they add up to."""

    items: list[Sendable] = field(default_factory=list)
    digests: dict[str, None] = field(default_factory=dict)
    """Distinct images to be sent, in order of first use."""
    num_bytes: int = 0

    @property
    def key(self) -> str:
        """What the chunk's way to a server is chosen by."""
        return route_key(self.items[0])


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may hold."""

    max_items: int
    max_images: int
    max_bytes: int

    @classmethod
    def of(cls, limits: Limits, *, head_bytes: int) -> "Bounds":
        """Return the limits less the `head_bytes` that every request repeats, such as an inline recipe."""
        return cls(
            limits.max_items, limits.max_images, limits.max_request_bytes - head_bytes - ENVELOPE_BYTES
        )

    @property
    def good(self) -> "Bounds":
        """What a request may grow to that holds something already."""
        return Bounds(min(self.max_items, GOOD_ITEMS), self.max_images, min(self.max_bytes, GOOD_BYTES))


def split(
    items: Sequence[Sendable], image_bytes: Mapping[str, int], bounds: Bounds
) -> tuple[list[Chunk], list[Sendable]]:
    """Pack items into chunks, and return with them the items that fit in no request at all.

    A group stays in one chunk where it fits in one, wherever its items stand in the list; one that is over
    the bounds is cut. Within a chunk items keep their order. An image is counted once per chunk.
    `image_bytes` gives the bytes in a body of each image that is to be sent; images that are only named cost
    nothing.
    """
    packer = _Packer(image_bytes, bounds)
    for group in by_group(items):
        packer.put_group(group)
    for chunk in packer.chunks:
        chunk.items.sort(key=lambda item: item.index)
    return packer.chunks, packer.too_large


def route_key(item: Sendable) -> str:
    """Return what an item's way to a server is chosen by: its first image, else its group, else its place."""
    if item.digests:
        return item.digests[0]
    return str(item.index) if item.group is None else f"group {item.group}"


def by_group(items: Sequence[Sendable]) -> list[list[Sendable]]:
    """Items by group in order of first appearance; an item without a group is one of its own."""
    groups: dict[str | int, list[Sendable]] = {}
    for item in items:
        key: str | int = item.index if item.group is None else item.group
        groups.setdefault(key, []).append(item)
    return list(groups.values())


@dataclass(slots=True)
class _Packer:
    image_bytes: Mapping[str, int]
    bounds: Bounds
    chunks: list[Chunk] = field(default_factory=list)
    too_large: list[Sendable] = field(default_factory=list)

    def put_group(self, group: list[Sendable]) -> None:
        """Add to the last chunk what it has room for; open a new one otherwise; cut what fits in none."""
        if self.chunks and self._put(self.chunks[-1], group, self.bounds.good):
            return
        fresh = Chunk()
        if self._put(fresh, group, self.bounds):
            self.chunks.append(fresh)
        elif len(group) == 1:
            self.too_large += group
        else:
            for item in group:
                self.put_group([item])

    def _put(self, chunk: Chunk, group: list[Sendable], bounds: Bounds) -> bool:
        new = dict.fromkeys(
            digest
            for item in group
            for digest in item.digests
            if digest in self.image_bytes and digest not in chunk.digests
        )
        # One byte more per item for the comma that joins them.
        num_bytes = sum(len(item.encoded) + 1 for item in group) + sum(
            self.image_bytes[digest] for digest in new
        )
        fits = (
            len(chunk.items) + len(group) <= bounds.max_items
            and len(chunk.digests) + len(new) <= bounds.max_images
            and chunk.num_bytes + num_bytes <= bounds.max_bytes
        )
        if fits:
            chunk.items += group
            chunk.digests |= new
            chunk.num_bytes += num_bytes
        return fits
