"""Tensors as the protocol carries them. An input is checked before anything is built from it."""

import itertools
import math
import operator
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault

Datatype: TypeAlias = Literal["BOOL", "UINT8", "INT64", "FP32", "FP64", "BYTES"]

LENGTH = struct.Struct("<I")
"""Before each element of BYTES."""
Array: TypeAlias = npt.NDArray[np.generic]
Values: TypeAlias = Sequence[bytes] | npt.NDArray[np.generic]
NUMPY_TYPES: dict[Datatype, str] = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "INT64": "<i8",
    "FP32": "<f4",
    "FP64": "<f8",
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that a model takes or gives."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    """-1 for an axis of any length."""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output."""

    spec: TensorSpec
    values: Values
    """BYTES as a sequence, numbers as an array."""

    @property
    def shape(self) -> list[int]:
        """Its shape, without unknowns."""
        return list(self.values.shape) if isinstance(self.values, np.ndarray) else [len(self.values)]

    def to_raw(self) -> bytes:
        """Return the little-endian bytes, row by row."""
        if isinstance(self.values, np.ndarray):
            return self.values.astype(NUMPY_TYPES[self.spec.datatype], copy=False).tobytes()
        return b"".join(LENGTH.pack(len(value)) + value for value in self.values)

    def to_list(self) -> list[Any]:
        """Return the elements row by row, as JSON has them."""
        if isinstance(self.values, np.ndarray):
            listed: list[Any] = self.values.ravel().tolist()
            return listed
        return [value.decode() for value in self.values]


def check_input(name: str, datatype: object, shape: object) -> int:
    """Return the number of elements of an input, which must be BYTES with one axis. Raises `RequestFault`."""
    if datatype != "BYTES":
        refuse("must have datatype BYTES", name)
    if not isinstance(shape, list | tuple) or len(shape) != 1:
        refuse("must have a shape of one axis", name)
    (count,) = shape
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        refuse("must have a shape of whole numbers, none of them negative", name)
    return int(count)


def read_array(spec: TensorSpec, datatype: object, shape: object, raw: bytes) -> Array:
    """Return an input of numbers that stands in binary. Raises `RequestFault` for another."""
    sizes = _check_sizes(spec, datatype, shape)
    dtype = np.dtype(NUMPY_TYPES[spec.datatype])
    if len(raw) != math.prod(sizes) * dtype.itemsize:
        refuse(f"has {len(raw)} bytes, which is not what its shape says", spec.name)
    return np.frombuffer(raw, dtype).reshape(sizes)


def read_numbers(spec: TensorSpec, datatype: object, shape: object, data: object) -> Array:
    """Return an input of whole numbers that stand in a list, one after the other or nested as the axes are.

    Raises `RequestFault` for another.
    """
    sizes = _check_sizes(spec, datatype, shape)
    if not isinstance(data, list):
        refuse("must have a list as data", spec.name)
    flat = _unnest(data, sizes, spec.name) if data and isinstance(data[0], list) else data
    check_count(spec.name, len(flat), math.prod(sizes))
    dtype = np.dtype(NUMPY_TYPES[spec.datatype])
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if not all(type(value) is int and least <= value <= most for value in flat):
        refuse(f"must have whole numbers from {least} to {most} as data", spec.name)
    return np.array(flat, dtype).reshape(sizes)


def _unnest(data: list[Any], sizes: Sequence[int], name: str) -> list[Any]:
    flat = data
    for count, size in zip(itertools.accumulate(sizes, operator.mul), sizes[1:]):
        check_count(name, len(flat), count)
        if not all(isinstance(row, list) and len(row) == size for row in flat):
            refuse("has data that is not nested as its shape says", name)
        flat = [value for row in flat for value in row]
    return flat


def _check_sizes(spec: TensorSpec, datatype: object, shape: object) -> list[int]:
    if datatype != spec.datatype:
        refuse(f"must have datatype {spec.datatype}", spec.name)
    sizes = list(shape) if isinstance(shape, list | tuple) else []
    if len(sizes) != len(spec.shape) or not all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 1 and wanted in (-1, size)
        for size, wanted in zip(sizes, spec.shape)
    ):
        refuse(f"must have a shape like {list(spec.shape)}, -1 for any size", spec.name)
    return sizes


def split_elements(name: str, raw: bytes, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor: `count` of them, with not a byte over. Raises `RequestFault`."""
    elements: list[bytes] = []
    at = 0
    while at < len(raw):
        if len(elements) == count:
            refuse(f"has bytes behind its {count} elements", name)
        if at + LENGTH.size > len(raw):
            refuse("ends inside the length of an element", name)
        (length,) = LENGTH.unpack_from(raw, at)
        at += LENGTH.size
        if length > len(raw) - at:
            refuse("ends inside an element", name)
        elements.append(raw[at : at + length])
        at += length
    check_count(name, len(elements), count)
    return elements


def check_count(name: str, found: int, count: int) -> None:
    """Raise `RequestFault` where a tensor holds another number of elements than its shape says."""
    if found != count:
        refuse(f"has {found} elements; its shape says {count}", name)


def refuse(message: str, name: str) -> NoReturn:
    """Raise the fault of an input or output."""
    raise RequestFault(Code.INVALID_REQUEST, f'"{name[:100]}" {message}', field=name[:100])
