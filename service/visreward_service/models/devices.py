"""Where a model runs: the device, the number format, and whether it fits. Knows no model."""

from collections.abc import Iterable
from pathlib import Path

import torch

from visreward_service.memory import DeviceMemory
from visreward_service.models.errors import ModelError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

HEADROOM = 1.2
"""Memory asked for per byte of weights: activations of one batch and what the allocator wastes."""

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def pick_device(name: str) -> torch.device:
    """Return the device of a setting; `auto` is the first CUDA device, else the CPU."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"device {name!r} is none that torch knows; use auto, cpu, cuda or cuda:0"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:0")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ModelError(
                f"device {name!r} is not there: torch sees {count} CUDA devices; use auto or cpu"
            )
        return torch.device("cuda", device.index or 0)
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the torch type of a setting; raise `ModelError` where the device is no good at it."""
    dtype = DTYPES[name]
    if dtype == torch.float16 and device.type == "cpu":
        raise ModelError("dtype float16 is not for the CPU, which emulates it; use float32 or bfloat16")
    if dtype == torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise ModelError(f"dtype bfloat16 is not supported by {device}; use float16 or float32")
    return dtype


def demand_float32() -> None:
    """Have CUDA convolve float32 in float32 in the whole process: torch's default there keeps 10 bits."""
    torch.backends.cudnn.allow_tf32 = False


def check_memory(num_parameters: int, dtype: torch.dtype, device: torch.device) -> None:
    """Raise `ModelError` where that many weights do not fit into what the device has free now."""
    needed = int(num_parameters * dtype.itemsize * HEADROOM)
    available = available_bytes(device)
    if available is not None and needed > available:
        raise ModelError(
            f"{num_parameters / 1e6:.0f} M parameters in {str(dtype).removeprefix('torch.')} need about "
            f"{needed / 2**30:.1f} GiB, {device} has {available / 2**30:.1f} GiB free: use a smaller model, "
            "a 16-bit dtype, or another device"
        )


def available_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    bounds = [bound for bound in (_available_by_meminfo(), _available_by_cgroup()) if bound is not None]
    return min(bounds, default=None)


def read_memory(devices: Iterable[str]) -> list[DeviceMemory]:
    """Return the memory of those devices that are GPUs; one that fails to tell is left out.

    Ask about devices that models are on: to ask takes some of a device's memory for a CUDA context.
    """
    found = []
    for name in sorted(set(devices)):
        if not name.startswith("cuda"):
            continue
        device = torch.device(name)
        try:
            free, total = torch.cuda.mem_get_info(device)
        except RuntimeError:  # as after a fault of the device, of which its forward passes tell
            continue
        reserved, allocated = torch.cuda.memory_reserved(device), torch.cuda.memory_allocated(device)
        found.append(DeviceMemory(str(device), total, total - free, reserved, allocated))
    return found


def _available_by_meminfo() -> int | None:
    if not MEMINFO.is_file():
        return None
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _available_by_cgroup() -> int | None:
    """Memory left to the container (cgroup v2), which /proc/meminfo does not know."""
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if not limit.is_file() or not used.is_file():
        return None
    bound = limit.read_text().strip()
    return None if bound == "max" else int(bound) - int(used.read_text())
