"""What a scene is, and how one is drawn at random: groups of like things on a background. It knows no words
but names.

Every group has its own pair of shape and colour, so that "the red circles" names one group; shapes or
colours alone may repeat, so that a caption must bind the two.
"""

from dataclasses import dataclass
from functools import cached_property
from random import Random

from visreward_service.scenes.shapes import SHAPES, Box, bounding_box, outline

CANVAS_PIXELS = 224

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 32, 32),
    "orange": (245, 134, 20),
    "yellow": (246, 220, 40),
    "green": (34, 150, 50),
    "cyan": (60, 208, 222),
    "blue": (32, 64, 214),
    "purple": (128, 38, 168),
    "pink": (250, 140, 190),
}

BACKGROUND_COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (240, 240, 240),
    "grey": (140, 140, 140),
    "black": (24, 24, 24),
    "beige": (222, 204, 166),
    "brown": (98, 66, 44),
}

BACKGROUND_KINDS = ("plain", "gradient", "striped", "noisy")

DIAMETERS = {"small": (32.0, 40.0), "large": (60.0, 72.0)}
"""Pixels, from and to."""

COUNTS = {"small": (1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4), "large": (1, 1, 2, 2, 2)}
"""Draws; larger counts weigh more, since they find room less often."""

PLACES = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)

GAP_PIXELS = 5.0
"""The least space between two things, and between a thing and the edge."""

CLEAR_PIXELS = 30.0
"""How far apart two centres must be along an axis for a relation along it to be said."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object. Positions and sizes are in pixels of the canvas."""

    shape: str
    x: float
    y: float
    diameter: float
    angle: float
    rgb: tuple[int, int, int]

    @cached_property
    def box(self) -> Box:
        """Tight `(x1, y1, x2, y2)`."""
        return bounding_box(outline(self.shape, x=self.x, y=self.y, diameter=self.diameter, angle=self.angle))


@dataclass(frozen=True, kw_only=True)
class Group:
    """One or more like things that stand together."""

    shape: str
    colour: str
    size: str
    things: tuple[Thing, ...]

    @property
    def count(self) -> int:
        return len(self.things)

    @cached_property
    def box(self) -> Box:
        """Tight `(x1, y1, x2, y2)` round all its things."""
        boxes = [thing.box for thing in self.things]
        return bounding_box([corner for box in boxes for corner in (box[:2], box[2:])])

    @property
    def centre(self) -> tuple[float, float]:
        """The mean of its things' centres."""
        return (
            sum(thing.x for thing in self.things) / self.count,
            sum(thing.y for thing in self.things) / self.count,
        )

    @property
    def place(self) -> str:
        """Which ninth of the canvas holds its centre."""
        column, row = (min(2, int(3 * at / CANVAS_PIXELS)) for at in self.centre)
        return PLACES[row][column]


@dataclass(frozen=True, kw_only=True)
class Background:
    kind: str
    colour: str
    seed: int
    "Of its shades, stripes and noise."


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Groups on a background; the first group is drawn first."""

    groups: tuple[Group, ...]
    background: Background

    @property
    def num_things(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def things(self) -> tuple[Thing, ...]:
        return tuple(thing for group in self.groups for thing in group.things)


def relations(first: Group, second: Group) -> tuple[str, ...]:
    """How the first group stands to the second: of `left`, `right`, `above`, `below`, where it is clear."""
    (x1, y1), (x2, y2) = first.centre, second.centre
    tests = {"left": x2 - x1, "right": x1 - x2, "above": y2 - y1, "below": y1 - y2}
    return tuple(name for name, distance in tests.items() if distance >= CLEAR_PIXELS)


def sample_scene(seed: int, *, num_groups: int | None = None) -> Scene:
    """The scene of a seed, of 1 to 4 groups, or of as many as are asked for where they find room (at least
    one)."""
    random = Random(f"scene/{seed}/{num_groups}")  # noqa: S311
    wanted = num_groups if num_groups is not None else random.choice((1, 2, 2, 2, 3, 3, 3, 4, 4))
    groups: list[Group] = []
    for _ in range(20 * wanted):
        if len(groups) == wanted:
            break
        group = sample_group(random, taken={(g.shape, g.colour) for g in groups})
        if group is not None and fits(group, groups):
            groups.append(group)
    background = Background(
        kind=random.choice(BACKGROUND_KINDS),
        colour=random.choice(tuple(BACKGROUND_COLOURS)),
        seed=random.getrandbits(32),
    )
    return Scene(groups=tuple(groups) or (default_group(),), background=background)


def sample_group(random: Random, *, taken: set[tuple[str, str]]) -> Group | None:
    """A group anywhere on the canvas, or None where the draw lands outside, between two places or on a
    taken name."""
    shape, colour = random.choice(SHAPES), random.choice(tuple(COLOURS))
    size = random.choice(tuple(DIAMETERS))
    count = random.choice(COUNTS[size])
    diameter = random.uniform(*DIAMETERS[size])
    third = CANVAS_PIXELS / 3
    x, y = (random.randrange(3) * third + third / 2 + random.uniform(-0.36, 0.36) * third for _ in "xy")
    rgb = jittered(random, COLOURS[colour])
    things = tuple(
        Thing(
            shape=shape,
            x=x + dx * diameter,
            y=y + dy * diameter,
            diameter=diameter * random.uniform(0.94, 1.0),
            angle=random.uniform(-12, 12),
            rgb=rgb,
        )
        for dx, dy in cluster(random, count)
    )
    group = Group(shape=shape, colour=colour, size=size, things=things)
    x1, y1, x2, y2 = group.box
    inside = min(x1, y1) >= GAP_PIXELS and max(x2, y2) <= CANVAS_PIXELS - GAP_PIXELS
    return group if inside and (shape, colour) not in taken else None


def cluster(random: Random, count: int) -> list[tuple[float, float]]:
    """Offsets of `count` things from their centre, in diameters; their mean is 0."""
    step = random.uniform(1.12, 1.3)
    arrangements: dict[int, list[list[tuple[float, float]]]] = {
        1: [[(0.0, 0.0)]],
        2: [
            [(-0.5, 0), (0.5, 0)],
            [(0, -0.5), (0, 0.5)],
            [(-0.45, -0.45), (0.45, 0.45)],
            [(-0.45, 0.45), (0.45, -0.45)],
        ],
        3: [
            [(-1.0, 0), (0, 0), (1, 0)],
            [(0, -1.0), (0, 0), (0, 1)],
            [(-0.5, 0.33), (0.5, 0.33), (0, -0.66)],
            [(-0.5, -0.33), (0.5, -0.33), (0, 0.66)],
        ],
        4: [
            [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)],
            [(0.0, -0.8), (0.8, 0), (0, 0.8), (-0.8, 0)],
        ],
    }
    return [(dx * step, dy * step) for dx, dy in random.choice(arrangements[count])]


def fits(group: Group, others: list[Group]) -> bool:
    """Whether a group overlaps no other's box and stands clear of each along some axis."""
    x1, y1, x2, y2 = group.box
    for other in others:
        a1, b1, a2, b2 = other.box
        gap = max(x1 - a2, a1 - x2, y1 - b2, b1 - y2)
        if gap < GAP_PIXELS or not relations(group, other):
            return False
    return True


def jittered(random: Random, rgb: tuple[int, int, int], by: int = 14) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, channel + random.randint(-by, by))) for channel in rgb)
    return red, green, blue


def default_group() -> Group:
    """What stands in a scene for which no draw found room."""
    middle = CANVAS_PIXELS / 2
    thing = Thing(shape="circle", x=middle, y=middle, diameter=64, angle=0, rgb=COLOURS["red"])
    return Group(shape="circle", colour="red", size="large", things=(thing,))
