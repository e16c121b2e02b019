"""`inference.GRPCInferenceService`: the Open Inference Protocol over gRPC."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from google.protobuf.json_format import ParseDict

from visreward.protocol import Code
from visreward_service.access import Guard
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.grpc.call import Call, parse, unary_handler
from visreward_service.grpc.proto import inference_pb2 as pb
from visreward_service.grpc.stubs import Handler
from visreward_service.oip.http import EXTENSIONS
from visreward_service.oip.inference import (
    Inference,
    InputNames,
    check_outputs,
    check_parameters,
    read_timeout,
)
from visreward_service.oip.models import VERSION, Model, build_models
from visreward_service.oip.tensors import (
    Tensor,
    check_count,
    check_input,
    read_array,
    read_numbers,
    refuse,
    split_elements,
)

SERVICE = "inference.GRPCInferenceService"
CONTENTS = {"BYTES": "bytes_contents", "INT64": "int64_contents", "UINT8": "uint_contents"}
"""The field of `InferTensorContents` that holds a datatype's elements."""
HTTP_ONLY = frozenset({"binary_tensor_data"})


class InferenceService:
    """The methods of the service."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard
        self._models = build_models(engine)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by method name."""
        methods = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelConfig": self.model_config,
            "ModelInfer": self.model_infer,
        }
        metrics = self._engine.metrics
        return {
            name: unary_handler(f"/{SERVICE}/{name}", method, metrics) for name, method in methods.items()
        }

    async def server_live(self, raw: bytes, call: Call) -> pb.ServerLiveResponse:
        """Say that the process answers."""
        del raw, call
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, raw: bytes, call: Call) -> pb.ServerReadyResponse:
        """Say whether an inference would be answered now."""
        del raw, call
        return pb.ServerReadyResponse(ready=self._engine.not_ready is None)

    async def model_ready(self, raw: bytes, call: Call) -> pb.ModelReadyResponse:
        """Say whether an inference with this model would be answered now; with an unknown one it is not."""
        del call
        asked = parse(pb.ModelReadyRequest, raw)
        ready = self._engine.not_ready is None and self._models.has(asked.name, asked.version)
        return pb.ModelReadyResponse(ready=ready)

    async def server_metadata(self, raw: bytes, call: Call) -> pb.ServerMetadataResponse:
        """Name the server and what it implements beyond the protocol's core."""
        del raw, call
        extensions = [name for name in EXTENSIONS if name not in HTTP_ONLY]
        return pb.ServerMetadataResponse(
            name="visreward", version=version("visreward"), extensions=extensions
        )

    async def model_metadata(self, raw: bytes, call: Call) -> pb.ModelMetadataResponse:
        """List a model's tensors."""
        del call
        asked = parse(pb.ModelMetadataRequest, raw)
        metadata = self._models.get(asked.name, asked.version).metadata()
        return ParseDict(metadata, pb.ModelMetadataResponse())

    async def model_config(self, raw: bytes, call: Call) -> pb.ModelConfigResponse:
        """Show a model's configuration in Triton's form."""
        del call
        asked = parse(pb.ModelConfigRequest, raw)
        config = self._models.get(asked.name, asked.version).config()
        return ParseDict({"config": config}, pb.ModelConfigResponse())

    async def model_infer(self, raw: bytes, call: Call) -> pb.ModelInferResponse:
        """Run a model."""
        asked, model, inference = await asyncio.to_thread(self._read, raw, call)
        tensors = await model.infer(inference)
        return await asyncio.to_thread(_answer, asked, model, tensors)

    def _read(self, raw: bytes, call: Call) -> tuple[pb.ModelInferRequest, Model, Inference]:
        asked = parse(pb.ModelInferRequest, raw)
        model = self._models.get(asked.model_name, asked.model_version)
        self._guard.identify(call.authorization).permit(model.right)
        parameters = _plain(asked.parameters)
        check_parameters(parameters, ("timeout", *model.parameters))
        for output in asked.outputs:
            check_parameters(_plain(output.parameters), ())
        names = _inputs(asked, model)
        inference = Inference(
            inputs=names.seen,
            arrays=names.arrays,
            outputs=check_outputs((output.name for output in asked.outputs), model.outputs),
            parameters=parameters,
            request_id=call.request_id,
            num_bytes=len(raw),
            deadline_ms=call.within(read_timeout(parameters), self._engine.limits),
        )
        return asked, model, inference


def _plain(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        kind = value.WhichOneof("parameter_choice")
        found[name] = getattr(value, kind) if kind is not None else None
    return found


def _inputs(asked: pb.ModelInferRequest, model: Model) -> InputNames:
    """Return the inputs: all of them in `raw_input_contents`, or each in its own `contents`."""
    names = InputNames(model.inputs)
    for tensor in asked.inputs:
        check_parameters(_plain(tensor.parameters), ())
    in_raw = len(asked.raw_input_contents) > 0
    if in_raw and len(asked.raw_input_contents) != len(asked.inputs):
        message = f"holds {len(asked.raw_input_contents)} tensors for {len(asked.inputs)} inputs"
        raise RequestFault(Code.INVALID_REQUEST, message, field="raw_input_contents")
    for index, tensor in enumerate(asked.inputs):
        name = names.check(tensor.name)
        if in_raw and tensor.HasField("contents"):
            refuse("has contents beside raw_input_contents", name)
        shape, spec = list(tensor.shape), model.inputs[name]
        if spec.datatype != "BYTES":
            names.arrays[name] = (
                read_array(spec, tensor.datatype, shape, asked.raw_input_contents[index])
                if in_raw
                else read_numbers(spec, tensor.datatype, shape, _contents(name, tensor))
            )
            continue
        count = check_input(name, tensor.datatype, shape)
        if not in_raw:
            names.seen[name] = _contents(name, tensor)
            check_count(name, len(names.seen[name]), count)
        else:
            names.seen[name] = split_elements(name, asked.raw_input_contents[index], count)
    names.finish()
    return names


def _contents(name: str, tensor: pb.ModelInferRequest.InferInputTensor) -> list[Any]:
    expected = CONTENTS.get(tensor.datatype)
    for field, _ in tensor.contents.ListFields():
        if field.name != expected:
            refuse(f"has datatype {tensor.datatype[:10]} and its elements in {field.name}", name)
    return list(getattr(tensor.contents, expected)) if expected else []


def _answer(asked: pb.ModelInferRequest, model: Model, tensors: list[Tensor]) -> pb.ModelInferResponse:
    answer = pb.ModelInferResponse(model_name=model.name, model_version=VERSION, id=asked.id)
    for tensor in tensors:
        answer.outputs.add(name=tensor.spec.name, datatype=tensor.spec.datatype, shape=tensor.shape)
        answer.raw_output_contents.append(tensor.to_raw())
    return answer
