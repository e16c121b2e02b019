"""The outlines of the shapes, as polygons in pixels. It knows no colours and no pictures."""

from math import cos, pi, radians, sin

Point = tuple[float, float]
Box = tuple[float, float, float, float]

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "ring")

RING_HOLE = 0.55
"""The hole of a ring, as a fraction of its diameter."""


def unit_outline(shape: str) -> list[Point]:
    """The outline within [-1, 1] x [-1, 1], y downwards."""
    match shape:
        case "circle" | "ring":
            return round_outline(48)
        case "square":
            return [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
        case "triangle":
            return [(0, -0.95), (1, 0.8), (-1, 0.8)]
        case "star":
            turns = ((1 if i % 2 == 0 else 0.42, i * pi / 5 - pi / 2) for i in range(10))
            return [(r * cos(a), r * sin(a)) for r, a in turns]
        case "heart":
            return heart_outline(40)
        case "cross":
            a, b = 0.32, 0.95
            quarter = [(a, -b), (a, -a), (b, -a)]
            return [turned(point, i * pi / 2) for i in range(4) for point in quarter]
        case "diamond":
            return [(0, -1), (0.66, 0), (0, 1), (-0.66, 0)]
    raise ValueError(f"no shape named {shape!r}; there are {', '.join(SHAPES)}")


def round_outline(num_points: int) -> list[Point]:
    return [(cos(2 * pi * i / num_points), sin(2 * pi * i / num_points)) for i in range(num_points)]


def heart_outline(num_points: int) -> list[Point]:
    """The curve (16 sin³t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t), scaled to the unit square."""
    points = []
    for i in range(num_points):
        t = 2 * pi * i / num_points
        y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
        points.append((sin(t) ** 3, -(y + 2.5) / 14.8))
    return points


def turned(point: Point, angle: float) -> Point:
    """A point turned about the origin by `angle` in radians."""
    x, y = point
    return x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)


def outline(shape: str, *, x: float, y: float, diameter: float, angle: float) -> list[Point]:
    """The outline in pixels, about (x, y), turned by `angle` degrees."""
    points = (turned(point, radians(angle)) for point in unit_outline(shape))
    return [(x + diameter / 2 * px, y + diameter / 2 * py) for px, py in points]


def bounding_box(points: list[Point]) -> Box:
    """`(x1, y1, x2, y2)` of the points."""
    xs, ys = zip(*points)
    return min(xs), min(ys), max(xs), max(ys)
