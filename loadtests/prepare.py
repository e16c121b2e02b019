"""Before the encoder: `preprocessing` beside Pillow, and `texts` by length beside padding to 77.

Both need no service. Preprocessing is timed in processor seconds of one thread.
"""

import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from loadtests.bench import Bench
from loadtests.checkpoint import make_vit_b_32
from loadtests.results import Row
from loadtests.traffic import build_step, jpeg
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.base import Model
from visreward_service.models.images import FORMATS, decode

SIDE = 224
LIMIT = 77
PICTURES = 32
STOCK = "transformers' Pillow processor"
LEAN = "Pillow's pipeline"
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def preprocessing(bench: Bench) -> list[Row]:
    """JPEGs of 640×480 and of 1920×1080 to normalised floats of 3×224×224, decoding included, per core."""
    rows = []
    for width, height in ((640, 480), (1920, 1080)):
        pictures = [jpeg(number, width, height) for number in range(PICTURES)]
        models: dict[str, Any] = {way: load_model("clip", settings(bench, way)) for way in ("exact", "fast")}
        ways: dict[str, Callable[[bytes], Any]] = {
            STOCK: stock_processor(),
            LEAN: with_pillow,
            **{way: normalising(model) for way, model in models.items()},
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(bench.repeats + 1):
            for name, function in ways.items():
                started = time.thread_time()
                for picture in pictures:
                    function(picture)
                rates[name].append(len(pictures) / (time.thread_time() - started))
        best = {name: max(found) for name, found in rates.items()}
        for way, model in models.items():
            gap = max(levels_apart(pixels(model, picture), reference(picture)) for picture in pictures)
            for other in (STOCK, LEAN):
                aim = "≥ 3" if (way, other) == ("fast", STOCK) else "–"
                rows.append(
                    Row(
                        f"preprocessing, {width}×{height}",
                        f'visreward, resize = "{way}"',
                        best[way],
                        other,
                        best[other],
                        unit="images/s",
                        aim=aim,
                        note=f"within {gap} levels of Pillow's two passes",
                    )
                )
    return rows


def settings(bench: Bench, way: Any) -> ModelSettings:
    return ModelSettings(kind="clip", source=str(make_vit_b_32(bench.cache)), resize=way)


def pixels(model: Model, data: bytes) -> Any:
    """Return what the service makes of a file before its batch is normalised."""
    return model.prepare_image(decode(data, formats=FORMATS, max_bytes=2**30, max_pixels=2**30))


def normalising(model: Any) -> Callable[[bytes], Any]:
    """Return the service's own way from a file to normalised floats."""
    return lambda data: model.stack([pixels(model, data)])[0]


def stock_processor() -> Callable[[bytes], Any]:
    """Return what transformers makes of a file for CLIP, by its backend that uses Pillow."""
    from transformers import CLIPImageProcessorPil

    processor: Any = CLIPImageProcessorPil()
    return lambda data: processor(images=Image.open(BytesIO(data)), return_tensors="pt")["pixel_values"][0]


def with_pillow(data: bytes) -> Any:
    """Prepare with as little as Pillow needs: decode, resize the shorter side, crop, scale and normalise."""
    image = Image.open(BytesIO(data)).convert("RGB")
    scaled = np.asarray(cropped(image), dtype=np.float32) / 255
    return np.ascontiguousarray(((scaled - MEAN) / STD).transpose(2, 0, 1))


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
