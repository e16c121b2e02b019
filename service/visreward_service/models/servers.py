"""Servers of the Open Inference Protocol over gRPC: which of them answer, and requests to any of them.

Knows tensors, and nothing of what they mean. It uses threads and no event loop: gRPC bears one loop in a
process, and that is its server's.
"""

import itertools
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from visreward_service.models.errors import ModelError, Unavailable
from visreward_service.models.settings import TritonSettings

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Batch = Sequence[Array]
"""Inputs in the order in which the model names them, each with a row per item."""

PASSING = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "ABORTED", "NOT_FOUND"}
)
"""Statuses after which another server, or the same one later, may answer. A server that is being started does
not know its models yet."""
PAUSE_SECONDS = 0.1
THREADS_PER_SERVER = 2


@dataclass(eq=False, slots=True)
class Server:
    """One server."""

    url: str
    client: Any
    ready: bool = False


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model of the servers with its inputs, and the one output that is asked for."""

    name: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    """Of the first input, -1 for an axis of any length; the first axis is the batch."""


class Servers:
    """All servers of one model. May be used from several threads."""

    def __init__(self, name: str, settings: TritonSettings) -> None:
        self._settings = settings
        key = settings.api_key
        self._headers = {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}
        ca = settings.ca
        secure = {} if ca is None else {"ssl": True, "root_certificates": str(ca)}
        self.all = [Server(url, triton.InferenceServerClient(url, **secure)) for url in settings.urls]
        self._turn = itertools.count()
        self._closed = threading.Event()
        self._senders = ThreadPoolExecutor(
            THREADS_PER_SERVER * len(self.all), thread_name_prefix=f"triton-{name}"
        )
        self._watcher = threading.Thread(target=self._watch, name=f"triton-health-{name}", daemon=True)
        self._watcher.start()

    @property
    def ready(self) -> list[Server]:
        """Those that have said so, the one whose turn it is first."""
        found = [server for server in self.all if server.ready]
        turn = next(self._turn) % max(len(found), 1)
        return found[turn:] + found[:turn]

    def close(self) -> None:
        """Close the connections; requests under way fail."""
        self._closed.set()
        for server in self.all:
            server.client.close()
        self._senders.shutdown(wait=True)
        self._watcher.join()

    def find_model(self, name: str, num_inputs: int) -> RemoteModel:
        """Return a model once a server has it.

        Raises `ModelError` where none has within the patience, or it has another number of inputs.
        """
        until = time.monotonic() + self._settings.patience_seconds
        while True:
            for server in self.all:
                try:
                    metadata = server.client.get_model_metadata(
                        name, headers=self._headers, client_timeout=self._settings.timeout_seconds
                    )
                except InferenceServerException as error:
                    reason = f"{server.url}: {error.message()}"
                    continue
                return _read_metadata(metadata, num_inputs)
            if time.monotonic() > until:
                raise ModelError(f"no server of triton.urls has a model {name} ({reason})")
            time.sleep(PAUSE_SECONDS)

    def infer(self, model: RemoteModel, batches: Sequence[Batch]) -> list[Array]:
        """Return a model's output for each batch; the servers share them.

        Raises `Unavailable` where a batch finds no server within the patience, and RuntimeError where one
        refuses it.
        """
        return list(self._senders.map(partial(self._infer, model), batches))

    def _infer(self, model: RemoteModel, batch: Batch) -> Array:
        until = time.monotonic() + self._settings.patience_seconds
        reason = "none is ready"
        while time.monotonic() < until and not self._closed.is_set():
            for server in self.ready:
                try:
                    return self._ask(server, model, batch)
                except InferenceServerException as error:
                    status = str(error.status()).removeprefix("StatusCode.")
                    reason = f"{server.url}: {error.message()}"
                    if status not in PASSING:
                        raise RuntimeError(reason) from error
                    server.ready = False
                    log.warning("encoder server failed", extra={"server": server.url, "status": status})
            self._closed.wait(PAUSE_SECONDS)
        raise Unavailable(f"no server of model {model.name} answers ({reason})")

    def _ask(self, server: Server, model: RemoteModel, batch: Batch) -> Array:
        given = [
            triton.InferInput(name, list(one.shape), np_to_triton_dtype(one.dtype)).set_data_from_numpy(one)
            for name, one in zip(model.inputs, batch)
        ]
        result = server.client.infer(
            model.name,
            given,
            outputs=[triton.InferRequestedOutput(model.output)],
            headers=self._headers,
            client_timeout=self._settings.timeout_seconds,
        )
        found = result.as_numpy(model.output)
        if found is None or found.dtype != np.float32 or len(found) != len(batch[0]):
            raise RuntimeError(f"{server.url}: {model.name} answers with no float32 row for each input")
        return np.asarray(found)

    def _watch(self) -> None:
        while not self._closed.is_set():
            for server in self.all:
                self._look(server)
            self._closed.wait(self._settings.health_seconds)

    def _look(self, server: Server) -> None:
        try:
            ready = server.client.is_server_ready(
                headers=self._headers, client_timeout=self._settings.timeout_seconds
            )
        except (InferenceServerException, ValueError):  # ValueError: of a channel that is being closed
            ready = False
        if ready != server.ready and not self._closed.is_set():
            log.info("encoder server", extra={"server": server.url, "ready": ready})
        server.ready = ready


def _read_metadata(metadata: Any, num_inputs: int) -> RemoteModel:
    if len(metadata.inputs) != num_inputs or not metadata.outputs:
        raise ModelError(
            f"the model {metadata.name} has {len(metadata.inputs)} inputs; this encoder has {num_inputs}"
        )
    return RemoteModel(
        metadata.name,
        tuple(given.name for given in metadata.inputs),
        metadata.outputs[0].name,
        tuple(int(axis) for axis in metadata.inputs[0].shape),
    )
