"""The rendered scenes of a training run, kept in memory at the size of the model's input.

Scenes come from a row of seeds, so the pool is the same however many processes draw it. It knows no texts
and no network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visreward_service.scenes.rendering import render_scene
from visreward_service.scenes.spec import Scene

CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Scenes with their pictures, in the order of their seeds."""

    pixels: NDArray[np.uint8]
    "(N, S, S, 3)"
    scenes: tuple[Scene, ...]


def fitted(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """A picture squashed to (size, size, 3), bicubic: FG-CLIP's preprocessing before rescaling."""
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


Chunk = tuple[NDArray[np.uint8], list[Scene]]


def render_chunk(task: tuple[int, int, int]) -> Chunk:
    """The pictures and scenes of (first seed, count, size)."""
    first, count, size = task
    rendered = [render_scene(seed) for seed in range(first, first + count)]
    return np.stack([fitted(image, size) for image, _ in rendered]), [scene for _, scene in rendered]


def map_tasks(tasks: list[tuple[int, int, int]], processes: int) -> Iterator[Chunk]:
    """The chunks in order; in this process where there is only one."""
    if processes == 1:
        yield from map(render_chunk, tasks)
        return
    with get_context("spawn").Pool(processes) as workers:
        yield from workers.imap(render_chunk, tasks)


def build_pool(
    count: int,
    *,
    first_seed: int,
    size: int,
    processes: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Pool:
    """Render the scenes of seeds `first_seed` to `first_seed + count - 1` at `size` pixels."""
    pixels = np.empty((count, size, size, 3), np.uint8)
    scenes: list[Scene] = []
    tasks = [(first_seed + i, min(CHUNK, count - i), size) for i in range(0, count, CHUNK)]
    for chunk, drawn in map_tasks(tasks, processes):
        pixels[len(scenes) : len(scenes) + len(drawn)] = chunk
        scenes.extend(drawn)
        if on_progress is not None:
            on_progress(len(scenes))
    return Pool(pixels=pixels, scenes=tuple(scenes))
