"""What an operator sets of a model, and the names of the kinds. Imports no torch."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

KINDS: dict[str, str] = {
    "clip": "visreward_service.models.clip",
    "fgclip": "visreward_service.models.fgclip",
    "fgclip2": "visreward_service.models.fgclip2",
    "open_clip": "visreward_service.models.openclip",
    "siglip2": "visreward_service.models.siglip2",
}
"""Kinds of model, each a module with `load(name, settings) -> Model`, imported when one is asked for."""

Count = Annotated[int, Field(ge=1)]


Seconds = Annotated[float, Field(gt=0)]


class TritonSettings(BaseModel):
    """The table `[models.NAME.triton]`: servers of the Open Inference Protocol that run the encoder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    """Host and gRPC port of each; they share the batches, and stand in for one another."""
    models: dict[str, str] = {}
    """What the servers call a view or text branch, such as `short`; `NAME_short` unless it is named here."""
    timeout_seconds: Seconds = 10.0
    """For one answer of one server."""
    patience_seconds: Seconds = 60.0
    """How long a batch waits for a server, such as one that is being restarted."""
    health_seconds: Seconds = 1.0
    """How often each is asked whether it is ready."""
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    """How far its numbers may lie from those of the checkpoint at start; 16-bit servers need more."""
    api_key: SecretStr | None = None
    """Sent as a bearer key."""
    ca: Path | None = None
    """Roots in PEM; with them the connection is encrypted."""

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            host, _, port = url.rpartition(":")
            if not host or not port.isdigit() or "/" in url:
                raise ValueError(f"{url!r} is no host:port of a gRPC server")
        return urls


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
    resize: Literal["auto", "exact", "fast", "device"] = "auto"
    """`exact` is Pillow's; `fast` torch's on the CPU, within two levels; `device` torch's where the model
    runs, within one level. `auto`: exact on the CPU, device elsewhere."""
    deterministic: bool = False
    """Off the CPU every batch is filled up to one size, so that a row has the same bits in any batch. A model
    that does not keep to it does not start."""
    allow_pickle_weights: bool = False
    """Whether a `.bin` or `.pth` is read where there is no safetensors, by torch's restricted unpickler."""
    pretrained: str | None = None
    """open_clip only: weights for a library name, a tag such as `laion2b_s34b_b79k` or a safetensors file."""
    force_quick_gelu: bool = False
    """open_clip only: give a library name the activation of OpenAI's weights."""

    backend: Literal["local", "triton"] = "local"
    """`triton`: images and texts are prepared here, and encoded by the servers of `triton`."""
    triton: TritonSettings | None = None

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
    def _backend_has_servers(self) -> "ModelSettings":
        if (self.backend == "triton") != (self.triton is not None):
            raise ValueError('backend = "triton" and the table triton, with its urls, go together')
        return self

    @model_validator(mode="after")
    def _library_options(self) -> "ModelSettings":
        if self.kind != "open_clip" and (self.pretrained is not None or self.force_quick_gelu):
            raise ValueError(f"pretrained and force_quick_gelu are for open_clip, not for kind {self.kind}")
        return self

    def resize_way(self, device_type: str) -> Literal["exact", "fast", "device"]:
        """Return how images are resized for a model on a device of that type."""
        if self.resize == "auto":
            return "exact" if device_type == "cpu" else "device"
        return self.resize

    @property
    def pretrained_file(self) -> Path | None:
        """The weights of a library name, where they are a file."""
        path = Path(self.pretrained).expanduser() if self.pretrained else None
        return path if path is not None and path.is_file() else None
