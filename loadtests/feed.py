"""`feed`: how much one process can bring before an encoder, and take from it: the bound of a fast GPU.

The encoder is a stand-in that answers at once, with one vector for everything. All else is the service's own:
requests, decoding, resizing, tokenising, caches, queues and answers. `python -m loadtests.feed PORT SETTINGS`
is that service.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from loadtests.bench import Bench, by_way_of
from loadtests.grouped import timed_score
from loadtests.results import Row
from loadtests.service import write_settings
from loadtests.traffic import build_step
from visreward import RewardClient
from visreward_service import main as service
from visreward_service.models import ModelSettings, load_models
from visreward_service.models.base import DecodedImage, Model, ModelInfo, Pixels, Tokens, Vector

NUM_IMAGES = 560
"""Of a step, as PeBR-R1 has it."""
SYSTEM = "visreward, an encoder that takes no time"


class Instant:
    """A stand-in for a model on a device: prepares as the model does, and encodes nothing."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.info: ModelInfo = replace(model.info, passes=1)
        self._row: Vector = np.full(model.info.dim, model.info.dim**-0.5, np.float32)

    def prepare_image(self, image: DecodedImage) -> Pixels:
        return self._model.prepare_image(image)

    def prepare_texts(self, texts: Sequence[str], branch: str) -> list[Tokens]:
        return self._model.prepare_texts(texts, branch)

    def encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        del view
        return [self._row] * len(batch)

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        del branch
        return [self._row] * len(batch)


def feed(bench: Bench) -> Iterator[Row]:
    """Score new steps, and the same images again."""
    rates: dict[str, list[float]] = {"feed, new images": [], "feed, images of before": []}
    with instant(bench) as own, RewardClient(url=own.url) as client:
        own.score(client, build_step(0, num_images=4, group_size=2))
        for seed in range(9001, 9001 + bench.repeats):
            step = build_step(seed, num_images=NUM_IMAGES, group_size=bench.group_size)
            again = build_step(100 + seed, num_images=0, group_size=bench.group_size, images=step.images)
            for name, one, images in zip(rates, (step, again), (NUM_IMAGES, 0)):
                rates[name].append(one.num_items / timed_score(own, client, one, images=images).seconds)
    note = f"{NUM_IMAGES} images with {bench.group_size} completions; {os.cpu_count()} cores, client included"
    for name, found in rates.items():
        yield Row(name, SYSTEM, max(found), note=note)


@contextmanager
def instant(bench: Bench) -> Iterator[Bench]:
    """Start the service with the stand-in; yield the bench that goes to it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = write_settings(bench.target, Path(folder))
        with by_way_of(bench, "loadtests.feed", str(settings)) as own:
            yield own


def load_instant(settings: Mapping[str, ModelSettings]) -> dict[str, Model]:
    """Return the models of the settings, resized as fast as the CPU can, with stand-ins before them."""
    quick = {name: one.model_copy(update={"resize": "fast"}) for name, one in settings.items()}
    return {name: Instant(model) for name, model in load_models(quick).items()}


if __name__ == "__main__":
    with mock.patch.object(service, "load_models", load_instant):
        sys.exit(service.serve(Path(sys.argv[2]), port=int(sys.argv[1])))
