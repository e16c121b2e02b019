"""Embeddings asked for as such, beside the scores they are made for.

A table of embeddings has a row for every input and no place for a fault: what is wrong with one input ends
the request.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from pydantic_core import PydanticCustomError

from visreward.protocol import Code, Limits
from visreward.protocol.fields import check_text
from visreward_service.engine.admit import check_image
from visreward_service.engine.encode import Features
from visreward_service.engine.faults import RequestFault
from visreward_service.engine.lane import Encoding
from visreward_service.models.base import ModelInfo, Vector
from visreward_service.scorers.base import Branch, Fault, ImageEncoding, TextEncoding, TextFeatures, Work


def admit(
    info: ModelInfo, inputs: Sequence[bytes | str], branch: str, limits: Limits
) -> tuple[list[Encoding], dict[str, bytes]]:
    """Return a unit of work per input, and the images by digest. Raises `RequestFault`."""
    texts = [value for value in inputs if isinstance(value, str)]
    if texts:
        _check_count(len(texts), limits.max_items, "text")
        return _text_units(info, texts, branch, limits), {}
    images = [value for value in inputs if isinstance(value, bytes)]
    _check_count(len(images), limits.max_images, "image")
    return _image_units(info.name, images, limits)


def _image_units(
    model: str, images: Sequence[bytes], limits: Limits
) -> tuple[list[Encoding], dict[str, bytes]]:
    units: list[Encoding] = []
    checked: dict[str, bytes] = {}
    for index, data in enumerate(images):
        digest = hashlib.sha256(data).hexdigest()
        if digest not in checked:
            outcome = check_image(data, digest, f"image[{index}]", limits)
            if isinstance(outcome, Fault):
                raise RequestFault(outcome.code, outcome.message, field=f"image[{index}]")
            checked[digest] = outcome
        units.append(ImageEncoding(model, digest))
    return units, checked


def _text_units(info: ModelInfo, texts: Sequence[str], branch: str, limits: Limits) -> list[Encoding]:
    if branch not in info.branches:
        message = f'model "{info.name}" has no such text branch; it has {", ".join(info.branches)}'
        raise RequestFault(Code.INVALID_REQUEST, message, field="branch", nearest=tuple(info.branches))
    for index, text in enumerate(texts):
        if len(text) > limits.max_text_chars:
            message = f"has {len(text):,} characters; the limit is {limits.max_text_chars:,}"
            raise RequestFault(Code.TEXT_TOO_LONG, message, field=f"text[{index}]")
        try:
            check_text(text)
        except PydanticCustomError as error:
            raise RequestFault(Code.TEXT_INVALID, error.message(), field=f"text[{index}]") from None
    return [TextEncoding(info.name, text, cast("Branch", branch)) for text in texts]


def _check_count(count: int, limit: int, kind: str) -> None:
    if not count:
        raise RequestFault(Code.INVALID_REQUEST, f"must hold at least one {kind}", field=kind)
    if count > limit:
        message = f"holds {count:,} {kind}s; the limit is {limit:,}"
        raise RequestFault(Code.REQUEST_TOO_LARGE, message, field=kind)


def to_table(units: Sequence[Encoding], features: Mapping[Work, Features | Fault]) -> Vector:
    """Return the pooled embeddings, (N, D). Raises `RequestFault` for the first input that has none."""
    return np.stack([_row(index, features[unit]) for index, unit in enumerate(units)])


def _row(index: int, found: Features | Fault) -> Vector:
    if isinstance(found, Fault):
        raise RequestFault(found.code, found.message, field=found.field or f"input[{index}]")
    if not isinstance(found, TextFeatures):
        return found.vectors
    if found.truncated:
        message = f"has {found.num_tokens} tokens, more than the model reads"
        raise RequestFault(Code.TEXT_TOO_LONG, message, field=f"text[{index}]")
    return found.vector
