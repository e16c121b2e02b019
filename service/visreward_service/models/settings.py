"""What an operator sets of a model, and the names of the kinds. Imports no torch."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

KINDS: dict[str, str] = {
    "clip": "visreward_service.models.clip",
    "fgclip": "visreward_service.models.fgclip",
    "fgclip2": "visreward_service.models.fgclip2",
    "open_clip": "visreward_service.models.openclip",
    "siglip2": "visreward_service.models.siglip2",
}
"""Kinds of model, each a module with `load(name, settings) -> Model`, imported when one is asked for."""

Count = Annotated[int, Field(ge=1)]


class ModelSettings(BaseModel):
    """One `[models.NAME]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    """A key of `KINDS`."""
    source: str
    """`hf:<repo>@<commit>`, a folder, `bundled:<name>`; for `open_clip` also a name of that library."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the network. Embeddings are normalised in float32 and returned in it."""
    device: str = "auto"
    """`auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:<index>`."""
    max_batch_images: Count = 32
    max_batch_texts: Count = 128
    """Items of one forward pass; larger batches are split."""
    resize: Literal["auto", "exact", "fast"] = "auto"
    """`exact` is Pillow's; `fast` torch's, within two levels. `auto`: exact on the CPU, fast elsewhere."""
    deterministic: bool = False
    """Off the CPU: every batch is filled up to one size, so that a row has the same bits in any batch."""
    allow_pickle_weights: bool = False
    """Whether a `.bin` or `.pth` is read where there is no safetensors, by torch's restricted unpickler."""
    pretrained: str | None = None
    """open_clip only: weights for a library name, a tag such as `laion2b_s34b_b79k` or a safetensors file."""
    force_quick_gelu: bool = False
    """open_clip only: give a library name the activation of OpenAI's weights."""

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, n=1, cutoff=0.5)
            hint = f"nearest: {near[0]}" if near else f"known: {', '.join(KINDS)}"
            raise ValueError(f'no such kind of model "{kind}"; {hint}')
        return kind

    @field_validator("source")
    @classmethod
    def _not_blank(cls, source: str) -> str:
        if not source.strip():
            raise ValueError("must name a folder, hf:<repo>@<commit> or bundled:<name>")
        return source

    @model_validator(mode="after")
    def _library_options(self) -> "ModelSettings":
        if self.kind != "open_clip" and (self.pretrained is not None or self.force_quick_gelu):
            raise ValueError(f"pretrained and force_quick_gelu are for open_clip, not for kind {self.kind}")
        return self

    def is_fast(self, device_type: str) -> bool:
        """Whether images are resized by torch on the way to a device of that type."""
        return self.resize == "fast" or (self.resize == "auto" and device_type != "cpu")

    @property
    def pretrained_file(self) -> Path | None:
        """The weights of a library name, where they are a file."""
        path = Path(self.pretrained).expanduser() if self.pretrained else None
        return path if path is not None and path.is_file() else None
