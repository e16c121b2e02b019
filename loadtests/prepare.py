"""Before the encoder: `preprocessing` beside Pillow, and `texts` by length beside padding to 77.

Both need no service. Preprocessing is timed in processor seconds of one thread.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from loadtests.bench import Bench
from loadtests.checkpoint import make_checkpoint
from loadtests.results import Row
from loadtests.traffic import build_step, jpeg
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.base import DecodedImage, Model
from visreward_service.models.images import FORMATS, decode

SIDE = 224
LIMIT = 77
PICTURES = 32
STOCK = "transformers' Pillow processor"
LEAN = "Pillow's pipeline"
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def preprocessing(bench: Bench) -> list[Row]:
    """JPEGs of two sizes to normalised floats of 3×224×224 per core, from the file and from its pixels."""
    models: dict[str, Any] = {way: load_model("clip", settings(bench, way)) for way in ("exact", "fast")}
    return [
        row
        for width, height in ((640, 480), (1920, 1080))
        for row in prepare_all(
            bench, models, f"{width}×{height}", [jpeg(n, width, height) for n in range(PICTURES)]
        )
    ]


def prepare_all(bench: Bench, models: Mapping[str, Any], size: str, files: list[bytes]) -> Iterator[Row]:
    """Run all ways over files of one size by turns."""
    decoded = [Image.open(BytesIO(file)).convert("RGB") for file in files]
    arrays = [DecodedImage(np.array(image)) for image in decoded]
    ways: dict[tuple[str, str], tuple[Callable[[Any], Any], Sequence[Any]]] = {}
    for part, opened in (("", files), (", decoded before", decoded)):
        ways[part, STOCK] = stock_processor(), opened
        ways[part, LEAN] = with_pillow, opened
    for way, model in models.items():
        ways["", way] = normalising(model), files
        ways[", decoded before", way] = partial(stack_one, model), arrays
    best: dict[tuple[str, str], float] = {}
    for _ in range(bench.repeats + 1):
        for name, (function, inputs) in ways.items():
            started = time.thread_time()
            for one in inputs:
                function(one)
            rate = len(inputs) / (time.thread_time() - started)
            best[name] = max(rate, best.get(name, 0.0))
    gaps = {
        way: max(levels_apart(pixels(model, file), reference(file)) for file in files)
        for way, model in models.items()
    }
    for part, way, other in product(("", ", decoded before"), models, (STOCK, LEAN)):
        yield Row(
            f"preprocessing, {size}{part}",
            f'visreward, resize = "{way}"',
            best[part, way],
            other,
            best[part, other],
            unit="images/s",
            aim="≥ 3" if (way, other) == ("fast", STOCK) else "–",
            note=f"within {gaps[way]} levels of Pillow's two passes",
        )


def settings(bench: Bench, way: Any) -> ModelSettings:
    return ModelSettings(kind="clip", source=str(make_checkpoint("vit-b-32", bench.target.cache)), resize=way)


def pixels(model: Model, data: bytes) -> Any:
    """Return what the service makes of a file before its batch is normalised."""
    return model.prepare_image(decode(data, formats=FORMATS, max_bytes=2**30, max_pixels=2**30))


def normalising(model: Any) -> Callable[[bytes], Any]:
    """Return the service's own way from a file to normalised floats."""
    return lambda data: model.stack([pixels(model, data)])[0]


def stack_one(model: Any, image: DecodedImage) -> Any:
    """Prepare what is decoded as the service does."""
    return model.stack([model.prepare_image(image)])[0]


def stock_processor() -> Callable[[bytes | Image.Image], Any]:
    """Return what transformers makes of a file or its pixels for CLIP, by its backend that uses Pillow."""
    from transformers import CLIPImageProcessorPil

    processor: Any = CLIPImageProcessorPil()
    return lambda image: processor(images=opened(image), return_tensors="pt")["pixel_values"][0]


def with_pillow(data: bytes | Image.Image) -> Any:
    """Prepare with as little as Pillow needs: resize the shorter side, crop, scale and normalise."""
    scaled = np.asarray(cropped(opened(data).convert("RGB")), dtype=np.float32) / 255
    return np.ascontiguousarray(((scaled - MEAN) / STD).transpose(2, 0, 1))


def opened(data: bytes | Image.Image) -> Image.Image:
    """Return an image, to be decoded where it is a file."""
    return Image.open(BytesIO(data)) if isinstance(data, bytes) else data


def cropped(image: Image.Image) -> Image.Image:
    scale = SIDE / min(image.size)
    width, height = int(image.width * scale), int(image.height * scale)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + SIDE, top + SIDE))


def reference(data: bytes) -> Any:
    """Return Pillow's pixels by its two passes, across and then down."""
    image = Image.open(BytesIO(data)).convert("RGB")
    scale = SIDE / min(image.size)
    width, height = int(image.width * scale), int(image.height * scale)
    across = image.resize((width, image.height), Image.Resampling.BICUBIC)
    return np.asarray(cropped(across.resize((width, height), Image.Resampling.BICUBIC)))


def levels_apart(ours: Any, theirs: Any) -> int:
    return int(np.abs(np.asarray(ours).astype(int) - theirs).max())


def texts(bench: Bench) -> list[Row]:
    """A step's distinct texts at their own lengths, beside the same texts padded to 77."""
    model: Any = load_model("clip", settings(bench, "exact"))
    step = build_step(5, num_images=bench.num_images, group_size=bench.group_size)
    captions = sorted({text for group in step.completions for text in group})
    tokens = sorted(model.prepare_texts(captions, "short"), key=lambda one: len(one.ids))
    rates: dict[str, list[float]] = {"own": [], "padded": []}
    for _ in range(bench.repeats):
        rates["own"].append(per_second(lambda: encode(model, tokens), len(tokens)))
        padded = [filled(one) for one in tokens]
        rates["padded"].append(per_second(lambda: encode(model, padded), len(tokens)))  # noqa: B023
    own, whole = (max(rates[name]) for name in ("own", "padded"))
    mean = sum(len(one.ids) for one in tokens) / len(tokens)
    note = f"mean {mean:.1f} tokens"
    return [
        Row("texts", "visreward's encoder", own, "padded to 77", whole, unit="texts/s", aim="≥ 3", note=note)
    ]


def filled(tokens: Any) -> Any:
    """Return a text of 77 tokens, which costs what one padded to 77 does: behind the end nothing is read."""
    ids = tokens.ids
    return type(tokens)((*ids[:-1], *ids[1:2] * (LIMIT - len(ids)), ids[-1]), LIMIT)


def encode(model: Model, tokens: Sequence[Any]) -> None:
    for start in range(0, len(tokens), 64):
        model.encode_texts(tokens[start : start + 64], "short")


def per_second(function: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    function()
    return count / (time.perf_counter() - started)
