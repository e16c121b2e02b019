"""File formats of an exported encoder, each as one of Triton's backends reads it: TorchScript and ONNX.

Knows networks and tensors, and nothing of checkpoints, repositories and what the tensors mean.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visreward_service.models.errors import ModelError
from visreward_service.models.settings import ModelSettings

Batch = Mapping[str, Tensor]
"""Inputs by name, in the order in which a network takes them; each with a row per item."""
Run = Callable[[Batch], Tensor]
"""What is read back from a file: one batch in, its rows out."""

OUTPUT = "EMBEDDING"
OPSET = 17
"""The first with layer normalisation as one operator; ONNX Runtime 1.13 and later have it."""
FAILURES = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NotImplemented",
    "RuntimeException",
)
"""ONNX Runtime's errors for a file or a batch that it cannot take."""


class Format(ABC):
    """One format."""

    platform: ClassVar[str]
    file: ClassVar[str]

    def tensor(self, name: str, place: int) -> str:  # noqa: ARG002
        """Return what Triton calls the input or output at that place."""
        return name

    def settings(self, settings: ModelSettings) -> ModelSettings:
        """Return the settings that a checkpoint is loaded with. Raises `ModelError` where none will do."""
        return settings

    def kind(self, device: torch.device) -> str:
        """Return the kind of Triton's instances for a network on that device."""
        return "KIND_CPU" if device.type == "cpu" else "KIND_GPU"

    @abstractmethod
    def save(self, network: nn.Module, batch: Batch, file: Path, *, lengths: Collection[str] = ()) -> None:
        """Write a network that takes any number of rows; inputs and outputs named in `lengths` have a second
        axis of any length.

        Raises `ModelError` for a network that the format cannot carry.
        """

    @abstractmethod
    def open(self, file: Path) -> Run:
        """Read a network back. Raises `ModelError` where that fails."""


class TorchScript(Format):
    """What PyTorch's backend runs, on a device of the kind that it was traced on.

    It finds a network's tensors by the number behind two underscores.
    """

    platform = "pytorch_libtorch"
    file = "model.pt"

    def tensor(self, name: str, place: int) -> str:
        return f"{name}__{place}"

    def save(self, network: nn.Module, batch: Batch, file: Path, *, lengths: Collection[str] = ()) -> None:
        del lengths
        trace: Any = torch.jit.trace  # has no types
        with torch.no_grad(), quiet():
            trace(network, tuple(batch.values()), check_trace=False).save(str(file))

    def open(self, file: Path) -> Run:
        load: Any = torch.jit.load  # has no types
        with quiet():
            network = load(str(file))

        def run(batch: Batch) -> Tensor:
            rows: Tensor = network(*batch.values())
            return rows

        return run


class Onnx(Format):
    """What ONNX Runtime's backend runs, in float32 and on any device; read back by ONNX Runtime on the CPU.

    By the exporter that traces: torch 2.6 and later have it, and it asks for no package but onnx.
    """

    platform = "onnxruntime_onnx"
    file = "model.onnx"

    def settings(self, settings: ModelSettings) -> ModelSettings:
        if settings.dtype != "float32":
            raise ModelError(
                f"ONNX is written in float32: set dtype to that, or export {settings.dtype} as TorchScript"
            )
        return settings.model_copy(update={"device": "cpu"})

    def kind(self, device: torch.device) -> str:
        del device
        return "KIND_AUTO"

    def save(self, network: nn.Module, batch: Batch, file: Path, *, lengths: Collection[str] = ()) -> None:
        _demand_onnx()
        axes = {name: {0: "batch", **({1: "length"} if name in lengths else {})} for name in (*batch, OUTPUT)}
        try:
            with torch.no_grad(), quiet():
                torch.onnx.export(
                    network,
                    tuple(batch.values()),
                    str(file),
                    input_names=list(batch),
                    output_names=[OUTPUT],
                    dynamic_axes=axes,
                    opset_version=OPSET,
                    dynamo=False,
                )
        except RuntimeError as error:  # which the exporter's own errors are, too
            raise ModelError(f"ONNX cannot carry this network: {error}") from error

    def open(self, file: Path) -> Run:
        runtime, failures = _demand_onnx()
        try:
            session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except failures as error:
            raise ModelError(f"ONNX Runtime cannot read {file.name}: {error}") from error

        def run(batch: Batch) -> Tensor:
            try:
                (rows,) = session.run(None, {name: one.cpu().numpy() for name, one in batch.items()})
            except failures as error:
                raise ModelError(f"ONNX Runtime cannot run {file.name}: {error}") from error
            return torch.from_numpy(rows).to(next(iter(batch.values())).device)

        return run


FORMATS: dict[str, Format] = {"torchscript": TorchScript(), "onnx": Onnx()}


def quiet() -> "warnings.catch_warnings[None]":
    """Pass over warnings of shapes that are Python numbers while a trace is taken.

    Whether they matter is tried, with batches of other shapes.
    """
    return warnings.catch_warnings(action="ignore")


def _demand_onnx() -> tuple[Any, tuple[type[Exception], ...]]:
    """Return ONNX Runtime and its errors, which share no class. Raises `ModelError` where it is missing."""
    try:
        import onnx  # noqa: F401 - the exporter asks for it
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise ModelError(
            f"ONNX needs {error.name}, which is not installed: install visreward[onnx]"
        ) from error
    return onnxruntime, tuple(getattr(state, name) for name in FAILURES)
