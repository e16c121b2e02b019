"""Kind `open_clip`: any model of the open_clip library, from a folder, the hub, or a name of the library.

The library builds the network, converts and loads the weights, and says how images and texts are prepared.
What it only warns of is refused here, and texts of its plain CLIP class are not padded to 77.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

# The schemas come before open_clip, which imports torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.base import Model, Pixels
from visreward_service.models.devices import check_memory, pick_device, pick_dtype
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.openclip_inputs import build_preprocessing, build_reader
from visreward_service.models.parts import Identity, Parts
from visreward_service.models.rows import multiply, steady_rows
from visreward_service.models.settings import ModelSettings
from visreward_service.models.sources import find_checkpoint
from visreward_service.models.weights import (
    check_module,
    count_parameters,
    find_weights,
    fingerprint,
    name_some,
    read_json,
    read_state,
)

import open_clip  # isort: skip

CONFIG = "open_clip_config.json"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model of the library comes from."""

    name: str
    """What the library is asked for: `local-dir:<folder>` or a name."""
    pretrained: str | None
    """Tag or file, for a name."""
    files: list[Path]
    config: Path | None
    pinned: bool
    commit: str | None = None

    @property
    def revision(self) -> str:
        return self.commit or fingerprint([*self.files, *([self.config] if self.config else [])])


class OpenClipEncoder(Encoder):
    """Branch `short` and the pooled view."""

    def __init__(self, parts: Parts) -> None:
        network = cast("Any", parts.module)
        self._reads_short = reads_short(network)
        self._image_projection = take_image_projection(network)
        self._text_projection = take_text_projection(network) if self._reads_short else None
        super().__init__(parts)

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        del view
        features = cast("Any", self.module).encode_image(self.stack(batch))
        return project(features, self._image_projection)

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        del branch
        network = cast("Any", self.module)
        if not self._reads_short:
            return cast("Tensor", network.encode_text(ids))
        length = ids.shape[1]
        hidden = network.token_embedding(ids) + network.positional_embedding[:length]
        hidden = network.transformer(hidden, attn_mask=network.attn_mask[:length, :length])
        pooled = network.ln_final(hidden[torch.arange(ids.shape[0]), ids.argmax(dim=1)])
        return project(pooled, self._text_projection)


def project(features: Tensor, weight: Tensor | None) -> Tensor:
    """Return `features @ weight.T` with steady bits; the features themselves without a weight."""
    return features if weight is None else multiply(features, weight, None, rows=steady_rows(weight))


def take_image_projection(network: Any) -> Tensor | None:
    """Take the last projection from a vision transformer, which multiplies it with one row per image."""
    visual = network.visual
    if not isinstance(visual, open_clip.transformer.VisionTransformer) or visual.proj is None:
        return None
    projection: Tensor = visual.proj.detach()
    visual.proj = None
    return projection.T.contiguous()


def take_text_projection(network: Any) -> Tensor | None:
    """Return the weight of the text's last projection, (D, width)."""
    projection = network.text_projection
    if isinstance(projection, nn.Linear):
        return projection.weight.detach()
    return None if projection is None else projection.detach().T.contiguous()


def reads_short(network: nn.Module) -> bool:
    """Whether texts need no padding: the library's plain class, causal, pooled at the highest id."""
    plain = type(network) is open_clip.model.CLIP
    return plain and network.text_pool_type == "argmax" and network.attn_mask is not None


def load(name: str, settings: ModelSettings) -> Model:
    """Return the model. Raises `ModelError`."""
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    origin = find_origin(settings)
    refuse_gelu(settings, origin)
    check_memory(count_parameters(origin.files), dtype, device)
    network = build(settings, origin)
    reader, pad = build_reader(origin.name, network)
    identity = Identity(
        name=name,
        settings=settings,
        revision=origin.revision,
        pinned=origin.pinned,
        device=device,
        dtype=dtype,
    )
    return OpenClipEncoder(
        identity.build_parts(
            network,
            dim=measure_dim(network),
            prepare=build_preprocessing(network, way=settings.resize_way(device.type), device=device),
            readers={"short": reader},
            pad=pad,
            pads_to_limit=not reads_short(network),
        )
    )


def find_origin(settings: ModelSettings) -> Origin:
    """Return where the weights are, downloaded where they must be."""
    if settings.source in open_clip.list_models():
        return find_by_name(settings)
    if settings.pretrained is not None:
        raise ModelError(
            f"pretrained = {settings.pretrained!r} is for names of the library, and {settings.source!r} is "
            "none: leave it out, or see open_clip.list_models()"
        )
    checkpoint = find_checkpoint(settings.source, allow_pickle=settings.allow_pickle_weights)
    folder = checkpoint.folder
    if "model_cfg" not in read_json(folder / CONFIG):
        raise ModelError(f"{folder / CONFIG} has no model_cfg: it is no open_clip folder")
    files = find_weights(folder, allow_pickle=settings.allow_pickle_weights)
    return Origin(
        name=f"local-dir:{folder}",
        pretrained=None,
        files=files,
        config=folder / CONFIG,
        pinned=checkpoint.pinned,
        commit=checkpoint.commit,
    )


def find_by_name(settings: ModelSettings) -> Origin:
    """Return the origin of a name of the library, whose weights are a file or a tag."""
    tags = open_clip.list_pretrained_tags_by_model(settings.source)
    file = settings.pretrained_file
    if file is None and settings.pretrained not in tags:
        raise ModelError(
            f"{settings.source} is an architecture; its weights are named by pretrained = a safetensors file "
            f"or a tag ({name_some(tags)}), not {settings.pretrained!r}"
        )
    if file is None:
        address = open_clip.get_pretrained_cfg(settings.source, settings.pretrained)
        try:
            file = Path(open_clip.download_pretrained(address))
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"{settings.source} {settings.pretrained} cannot be downloaded ({first_line(error)}): name a "
                "folder with open_clip_config.json, or a safetensors file"
            ) from error
    if file.suffix != ".safetensors" and not settings.allow_pickle_weights:
        raise ModelError(
            f"{file} is a pickle, and only safetensors are read: convert it, or set "
            "allow_pickle_weights = true"
        )
    return Origin(
        name=settings.source,
        pretrained=settings.pretrained,
        files=[file],
        config=None,
        pinned=settings.pretrained_file is not None,
    )


def refuse_gelu(settings: ModelSettings, origin: Origin) -> None:
    """Raise `ModelError` where the activation is not that of the training; the library only warns."""
    model = open_clip.get_model_config(origin.name)
    quick = settings.force_quick_gelu or bool(model.get("quick_gelu", False))
    tag = open_clip.get_pretrained_cfg(settings.source, settings.pretrained) if origin.pretrained else {}
    named = f"{settings.source} {settings.pretrained or ''}".lower()
    wanted = bool(tag.get("quick_gelu", False)) if tag else ("openai" in named or quick)
    if wanted and not quick:
        cure = (
            f"set quick_gelu to true in {origin.config}"
            if origin.config
            else f'use source = "{settings.source}-quickgelu" or force_quick_gelu = true'
        )
        raise ModelError(f"these weights were trained with QuickGELU, and the config builds GELU: {cure}")
    if quick and not wanted:
        raise ModelError("these weights were trained with GELU, and the config builds QuickGELU")


def build(settings: ModelSettings, origin: Origin) -> Any:
    """Return the library's network with all of its weights, in float32 on the CPU."""
    try:
        network = open_clip.create_model(
            origin.name,
            pretrained=origin.pretrained,
            precision="fp32",
            device="cpu",
            force_quick_gelu=settings.force_quick_gelu,
            require_pretrained=True,
            weights_only=True,
        )
    except (RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())
        raise ModelError(
            f"open_clip cannot load {origin.name}: {text[:500]}. Check that {CONFIG} and the weights are of "
            "one checkpoint"
        ) from error
    refuse_filled(network, origin)
    check_module(network, origin.files[0])
    return network


def refuse_filled(network: nn.Module, origin: Origin) -> None:
    """Raise `ModelError` where the library made up what the file lacks: a logit bias, or resized positions.

    Files in another project's layout, which it converts, are taken as it has them.
    """
    state, own = read_state(origin.files), network.state_dict()
    if "logit_bias" in own and "logit_bias" not in state and "logit_scale" in state:
        raise ModelError(f"{origin.files[0]} has no logit_bias, which its config asks for")
    bent = [key for key in state.keys() & own.keys() if state[key].numel() != own[key].numel()]
    if bent:
        raise ModelError(
            f"{origin.files[0]} has {name_some(sorted(bent))} of another shape than its config: they are not "
            "of one checkpoint"
        )


def first_line(error: Exception) -> str:
    """Return the first line of what a library says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def measure_dim(network: Any) -> int:
    """Return the length of an embedding."""
    return int(network.encode_text(torch.zeros(1, network.context_length, dtype=torch.long)).shape[-1])
