"""Draws a scene with Pillow. It knows no words."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visreward_service.scenes.shapes import RING_HOLE, outline
from visreward_service.scenes.spec import (
    BACKGROUND_COLOURS,
    CANVAS_PIXELS,
    Background,
    Scene,
    Thing,
    sample_scene,
)

OVERSAMPLING = 3
"""Edges are drawn this many times larger and averaged down."""


def render_scene(seed: int, *, num_groups: int | None = None) -> tuple[Image.Image, Scene]:
    """The scene of a seed and its picture."""
    scene = sample_scene(seed, num_groups=num_groups)
    return render_image(scene), scene


def render_image(scene: Scene) -> Image.Image:
    """An RGB picture of `CANVAS_PIXELS` squared; the same scene gives the same bytes."""
    image = Image.fromarray(background_pixels(scene.background))
    for thing in scene.things:
        draw_thing(image, thing)
    return image


def draw_thing(image: Image.Image, thing: Thing) -> None:
    x1, y1, x2, y2 = thing.box
    left, top = int(x1) - 1, int(y1) - 1
    width, height = int(x2) + 2 - left, int(y2) + 2 - top
    mask = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
    draw = ImageDraw.Draw(mask)
    draw.polygon(mask_points(thing, thing.diameter, left, top), fill=255)
    if thing.shape == "ring":
        draw.polygon(mask_points(thing, thing.diameter * RING_HOLE, left, top), fill=0)
    image.paste(thing.rgb, (left, top), mask.reduce(OVERSAMPLING))


def mask_points(thing: Thing, diameter: float, left: int, top: int) -> list[tuple[float, float]]:
    """The outline in pixels of the enlarged mask; Pillow's points are pixel centres, hence the half."""
    points = outline(thing.shape, x=thing.x, y=thing.y, diameter=diameter, angle=thing.angle)
    return [((x - left) * OVERSAMPLING - 0.5, (y - top) * OVERSAMPLING - 0.5) for x, y in points]


def background_pixels(background: Background) -> NDArray[np.uint8]:
    """(H, W, 3)."""
    random = np.random.default_rng(background.seed)
    base = np.array(BACKGROUND_COLOURS[background.colour]) + random.integers(-10, 11, 3)
    shades = SHADES[background.kind](random)
    return np.clip(base + shades[..., None], 0, 255).astype(np.uint8)


def plain(random: np.random.Generator) -> NDArray[np.float64]:
    return np.full((CANVAS_PIXELS, CANVAS_PIXELS), random.uniform(-6, 6))


def gradient(random: np.random.Generator) -> NDArray[np.float64]:
    return random.uniform(28, 42) * ramp(random.uniform(0, 2 * np.pi))


def striped(random: np.random.Generator) -> NDArray[np.float64]:
    waves = np.sin(ramp(random.uniform(0, np.pi)) * random.uniform(14, 28) + random.uniform(0, 6))
    return random.uniform(12, 20) * np.sign(waves)


def noisy(random: np.random.Generator) -> NDArray[np.float64]:
    grain = random.integers(-40, 41, (CANVAS_PIXELS // 2, CANVAS_PIXELS // 2))
    return grain.repeat(2, axis=0).repeat(2, axis=1).astype(np.float64)


SHADES = {"plain": plain, "gradient": gradient, "striped": striped, "noisy": noisy}


def ramp(angle: float) -> NDArray[np.float64]:
    """From -1 to 1 across the canvas, along `angle`."""
    columns, rows = axes()
    slope: NDArray[np.float64] = np.cos(angle) * columns + np.sin(angle) * rows
    return slope


@lru_cache(maxsize=1)
def axes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line = np.linspace(-1, 1, CANVAS_PIXELS)
    return line[None, :], line[:, None]
