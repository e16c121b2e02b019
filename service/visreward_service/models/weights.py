"""Weight files: finding them in a checkpoint folder, reading them, and putting them into a network without
remainder.

safetensors only, unless the operator allows a pickle, which is then read by torch's restricted unpickler.
Knows no kind of model.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from visreward_service.models.errors import ModelError

SAFE_NAMES = ("model.safetensors", "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
PICKLE_NAMES = (
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.pth",
)
INDEX_NAME = "model.safetensors.index.json"

MAX_NAMED = 6
"""Keys that a message lists before it only counts."""


def find_weights(folder: Path, *, allow_pickle: bool) -> list[Path]:
    """Return the weight file of a checkpoint folder, or its shards in order."""
    for name in SAFE_NAMES:
        if (folder / name).is_file():
            return [folder / name]
    if (folder / INDEX_NAME).is_file():
        return _find_shards(folder)
    pickles = [folder / name for name in PICKLE_NAMES if (folder / name).is_file()]
    if not pickles:
        raise ModelError(f"{folder} holds no weights: expected one of {', '.join((*SAFE_NAMES, INDEX_NAME))}")
    if not allow_pickle:
        raise ModelError(
            f"{pickles[0]} is a pickle, and only safetensors are read: convert it with "
            "safetensors.torch.save_file, or set allow_pickle_weights = true (read with weights_only)"
        )
    return pickles[:1]


def _find_shards(folder: Path) -> list[Path]:
    index = read_json(folder / INDEX_NAME)
    names = sorted(set(index.get("weight_map", {}).values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{folder / INDEX_NAME} names {name!r}, which is no safetensors file beside it")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        raise ModelError(f"{folder} lacks the weight shards {name_some(missing)}: download the folder again")
    return [folder / name for name in names]


def count_parameters(files: Iterable[Path]) -> int:
    """Return the number of values in weight files, from their headers; of a pickle, the most it can hold."""
    total = 0
    for path in files:
        if path.suffix != ".safetensors":
            total += path.stat().st_size // 2
            continue
        with _reading(path), safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 - the file is no mapping
                shape = file.get_slice(key).get_shape()
                total += int(torch.Size(shape).numel())
    return total


def read_state(files: Iterable[Path]) -> dict[str, Tensor]:
    """Return all tensors of the files on the CPU. Raise `ModelError` where a file is damaged."""
    state: dict[str, Tensor] = {}
    for path in files:
        with _reading(path):
            if path.suffix == ".safetensors":
                state |= load_file(path)
            else:
                state |= torch.load(path, map_location="cpu", weights_only=True)
    return state


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the libraries raise on a damaged file into a `ModelError` that names it."""
    try:
        yield
    except (SafetensorError, UnpicklingError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise ModelError(f"{path} cannot be read as weights ({error}): download it again") from error


def drop_positions(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state without the `position_ids` 0, 1, 2, … that older transformers saved."""
    kept = {}
    for key, value in state.items():
        if not key.endswith("embeddings.position_ids"):
            kept[key] = value
        elif not torch.equal(value.flatten().long(), torch.arange(value.numel())):
            raise ModelError(f"{key} is not 0, 1, 2, …: the checkpoint is damaged")
    return kept


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, where: Path) -> None:
    """Fill the module with the state. Raise `ModelError` for keys missing, left over or of another shape."""
    own = module.state_dict()
    refuse_mismatch(
        where,
        missing=sorted(own.keys() - state.keys()),
        unexpected=sorted(state.keys() - own.keys()),
        misshaped=sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape),
    )
    module.load_state_dict(state)


def refuse_mismatch(where: Path, *, missing: list[str], unexpected: list[str], misshaped: list[str]) -> None:
    """Raise `ModelError` where a list is not empty."""
    faults = {"missing": missing, "left over": unexpected, "of another shape": misshaped}
    said = [f"{len(keys)} {what} ({name_some(keys)})" for what, keys in faults.items() if keys]
    if said:
        raise ModelError(
            f"the weights in {where} are not those of this kind of model: {'; '.join(said)}. Check `kind`, "
            "and that config.json and the weights are of one checkpoint"
        )


def check_module(module: nn.Module, where: Path) -> None:
    """Raise `ModelError` for tensors that are not finite or not filled, and positions not 0, 1, 2, …"""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta:
            raise ModelError(f"{name} of {where} was never filled")
        if isinstance(tensor, nn.Parameter) and not bool(tensor.isfinite().all()):
            raise ModelError(f"{name} in {where} holds NaN or infinity: the checkpoint is damaged")
        if name.endswith("position_ids") and not torch.equal(
            tensor.flatten().cpu(), torch.arange(tensor.numel())
        ):
            raise ModelError(f"{name} of {where} is not 0, 1, 2, …")


def fingerprint(files: Iterable[Path]) -> str:
    """Return `sha256:` and the digest of the files' bytes, in order."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(2**22):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raise `ModelError` where there is none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: the folder is no complete checkpoint") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return value


def name_some(keys: list[str]) -> str:
    """Return the first keys and how many more there are."""
    rest = len(keys) - MAX_NAMED
    return ", ".join(keys[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
