"""Bodies of inference over HTTP: JSON, and JSON with tensors in binary behind it."""

from collections.abc import Mapping
from typing import Any

import orjson

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.oip.inference import (
    Inference,
    InputNames,
    check_outputs,
    check_parameters,
    read_timeout,
)
from visreward_service.oip.models import VERSION, Model
from visreward_service.oip.tensors import (
    Tensor,
    check_count,
    check_input,
    read_array,
    read_numbers,
    refuse,
    split_elements,
)

HEADER = "inference-header-content-length"
REQUEST_FIELDS = {"id", "parameters", "inputs", "outputs"}
INPUT_FIELDS = {"name", "shape", "datatype", "parameters", "data"}
OUTPUT_FIELDS = {"name", "parameters"}
REQUEST_PARAMETERS = ("timeout", "binary_data_output")


class InferBody:
    """One request's body, read against the model it is for."""

    def __init__(self, raw: bytes, header_length: str | None, model: Model, request_id: str) -> None:
        """Raises `RequestFault` for anything that is not exactly as the protocol and the model say."""
        size = _header_size(header_length, len(raw))
        document = _fields(_read_json(raw[:size]), REQUEST_FIELDS, "the body")
        parameters = _parameters(document)
        check_parameters(parameters, (*REQUEST_PARAMETERS, *model.parameters))
        self.id = _optional_text(document, "id")
        self.model = model
        asked, self.binary = _outputs(document, parameters, model)
        names = _inputs(document, raw, size, model)
        self.inference = Inference(
            inputs=names.seen,
            arrays=names.arrays,
            outputs=asked,
            parameters=parameters,
            request_id=request_id,
            num_bytes=len(raw),
            deadline_ms=read_timeout(parameters),
        )

    def write(self, tensors: list[Tensor]) -> tuple[bytes, int | None]:
        """Return the body of the answer, and the length of its JSON where binary tensors stand behind it."""
        described, binaries = [], []
        for tensor in tensors:
            name = tensor.spec.name
            output: dict[str, Any] = {"name": name, "datatype": tensor.spec.datatype, "shape": tensor.shape}
            if name in self.binary:
                binaries.append(tensor.to_raw())
                output["parameters"] = {"binary_data_size": len(binaries[-1])}
            else:
                output["data"] = tensor.to_list()
            described.append(output)
        answer: dict[str, Any] = {
            "model_name": self.model.name,
            "model_version": VERSION,
            "outputs": described,
        }
        if self.id is not None:
            answer["id"] = self.id
        head = orjson.dumps(answer)
        return b"".join((head, *binaries)), len(head) if binaries else None


def _header_size(announced: str | None, num_bytes: int) -> int:
    if announced is None:
        return num_bytes
    if not (announced.isascii() and announced.isdigit() and len(announced) <= 12):
        raise RequestFault(Code.INVALID_REQUEST, "must be a whole number", field=HEADER)
    if int(announced) > num_bytes:
        raise RequestFault(Code.INVALID_REQUEST, "is more than the body's bytes", field=HEADER)
    return int(announced)


def _read_json(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestFault(Code.INVALID_BODY, f"the body is not valid JSON ({place})") from None


def _fields(value: object, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestFault(Code.INVALID_REQUEST, f"{what} must be a JSON object")
    for name in value:
        if name not in known:
            message = f"unknown field; {what} has {', '.join(sorted(known))}"
            raise RequestFault(Code.INVALID_REQUEST, message, field=name[:100])
    return value


def _parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise RequestFault(Code.INVALID_REQUEST, "must be a JSON object", field="parameters")
    return parameters


def _optional_text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestFault(Code.INVALID_REQUEST, "must be text", field=name)
    return value


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    values = document.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise RequestFault(Code.INVALID_REQUEST, "must be a list", field=name)
    return values


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestFault(Code.INVALID_REQUEST, "must be true or false", field=name)
    return value


def _outputs(
    document: Mapping[str, Any], parameters: Mapping[str, Any], model: Model
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the outputs asked for, and those of all outputs that go in binary."""
    binary_by_default = _flag(parameters, "binary_data_output", default=False)
    written = [_fields(output, OUTPUT_FIELDS, "an output") for output in _list(document, "outputs")]
    asked = check_outputs((output.get("name") for output in written), model.outputs)
    if not asked:
        return (), frozenset(model.outputs if binary_by_default else ())
    binary: set[str] = set()
    for name, output in zip(asked, written):
        of_output = _parameters(output)
        check_parameters(of_output, ("binary_data",))
        if _flag(of_output, "binary_data", default=binary_by_default):
            binary.add(name)
    return asked, frozenset(binary)


def _inputs(document: Mapping[str, Any], raw: bytes, at: int, model: Model) -> InputNames:
    """Return the inputs; binary ones stand one after the other behind the JSON."""
    names = InputNames(model.inputs)
    for value in _list(document, "inputs"):
        written = _fields(value, INPUT_FIELDS, "an input")
        name = names.check(written.get("name"))
        parameters = _parameters(written)
        check_parameters(parameters, ("binary_data_size",))
        size = parameters.get("binary_data_size")
        content = None if size is None else _content(name, written, raw, at, size)
        at += len(content or b"")
        spec, datatype, shape = model.inputs[name], written.get("datatype"), written.get("shape")
        if spec.datatype != "BYTES":
            names.arrays[name] = (
                read_numbers(spec, datatype, shape, written.get("data"))
                if content is None
                else read_array(spec, datatype, shape, content)
            )
            continue
        count = check_input(name, datatype, shape)
        names.seen[name] = (
            _listed(name, written, count) if content is None else split_elements(name, content, count)
        )
    if at != len(raw):
        raise RequestFault(Code.INVALID_REQUEST, f"{len(raw) - at} bytes stand behind the last input")
    names.finish()
    return names


def _content(name: str, written: Mapping[str, Any], raw: bytes, at: int, size: object) -> bytes:
    """Return the next `size` bytes behind the JSON."""
    if "data" in written:
        refuse("has both data and binary_data_size", name)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        refuse("must have a binary_data_size that is a whole number", name)
    if size > len(raw) - at:
        refuse("has a binary_data_size of more than the body's bytes", name)
    return raw[at : at + size]


def _listed(name: str, written: Mapping[str, Any], count: int) -> list[bytes]:
    data = written.get("data")
    if not isinstance(data, list):
        refuse("must have a list as data", name)
    check_count(name, len(data), count)
    elements: list[bytes] = []
    for element in data:
        if not isinstance(element, str):
            refuse("must have texts as data; send bytes that are no text in binary", name)
        elements.append(element.encode())
    return elements
