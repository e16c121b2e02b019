"""The bare forward pass: one process, distinct images and texts, the best batch size, nothing else timed.

Decoding, resizing and tokenising are done before, and the copy to a GPU. Texts are sorted by length and
padded to the longest of their batch. How many images and texts a pass takes, and whether the cores share one
pass or run one each, is chosen by trying when the program starts. With `onednn` as the second argument linear
layers multiply with oneDNN, as the service has them on processors where that is quicker, and not with what
torch takes itself.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from loadtests.peers.systems.network import Network
from loadtests.peers.systems.steps import Group, answer_steps

BATCHES = {"cpu": (8, 16, 32), "cuda": (32, 64, 128, 256, 512)}
TRIAL_IMAGES = {"cpu": 32, "cuda": 256}
TRIAL_TEXTS = {"cpu": 64, "cuda": 1024}
TRIAL_LENGTH = 21
TRIAL_SECONDS = 60
"""A large network on a CPU is not tried in all ways."""


@dataclass(frozen=True)
class Way:
    """How a list of inputs is run."""

    batch: int
    shared: bool
    """Whether all cores work at one pass, or each at its own."""

    def run(
        self, encode: Callable[[Tensor], Tensor], parts: Sequence[Tensor], pool: ThreadPoolExecutor
    ) -> Tensor:
        """Return the rows on the host."""
        torch.set_num_threads(os.cpu_count() or 1 if self.shared else 1)
        found = map(encode, parts) if self.shared else pool.map(encode, parts)
        return torch.cat(list(found)).cpu()


class Bare:
    """A network, and the quickest ways that were found to run it."""

    def __init__(self, checkpoint: Path) -> None:
        self.network = network = Network(checkpoint)
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1)
        kind = network.device.type
        pixels = torch.randn(TRIAL_IMAGES[kind], 3, network.side, network.side)
        self.images = self._quickest(network.encode_images, pixels.to(network.device, network.dtype))
        texts = torch.randint(1000, 40000, (TRIAL_TEXTS[kind], TRIAL_LENGTH), device=network.device)
        texts[:, -1] = 49407
        self.texts = self._quickest(network.encode_texts, texts)
        print(f"bare forward: images {self.images}, texts {self.texts}", file=sys.stderr)

    def _quickest(self, encode: Callable[[Tensor], Tensor], inputs: Tensor) -> Way:
        kind = inputs.device.type
        sizes = [one for one in BATCHES[kind] if one <= len(inputs)]
        ways = [Way(*each) for each in product(sizes, (True, False) if kind == "cpu" else (True,))]
        best: dict[Way, float] = {}
        ends = time.perf_counter() + TRIAL_SECONDS
        for way in ways * 2:
            started = time.perf_counter()
            if best and started > ends:
                break
            way.run(encode, inputs.split(way.batch), self.pool)
            best[way] = min(best.get(way, 1e9), time.perf_counter() - started)
        return min(best, key=best.__getitem__)

    def prepare(self, groups: list[Group]) -> tuple[Tensor, list[list[int]], list[list[int]]]:
        """Return pixels, the distinct texts' ids by length, and where each group's texts are among them."""
        network = self.network
        pixels = network.pixels([group.image for group in groups]).to(network.device, network.dtype)
        texts = sorted({text for group in groups for text in group.texts})
        ids = [network.ids([text], to_limit=False)[0].tolist() for text in texts]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        place = {texts[index]: rank for rank, index in enumerate(order)}
        return pixels, [ids[index] for index in order], [[place[t] for t in group.texts] for group in groups]

    def score(self, prepared: tuple[Tensor, list[list[int]], list[list[int]]]) -> list[list[float]]:
        pixels, ids, places = prepared
        images = self.images.run(self.network.encode_images, pixels.split(self.images.batch), self.pool)
        parts = [pad(ids[start : start + self.texts.batch]) for start in range(0, len(ids), self.texts.batch)]
        texts = self.texts.run(self.network.encode_texts, parts, self.pool)
        return [(texts[place] @ row).tolist() for row, place in zip(images, places)]


def pad(ids: list[list[int]]) -> Tensor:
    """Return (B, T) for the longest of the texts, filled up with the end token."""
    longest = max(map(len, ids))
    return torch.tensor([row + row[-1:] * (longest - len(row)) for row in ids])


def take_onednn() -> None:
    """Have all linear layers multiply with oneDNN."""

    def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
        found: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
        return found

    torch.nn.functional.linear = linear


def main() -> None:
    if "onednn" in sys.argv[2:]:
        take_onednn()
    bare = Bare(Path(sys.argv[1]))
    answer_steps(bare.prepare, bare.score)


if __name__ == "__main__":
    main()
