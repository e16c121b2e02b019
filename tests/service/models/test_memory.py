"""A device without memory for a batch: torch's own error, from the network, makes later batches smaller."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from visreward_service.engine.lane import Lane, LaneLimits
from visreward_service.metrics import Metrics
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import OutOfMemory
from visreward_service.models.load import load_local
from visreward_service.models.settings import ModelSettings
from visreward_service.scorers.base import Fault, TextEncoding

ROOM = 40
"""Tokens that fit into the device at once: a few texts, laid end to end."""
TEXTS = [f"{number} red balls and a blue cup" for number in range(12)]


def bundled() -> Encoder:
    model = load_local("small", ModelSettings(kind="fgclip", source="bundled:scenes-fgclip"))
    assert isinstance(model, Encoder)
    return model


def leave_room(model: Encoder, rows: int) -> None:
    """Make the network fail as torch does where its input has more rows."""

    def check(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].shape[0] > rows:
            raise torch.OutOfMemoryError(f"no room for {inputs[0].shape[0]} rows")

    for module in model.module.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_pre_hook(check)


async def test_texts_get_the_same_bits_in_the_batches_that_fit() -> None:
    model, metrics = bundled(), Metrics()
    tokens = model.prepare_texts(TEXTS, "short")
    expected = model.encode_texts(tokens, "short")
    leave_room(model, ROOM)
    lane = Lane(model, limits=LaneLimits(max_wait_seconds=0.0), metrics=metrics)
    lane.start()
    tickets = [lane.claim(TextEncoding("small", text), 0) for text in TEXTS]
    for ticket, one in zip(tickets, tokens, strict=True):
        lane.offer(ticket.job, one)
    found = [await ticket.job.done for ticket in tickets]
    await lane.close()
    for vector, wanted in zip(found, expected, strict=True):
        assert not isinstance(vector, Fault)
        assert np.array_equal(vector, wanted)
    labels = {"model": "small", "kind": "text"}
    assert (metrics.registry.get_sample_value("visreward_out_of_memory_total", labels) or 0) > 0
    assert (metrics.registry.get_sample_value("visreward_batch_share", labels) or 0) < 1


def test_torchs_error_is_told_in_the_models_own_words() -> None:
    model = bundled()
    tokens = model.prepare_texts(TEXTS, "short")
    leave_room(model, 0)
    with pytest.raises(OutOfMemory) as caught:
        model.encode_texts(tokens, "short")
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
