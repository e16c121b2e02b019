"""A loaded model of every kind, with the independent models it is compared with; made once a session."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.service.models import checkpoints
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.encoder import Encoder


@dataclass(frozen=True)
class Pair:
    """A model as the service has it, and its reference."""

    folder: Path
    model: Encoder
    reference: Any


MAKERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "clip": ("clip", checkpoints.make_clip),
    "fgclip": ("fgclip", checkpoints.make_fgclip),
    "fgclip2": ("fgclip2", checkpoints.make_fgclip2),
    "siglip2": ("siglip2", checkpoints.make_siglip_fixed),
    "naflex": ("siglip2", checkpoints.make_siglip_naflex),
    "open_clip": ("open_clip", checkpoints.make_open_clip),
}

Pairs = Callable[[str], Pair]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Makes and loads a model by its key in `MAKERS`, once."""
    made: dict[str, Pair] = {}

    def pair(key: str) -> Pair:
        if key not in made:
            kind, make = MAKERS[key]
            folder = tmp_path_factory.mktemp(key)
            reference = make(folder)
            model = load_model(key, ModelSettings(kind=kind, source=str(folder), device="cpu"))
            made[key] = Pair(folder, cast("Encoder", model), reference)
        return made[key]

    return pair
