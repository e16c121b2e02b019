"""Kind `fgclip`: FG-CLIP v1 checkpoints, and the bundled model, which is one."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from visreward_service.models.base import Model, Pixels
from visreward_service.models.clip import cut_at_end, read_clip_texts, refuse_gelu
from visreward_service.models.encoder import Encoder
from visreward_service.models.folder import Folder, open_folder, read_processor, refuse_type, triple
from visreward_service.models.networks import Branch, FGClip, FGClipConfig
from visreward_service.models.preprocess import Preprocessing
from visreward_service.models.settings import ModelSettings

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class FgClipEncoder(Encoder):
    """Branches `short` and `long`, views `pooled` and `dense`."""

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        network = cast("FGClip", self.module)
        pixels = self.stack(batch)
        return network.dense_features(pixels) if view == "dense" else network.image_features(pixels)

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        return cast("FGClip", self.module).text_features(ids, cast("Branch", branch))

    packs_texts = True

    def packed_text_features(self, texts: Sequence[Sequence[int]], branch: str) -> Tensor:
        cut = cut_at_end(texts, self.parts.readers[branch])
        return cast("FGClip", self.module).packed_text_features(cut, cast("Branch", branch))


def load(name: str, settings: ModelSettings) -> Model:
    """Return the model. Raises `ModelError`."""
    folder = open_folder(name, settings)
    refuse_type(folder, {"clip": "fgclip", "fgclip": "fgclip", "fgclip2": "fgclip2"})
    config = FGClipConfig.from_dict(folder.config)
    refuse_gelu(folder, config.clip)
    short = read_clip_texts(folder, config.text, limit=config.short_positions)
    long = read_clip_texts(folder, config.text, limit=config.long_positions)
    network = FGClip(config)
    folder.fill(network)
    return FgClipEncoder(
        folder.build_parts(
            network,
            dim=config.projection,
            views=("pooled", "dense"),
            grid=(config.grid, config.grid),
            prepare=squash(folder, config.image_size),
            readers={"short": short, "long": long},
            pad=short.end,
            pads_to_limit=False,
        )
    )


def squash(folder: Folder, side: int) -> Preprocessing:
    """Return FG-CLIP's own preprocessing: both sides resized to the square by Pillow's default, bicubic.

    The published preprocessor config crops; the authors' code squashes before it gets there, so that only its
    mean and deviation count (README of the v1.0 branch).
    """
    config: dict[str, Any] = read_processor(folder) or {}
    return Preprocessing(
        height=side,
        width=side,
        mode="squash",
        mean=triple(config.get("image_mean", CLIP_MEAN)),
        std=triple(config.get("image_std", CLIP_STD)),
        **folder.resizing(),
    )
