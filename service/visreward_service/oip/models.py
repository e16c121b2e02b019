"""The models that the protocol shows: every recipe and every encoder, each with its tensors.

A recipe's model has the recipe's name with `.` for `/`; an encoder's has its name behind `encoder.`.
"""

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np
import orjson

from visreward.protocol import Code, ItemResult
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.models.base import ModelInfo, Pixels, Tokens
from visreward_service.oip.inference import Inference
from visreward_service.oip.prepared import input_specs, read_images, read_tokens, stack_rows
from visreward_service.oip.tensors import Array, Tensor, TensorSpec, Values, refuse

VERSION = "1"
TRITON_TYPES = {
    "BOOL": "TYPE_BOOL",
    "UINT8": "TYPE_UINT8",
    "INT64": "TYPE_INT64",
    "FP32": "TYPE_FP32",
    "FP64": "TYPE_FP64",
    "BYTES": "TYPE_STRING",
}


class Model(ABC):
    """A model of the protocol."""

    platform: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    """Parameters of a request that it reads, beside `timeout`."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        right: str,
    ) -> None:
        self.name = name
        self.right = right
        """What a key must be allowed to use: a recipe, or `encoder.` and an encoder's name."""
        self.inputs = {spec.name: spec for spec in inputs}
        self.outputs = {spec.name: spec for spec in outputs}
        self._engine = engine

    @abstractmethod
    async def infer(self, asked: Inference) -> list[Tensor]:
        """Return the outputs asked for. Raises `RequestFault` where there are none."""

    def metadata(self) -> dict[str, Any]:
        """Return the model's metadata."""
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": self.platform,
            "inputs": [_tensor(spec) for spec in self.inputs.values()],
            "outputs": [_tensor(spec) for spec in self.outputs.values()],
        }

    def config(self) -> dict[str, Any]:
        """Return what of Triton's model configuration applies. The engine batches across requests."""
        return {
            "name": self.name,
            "platform": self.platform,
            "backend": "visreward",
            "max_batch_size": 0,
            "input": [{**_configured(spec), "optional": spec.optional} for spec in self.inputs.values()],
            "output": [_configured(spec) for spec in self.outputs.values()],
        }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "data_type": TRITON_TYPES[spec.datatype], "dims": list(spec.shape)}


ITEM = TensorSpec("ITEM", "BYTES", (-1,))
IMAGE = TensorSpec("IMAGE", "BYTES", (-1,), optional=True)
TEXT = TensorSpec("TEXT", "BYTES", (-1,), optional=True)
REWARD = TensorSpec("REWARD", "FP64", (-1,))
SCORED = TensorSpec("SCORED", "BOOL", (-1,))
PARTS = TensorSpec("PARTS", "BYTES", (-1,))
ERROR = TensorSpec("ERROR", "BYTES", (-1,))


class RecipeModel(Model):
    """Scores items: ITEM holds a JSON item per element, IMAGE the image files that the items name by digest.

    REWARD is a dense tensor and has a number even where an item has no reward. So that nobody takes one for
    a reward, a failed item ends the request unless the request names SCORED among its outputs.
    """

    platform = "visreward_recipe"

    def __init__(self, name: str, recipe: str, engine: Engine) -> None:
        super().__init__(name, engine, (ITEM, IMAGE), (REWARD, SCORED, PARTS, ERROR), right=recipe)
        self._recipe = recipe

    async def infer(self, asked: Inference) -> list[Tensor]:
        answer = await self._engine.score(
            lambda: self._document(asked), request_id=asked.request_id, num_bytes=asked.num_bytes
        )
        if SCORED.name not in asked.outputs:
            _refuse_failures(answer.items)
        return await asyncio.to_thread(_columns, answer.items, asked)

    def _document(self, asked: Inference) -> dict[str, Any]:
        return {
            "recipe": self._recipe,
            "images": [
                {"digest": hashlib.sha256(data).hexdigest(), "data": data}
                for data in asked.inputs.get(IMAGE.name, [])
            ],
            "items": [_read_item(text) for text in asked.inputs[ITEM.name]],
            "deadline_ms": asked.deadline_ms,
            "details": False,
        }


def _read_item(text: bytes) -> object:
    """Return the item; what is not JSON becomes null, which costs this item and no other."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _refuse_failures(items: Sequence[ItemResult]) -> None:
    for index, item in enumerate(items):
        if item.error is not None:
            where = item.error.field or f"items[{index}]"
            message = f"{where}: {item.error.message}; name SCORED among the outputs to get the other items"
            raise RequestFault(Code(item.error.code), message, field=where)


def _columns(items: Sequence[ItemResult], asked: Inference) -> list[Tensor]:
    found: dict[TensorSpec, Callable[[], Values]] = {
        REWARD: lambda: np.array([item.reward or 0.0 for item in items], np.float64),
        SCORED: lambda: np.array([item.error is None for item in items], np.bool_),
        PARTS: lambda: [orjson.dumps(item.parts) for item in items],
        ERROR: lambda: [item.error.model_dump_json().encode() if item.error else b"" for item in items],
    }
    return [Tensor(spec, values()) for spec, values in found.items() if asked.wants(spec.name)]


class EncoderModel(Model):
    """Embeds images or texts: one of IMAGE and TEXT is given; EMBEDDING has a unit row per element."""

    platform = "visreward_encoder"
    parameters = ("branch",)

    def __init__(self, name: str, info: ModelInfo, engine: Engine) -> None:
        embedding = TensorSpec("EMBEDDING", "FP32", (-1, info.dim))
        super().__init__(name, engine, (IMAGE, TEXT), (embedding,), right=f"encoder.{info.name}")
        self._info = info
        self._embedding = embedding

    async def infer(self, asked: Inference) -> list[Tensor]:
        if len(asked.inputs) != 1:
            raise RequestFault(Code.INVALID_REQUEST, "give either IMAGE or TEXT", field="inputs")
        ((name, elements),) = asked.inputs.items()
        if not elements:
            refuse("must hold at least one element", name)
        values = await self._engine.encode(
            self._info.name,
            elements if name == IMAGE.name else _texts(elements),
            branch=self._branch(asked, name),
            deadline_seconds=None if asked.deadline_ms is None else asked.deadline_ms / 1000,
            num_bytes=asked.num_bytes,
        )
        return [Tensor(self._embedding, values)]

    def _branch(self, asked: Inference, name: str) -> str:
        branch = asked.parameters.get("branch", next(iter(self._info.branches), "short"))
        if name == IMAGE.name and "branch" in asked.parameters:
            raise RequestFault(Code.INVALID_REQUEST, "is for TEXT alone", field="branch")
        if not isinstance(branch, str):
            raise RequestFault(Code.INVALID_REQUEST, "must be a text branch's name", field="branch")
        return branch


class PreparedModel(Model):
    """Encodes what another service has prepared: PIXELS for a view of images, or PATCHES and SHAPES where
    they keep their aspect ratio, and padded IDS for a text branch.

    The interface of an exported encoder (`models.exported`), so that one service can encode for another.
    """

    platform = "visreward_prepared"

    def __init__(self, part: str, info: ModelInfo, engine: Engine) -> None:
        rows = (-1, -1, info.dim) if part == "dense" else (-1, info.dim)
        self._embedding = TensorSpec("EMBEDDING", "FP32", rows)
        name, right = f"{info.name}_{part}", f"encoder.{info.name}"
        super().__init__(name, engine, input_specs(info, part), (self._embedding,), right=right)
        self._info = info
        self._part = part

    async def infer(self, asked: Inference) -> list[Tensor]:
        rows = await self._engine.encode_prepared(
            self._info.name,
            self._part,
            await asyncio.to_thread(self._read, asked.arrays),
            deadline_seconds=None if asked.deadline_ms is None else asked.deadline_ms / 1000,
            num_bytes=asked.num_bytes,
        )
        return [Tensor(self._embedding, await asyncio.to_thread(stack_rows, rows, asked.arrays))]

    def _read(self, arrays: Mapping[str, Array]) -> list[Pixels] | list[Tokens]:
        if self._part in self._info.views:
            return read_images(arrays, self._info)
        return read_tokens(arrays["IDS"], self._info, self._part)


def _texts(elements: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    for index, element in enumerate(elements):
        try:
            texts.append(element.decode())
        except UnicodeDecodeError:
            raise RequestFault(Code.TEXT_INVALID, "is not UTF-8", field=f"TEXT[{index}]") from None
    return texts


@dataclass(frozen=True, slots=True)
class Models:
    """The protocol's models by name."""

    by_name: dict[str, Model]

    def has(self, name: str, version: str = "") -> bool:
        """Whether there is such a model, in that version."""
        return name in self.by_name and version in ("", VERSION)

    def get(self, name: str, version: str = "") -> Model:
        """Return a model. Raises `RequestFault` for an unknown name or version."""
        model = self.by_name.get(name)
        if model is None:
            nearest = tuple(get_close_matches(name[:256], self.by_name, cutoff=0.4))
            hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
            raise RequestFault(Code.NOT_FOUND, f"no model of that name is served{hint}", nearest=nearest)
        if version not in ("", VERSION):
            raise RequestFault(Code.NOT_FOUND, f"the model has one version, {VERSION}", field="version")
        return model


def build_models(engine: Engine) -> Models:
    """Return a model for every recipe and every encoder. Raises ValueError where two get the same name."""
    models: dict[str, Model] = {}
    served: list[Model] = [RecipeModel(recipe_model(name), name, engine) for name in engine.recipes.recipes]
    served += [EncoderModel(f"encoder.{info.name}", info, engine) for info in engine.models]
    served += [
        PreparedModel(part, info, engine) for info in engine.models for part in (*info.views, *info.branches)
    ]
    for model in served:
        if model.name in models:
            raise ValueError(
                f'two recipes or encoders would be the model "{model.name}" of the Open Inference Protocol'
            )
        models[model.name] = model
    return Models(models)


def recipe_model(recipe: str) -> str:
    """Return the model's name for a recipe's: a slash would end the name in a path."""
    return recipe.replace("/", ".")
