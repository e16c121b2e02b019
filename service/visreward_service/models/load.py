"""From settings to models, one after the other, each refusal named after its model."""

import logging
import os
from collections.abc import Mapping
from importlib import import_module
from typing import cast

from visreward_service.models.base import Model
from visreward_service.models.errors import ModelError
from visreward_service.models.settings import KINDS, ModelSettings

log = logging.getLogger(__name__)


def load_models(settings: Mapping[str, ModelSettings]) -> dict[str, Model]:
    """Return the models by name, ready to encode.

    Raises `ModelError` for the first that must not start: weights missing, partly missing or left over, a
    wrong activation, no tokenizer, a dtype or device that is not there, too little memory.
    """
    if any(one.deterministic for one in settings.values()):
        demand_determinism()
    return {name: load_model(name, one) for name, one in settings.items()}


def load_model(name: str, settings: ModelSettings) -> Model:
    """Return one model. Raises `ModelError` with the setting's name in front."""
    try:
        model = cast("Model", import_module(KINDS[settings.kind]).load(name, settings))
    except ModelError as error:
        raise ModelError(f"models.{name}: {error}") from error
    if not model.info.pinned:
        log.warning(
            "model source is not pinned: the same settings may load other weights tomorrow; name a commit",
            extra={"model": name, "source": settings.source, "revision": model.info.revision},
        )
    return model


def demand_determinism() -> None:
    """Have torch choose deterministic kernels in the whole process; before the first use of CUDA."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
