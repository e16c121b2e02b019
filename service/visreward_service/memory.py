"""The memory of GPUs as Prometheus sees it. Who reads it from the driver is no matter here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

NAME = "visreward_gpu_memory_bytes"


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Memory of one GPU, in bytes."""

    device: str
    """Such as `cuda:0`, as this process counts."""
    total: int
    used: int
    """By everybody on the device, CUDA itself included."""
    reserved: int
    """By torch for this process: what tensors take, and what it keeps for those to come."""
    allocated: int
    """By this process's tensors."""


class DeviceCollector(Collector):
    """Reads the memory anew at every scrape. A machine without a GPU has no samples."""

    def __init__(self) -> None:
        self.read: Callable[[], Sequence[DeviceMemory]] = tuple
        """Asked for the devices and their memory; none until somebody knows some."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric with a sample for each device and kind of memory."""
        family = GaugeMetricFamily(NAME, "Memory of the GPUs that models run on.", labels=["device", "of"])
        for memory in self.read():
            for of in ("total", "used", "reserved", "allocated"):
                family.add_metric([memory.device, of], getattr(memory, of))
        return [family]
