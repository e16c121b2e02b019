"""One request of the protocol in its four forms, and what came of it. Knows no server."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
import httpx
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

Form = Literal["json", "binary", "contents", "raw"]
FORMS: tuple[Form, ...] = ("json", "binary", "contents", "raw")
"""HTTP with the elements in JSON, and behind it; gRPC with the elements in fields, and as bytes."""

Values = npt.NDArray[Any] | list[bytes]
CONTENTS = {
    "INT64": "int64_contents",
    "INT32": "int_contents",
    "UINT8": "uint_contents",
    "BYTES": "bytes_contents",
}


@dataclass(frozen=True)
class Tensor:
    """An input, which need not be what it says."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values
    region: str | None = None
    """Of shared memory, in the place of values."""

    def raw(self) -> bytes:
        """Return the elements in binary."""
        if isinstance(self.values, list):
            return b"".join(len(value).to_bytes(4, "little") + value for value in self.values)
        return self.values.tobytes()

    def listed(self) -> list[Any]:
        """Return the elements one after the other."""
        return self.values if isinstance(self.values, list) else self.values.ravel().tolist()


@dataclass(frozen=True)
class Asked:
    """A request."""

    model: str
    inputs: tuple[Tensor, ...]
    id: str = ""
    outputs: tuple[str, ...] = ()
    parameters: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The status, and of an answer the outputs."""

    status: int | str
    id: str = ""
    outputs: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    """Name, datatype and shape of each."""
    rows: tuple[npt.NDArray[Any], ...] = field(default=(), compare=False)

    @property
    def answered(self) -> bool:
        """Whether it is an answer."""
        return self.status in (200, "OK")


def ask(http: str, rpc: str, asked: Asked, form: Form) -> Outcome:
    """Send a request to a server with those two addresses."""
    if form in ("json", "binary"):
        return _ask_http(http, asked, in_binary=form == "binary")
    return _ask_grpc(rpc, asked, in_raw=form == "raw")


def _ask_http(address: str, asked: Asked, *, in_binary: bool) -> Outcome:
    behind = b""
    inputs = []
    for tensor in asked.inputs:
        described: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
        }
        if tensor.region is not None:
            described["parameters"] = {"shared_memory_region": tensor.region, "shared_memory_byte_size": 8}
        elif in_binary:
            described["parameters"] = {"binary_data_size": len(tensor.raw())}
            behind += tensor.raw()
        else:
            described["data"] = [
                value.decode() if isinstance(value, bytes) else value for value in tensor.listed()
            ]
        inputs.append(described)
    body: dict[str, Any] = {"inputs": inputs}
    if asked.id:
        body["id"] = asked.id
    if asked.outputs:
        body["outputs"] = [{"name": name} for name in asked.outputs]
    if asked.parameters:
        body["parameters"] = asked.parameters
    head = json.dumps(body).encode()
    headers = {"inference-header-content-length": str(len(head))} if in_binary else {}
    url = f"http://{address}/v2/models/{asked.model}/infer"
    answer = httpx.post(url, content=head + behind, headers=headers, timeout=60)
    if answer.status_code != 200:
        assert isinstance(answer.json()["error"], str)
        return Outcome(answer.status_code)
    found = answer.json()
    outputs = [(one["name"], one["datatype"], tuple(one["shape"])) for one in found["outputs"]]
    rows = [np.array(one["data"], np.float32).reshape(one["shape"]) for one in found["outputs"]]
    return Outcome(200, found.get("id", ""), tuple(outputs), tuple(rows))


def _ask_grpc(address: str, asked: Asked, *, in_raw: bool) -> Outcome:
    message = pb.ModelInferRequest(model_name=asked.model, id=asked.id)
    _set(message.parameters, asked.parameters)
    for tensor in asked.inputs:
        given = message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if tensor.region is not None:
            _set(given.parameters, {"shared_memory_region": tensor.region, "shared_memory_byte_size": 8})
        elif in_raw:
            message.raw_input_contents.append(tensor.raw())
        else:
            kept = CONTENTS.get(tensor.datatype, "int64_contents")
            getattr(given.contents, kept).extend(tensor.listed())
    for name in asked.outputs:
        message.outputs.add(name=name)
    with grpc.insecure_channel(address) as channel:
        try:
            answer = stubs.GRPCInferenceServiceStub(channel).ModelInfer(message, timeout=60)
        except grpc.RpcError as error:
            return Outcome(error.code().name)
    outputs = [(one.name, one.datatype, tuple(one.shape)) for one in answer.outputs]
    rows = [
        np.frombuffer(raw, "<f4").reshape(one.shape)
        for raw, one in zip(answer.raw_output_contents, answer.outputs)
    ]
    return Outcome("OK", answer.id, tuple(outputs), tuple(rows))


def _set(parameters: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(parameters[name], "string_param" if isinstance(value, str) else "int64_param", value)
