"""An encoder that runs elsewhere: images and texts are prepared here, and encoded by Triton or its like.

The weights are loaded here too, once, at start: what the servers give is held against them, so that another
checkpoint or another preprocessing behind the same name does not pass. Then they are let go.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from visreward_service.models.base import DecodedImage, Model, ModelInfo, Pixels, Tokens, Vector
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError, Unavailable
from visreward_service.models.exported import trial_images, trial_texts
from visreward_service.models.servers import Array, Batch, RemoteModel, Servers
from visreward_service.models.settings import TritonSettings

BATCHES_AT_ONCE = 2
"""One is on its way while the servers are busy with another."""


def connect_model(name: str, settings: TritonSettings, local: Model) -> Model:
    """Return the model as the servers run it. Raises `ModelError` where they give other numbers."""
    assert isinstance(local, Encoder)  # noqa: S101 - every kind is one
    servers = Servers(name, settings)
    parts = [*local.info.views, *local.info.branches]
    try:
        names = {part: settings.models.get(part, f"{name}_{part}") for part in parts}
        images = len(local.image_inputs)
        remotes = {
            part: servers.find_model(names[part], images if part in local.info.views else 1) for part in parts
        }
        model = TritonModel(servers, remotes, local)
        _compare(model, local, settings.tolerance)
    except (RuntimeError, Unavailable) as error:
        servers.close()
        raise ModelError(f"the servers do not encode what {local.info.source} prepares: {error}") from error
    except BaseException:
        servers.close()
        raise
    model.forget_weights()
    return model


def _compare(model: "TritonModel", local: Encoder, tolerance: float) -> None:
    images, info = trial_images(local), local.info
    for view in info.views:
        _refuse_apart(
            info, view, model.encode_images(images, view), local.encode_images(images, view), tolerance
        )
    for branch in info.branches:
        texts = trial_texts(local, branch)
        found, expected = model.encode_texts(texts, branch), local.encode_texts(texts, branch)
        _refuse_apart(info, branch, found, expected, tolerance)


def _refuse_apart(
    info: ModelInfo, part: str, found: list[Vector], expected: list[Vector], tolerance: float
) -> None:
    apart = max(
        float(np.abs(one - other).max()) if one.shape == other.shape else math.inf
        for one, other in zip(found, expected)
    )
    if not apart <= tolerance:
        raise ModelError(
            f"the servers' {part} gives numbers that lie {apart:.1e} from those of {info.source}: they run "
            "other weights, or another preprocessing; export the model again, or raise triton.tolerance"
        )


class TritonModel:
    """A model of `base.Model` whose forward passes are requests. A batch is shared out over the servers."""

    def __init__(self, servers: Servers, remotes: dict[str, RemoteModel], local: Encoder) -> None:
        self.info: ModelInfo = replace(local.info, device="triton", passes=BATCHES_AT_ONCE, packs_texts=False)
        self._local = local
        self._servers = servers
        self._remotes = remotes

    def forget_weights(self) -> None:
        """Let the network go; preparing needs what is around it alone."""
        self._local.module = nn.Identity()
        self._local.parts = replace(self._local.parts, module=self._local.module)

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be encoded now; None where a server is ready."""
        if any(server.ready for server in self._servers.all):
            return None
        return f"no server of model {self.info.name} is ready"

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def prepare_image(self, image: DecodedImage) -> Pixels:
        return self._local.prepare_image(image)

    def prepare_texts(self, texts: Sequence[str], branch: str) -> list[Tokens]:
        return self._local.prepare_texts(texts, branch)

    def encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        buckets: dict[Hashable, list[int]] = {}
        for index, image in enumerate(batch):
            buckets.setdefault(self._local.image_bucket(image), []).append(index)
        groups = [(found, self._tensors([batch[index] for index in found])) for found in buckets.values()]
        rows = self._encode(view, groups, self._local.parts.max_images)
        if view == "pooled":
            return [_normalised(row) for row in rows]
        return [self._local.to_map(row, image) for row, image in zip(rows, batch)]

    def _tensors(self, images: Sequence[Pixels]) -> Batch:
        return [tensor.cpu().numpy() for tensor in self._local.image_tensors(images)]

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        padded = [self._local.padded(tokens, branch) for tokens in batch]
        fixed = self._remotes[branch].shape[-1]
        if fixed > 0:  # a server that takes one length alone
            padded = [[*ids, *[self._local.parts.pad] * (fixed - len(ids))] for ids in padded]
        lengths: dict[int, list[int]] = {}
        for index, ids in enumerate(padded):
            lengths.setdefault(len(ids), []).append(index)
        groups = [
            (found, [np.array([padded[index] for index in found], np.int64)]) for found in lengths.values()
        ]
        return [_normalised(row) for row in self._encode(branch, groups, self._local.parts.max_texts)]

    def _encode(self, part: str, groups: Sequence[tuple[list[int], Batch]], most: int) -> list[Vector]:
        """Return a row for each index; each group is cut so that every server gets a share."""
        share = max(len(self._servers.ready), 1)
        chunks: list[tuple[list[int], Batch]] = []
        for indices, batch in groups:
            size = min(most, math.ceil(len(indices) / share))
            chunks += [
                (indices[at : at + size], [one[at : at + size] for one in batch])
                for at in range(0, len(indices), size)
            ]
        answers = self._servers.infer(self._remotes[part], [batch for _, batch in chunks])
        rows = {
            index: row for (indices, _), answer in zip(chunks, answers) for index, row in zip(indices, answer)
        }
        return [rows[index] for index in sorted(rows)]


def _normalised(row: Array) -> Vector:
    length: Any = np.linalg.norm(row)
    return np.asarray(row / length, np.float32)
