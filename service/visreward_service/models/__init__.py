"""Encoders: loading, preprocessing, forward. The one place that imports torch, when a model is loaded."""

from visreward_service.models.base import DecodedImage, Model, ModelInfo, Pixels, Tokens, Vector
from visreward_service.models.errors import ModelError
from visreward_service.models.load import load_model, load_models
from visreward_service.models.settings import KINDS, ModelSettings

__all__ = [
    "KINDS",
    "DecodedImage",
    "Model",
    "ModelError",
    "ModelInfo",
    "ModelSettings",
    "Pixels",
    "Tokens",
    "Vector",
    "load_model",
    "load_models",
]
