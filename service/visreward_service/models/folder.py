"""A Hugging Face folder on its way to becoming a model: config, weights, preprocessing, where it will run.

What the kinds `clip`, `fgclip`, `fgclip2` and `siglip2` read alike. Knows no architecture.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from visreward_service.models.devices import check_memory, pick_device, pick_dtype
from visreward_service.models.errors import ModelError
from visreward_service.models.parts import Identity, Parts
from visreward_service.models.preprocess import Preprocessing
from visreward_service.models.resize import Filter
from visreward_service.models.settings import ModelSettings
from visreward_service.models.sources import Checkpoint, find_checkpoint
from visreward_service.models.weights import (
    check_module,
    count_parameters,
    drop_positions,
    find_weights,
    fingerprint,
    load_exactly,
    read_json,
    read_state,
)

CONFIG = "config.json"
FILTERS: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as preprocessor configs have them."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """An opened checkpoint; the weights are read when `fill` is called."""

    name: str
    settings: ModelSettings
    checkpoint: Checkpoint
    config: dict[str, Any]
    files: list[Path]
    device: torch.device
    dtype: torch.dtype

    @property
    def path(self) -> Path:
        return self.checkpoint.folder

    def fill(self, network: nn.Module) -> None:
        """Put the published tensors into the network. Raise `ModelError` for one missing or left over."""
        load_exactly(network, drop_positions(read_state(self.files)), where=self.path)
        check_module(network, self.path)

    def build_parts(self, network: nn.Module, **facts: Any) -> Parts:
        """Return the parts of a filled network; `facts` are those of `Identity.build_parts`."""
        identity = Identity(
            name=self.name,
            settings=self.settings,
            revision=self.checkpoint.commit or fingerprint([*self.files, self.path / CONFIG]),
            pinned=self.checkpoint.pinned,
            device=self.device,
            dtype=self.dtype,
            license=read_license(self.path),
        )
        return identity.build_parts(network, **facts)

    def resizing(self) -> dict[str, Any]:
        """Return how images are resized, as keyword arguments of `Resizing`."""
        return {"way": self.settings.resize_way(self.device.type), "device": self.device}


def open_folder(name: str, settings: ModelSettings) -> Folder:
    """Find the checkpoint and refuse what can be refused before any weight is read."""
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    checkpoint = find_checkpoint(settings.source, allow_pickle=settings.allow_pickle_weights)
    config = read_json(checkpoint.folder / CONFIG)
    files = find_weights(checkpoint.folder, allow_pickle=settings.allow_pickle_weights)
    check_memory(count_parameters(files), dtype, device)
    return Folder(
        name=name,
        settings=settings,
        checkpoint=checkpoint,
        config=config,
        files=files,
        device=device,
        dtype=dtype,
    )


def refuse_type(folder: Folder, expected: Mapping[str, str]) -> None:
    """Raise `ModelError` where the config's `model_type` is not a key of `expected`.

    The values name the kind for types that are another's.
    """
    found = folder.config.get("model_type")
    kind = expected.get(str(found))
    if kind != folder.settings.kind:
        hint = f'; set kind = "{kind}"' if kind else f"; this kind loads {', '.join(expected)}"
        raise ModelError(f"{folder.path / CONFIG} is of model type {found!r}{hint}")


def read_preprocessing(folder: Folder) -> Preprocessing:
    """Return the preprocessing of `preprocessor_config.json`, or of `processor_config.json`."""
    config = demand_processor(folder)
    for key, value in (("do_resize", True), ("do_rescale", True), ("do_normalize", True)):
        if config.get(key, value) is not value:
            raise ModelError(f"{folder.path}: preprocessing with {key} = {config[key]} is not supported")
    if not math.isclose(config.get("rescale_factor", 1 / 255), 1 / 255, rel_tol=1e-6):
        raise ModelError(f"{folder.path}: rescale_factor {config['rescale_factor']} is not 1/255")
    resample = config.get("resample", 3)
    if resample not in FILTERS:
        raise ModelError(f"{folder.path}: resample {resample} is none of {FILTERS}")
    return Preprocessing(
        **_geometry(folder, config),
        filter=FILTERS[resample],
        mean=triple(config["image_mean"]),
        std=triple(config["image_std"]),
        **folder.resizing(),
    )


def demand_processor(folder: Folder) -> dict[str, Any]:
    """Return the image processor's config. Raise `ModelError` where the folder has none."""
    config = read_processor(folder)
    if config is None:
        raise ModelError(
            f"{folder.path} has no preprocessor_config.json: add it as published with the weights"
        )
    return config


def read_processor(folder: Folder) -> dict[str, Any] | None:
    """Return the image processor's config; None where the folder has none."""
    plain, whole = folder.path / "preprocessor_config.json", folder.path / "processor_config.json"
    if plain.is_file():
        return read_json(plain)
    found = read_json(whole).get("image_processor") if whole.is_file() else None
    return found if isinstance(found, dict) else None


def _geometry(folder: Folder, config: Mapping[str, Any]) -> dict[str, Any]:
    size = config.get("size", 224)
    sides = size if isinstance(size, dict) else {"shortest_edge": int(size)}
    if "height" in sides:
        return {"height": int(sides["height"]), "width": int(sides["width"]), "mode": "squash"}
    if "shortest_edge" not in sides or not config.get("do_center_crop", True):
        raise ModelError(
            f"{folder.path}: preprocessing to size {size} without a crop gives images of many sizes"
        )
    side = int(sides["shortest_edge"])
    crop = config.get("crop_size", side)
    height, width = (
        (int(crop["height"]), int(crop["width"])) if isinstance(crop, dict) else (int(crop), int(crop))
    )
    return {"height": height, "width": width, "mode": "crop", "shorter_side": side}


def read_license(folder: Path) -> str | None:
    """Return the license that the front matter of the folder's model card names."""
    card = folder / "README.md"
    head = card.read_text("utf-8").split("---")[1:2] if card.is_file() else []
    lines = [line.partition(":") for line in "".join(head).splitlines()]
    return next((value.strip() for key, _, value in lines if key == "license" and value.strip()), None)


def triple(values: Any) -> tuple[float, float, float]:
    """Return the three numbers of a mean or a deviation."""
    first, second, third = (float(value) for value in values)
    return first, second, third
