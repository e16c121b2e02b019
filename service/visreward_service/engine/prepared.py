"""Encodes what another service has prepared: images as pixels, texts as token ids.

Nothing is looked up in the cache or kept there: who prepares keeps its own.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import cast

import numpy as np

from visreward_service.engine.encode import late
from visreward_service.engine.faults import RequestFault
from visreward_service.engine.lane import Encoding, Lane, Ticket
from visreward_service.models.base import Pixels, Tokens, Vector
from visreward_service.scorers.base import Branch, Fault, ImageEncoding, TextEncoding, View


async def encode_prepared(
    lane: Lane, part: str, inputs: Sequence[Pixels] | Sequence[Tokens], seconds: float | None
) -> list[Vector]:
    """Return a row for each input, of a view or a text branch. Raises `RequestFault` for one without."""
    payloads: list[Pixels | Tokens] = list(inputs)
    units = [_unit(lane.model.info.name, part, one) for one in payloads]
    tickets: dict[Encoding, Ticket] = {}
    for unit, one in zip(units, payloads):
        if unit not in tickets:
            ticket = tickets[unit] = lane.claim(unit, 0)
            if ticket.fresh:
                lane.offer(ticket.job, one)
    try:
        await asyncio.wait([ticket.job.done for ticket in tickets.values()], timeout=seconds)
        jobs = [tickets[unit].job for unit in units]
        outcomes = [job.done.result() if job.done.done() else late() for job in jobs]
    finally:
        for ticket in tickets.values():
            ticket.give_up()
    return [_row(index, outcome) for index, outcome in enumerate(outcomes)]


def _unit(model: str, part: str, one: Pixels | Tokens) -> Encoding:
    # Named so that no image's digest and no text that is let in is the same: texts have no NUL.
    if isinstance(one, Tokens):
        ids = np.array(one.ids, np.int64).tobytes()
        return TextEncoding(model, f"\0ids:{hashlib.sha256(ids).hexdigest()}", cast("Branch", part))
    # With its shape: images that keep their aspect ratio may have the same bytes at two.
    pixels = str(one.shape).encode() + np.asarray(one).tobytes()
    return ImageEncoding(model, f"pixels:{hashlib.sha256(pixels).hexdigest()}", cast("View", part))


def _row(index: int, outcome: Vector | Fault) -> Vector:
    if isinstance(outcome, Fault):
        raise RequestFault(outcome.code, outcome.message, field=f"input[{index}]")
    return outcome.reshape(-1, outcome.shape[-1]) if outcome.ndim > 1 else outcome
