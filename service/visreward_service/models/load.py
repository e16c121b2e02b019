"""From settings to models, one after the other, each refusal named after its model."""

import logging
import os
from collections.abc import Mapping
from importlib import import_module
from typing import cast

from visreward_service.models.base import Model
from visreward_service.models.errors import ModelError
from visreward_service.models.settings import KINDS, ModelSettings, TritonSettings

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
        if settings.triton is None:
            model = load_local(name, settings)
        else:
            on_host = settings.model_copy(update={"device": "cpu"})
            model = connect(name, settings.triton, load_local(name, on_host))
    except ModelError as error:
        raise ModelError(f"models.{name}: {error}") from error
    if not model.info.pinned:
        log.warning(
            "model source is not pinned: the same settings may load other weights tomorrow; name a commit",
            extra={"model": name, "source": settings.source, "revision": model.info.revision},
        )
    return model


def load_local(name: str, settings: ModelSettings) -> Model:
    """Return the model with its weights in this process. Raises `ModelError`."""
    return cast("Model", import_module(KINDS[settings.kind]).load(name, settings))


def connect(name: str, settings: TritonSettings, local: Model) -> Model:
    """Return the model as its servers run it, once they give what the weights here give."""
    try:
        from visreward_service.models.triton import connect_model
    except ImportError as error:
        raise ModelError(
            f'backend = "triton" needs {error.name}, which is not installed: install visreward[triton]'
        ) from error
    return connect_model(name, settings, local)


def demand_determinism() -> None:
    """Have torch choose deterministic kernels in the whole process; before the first use of CUDA."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
