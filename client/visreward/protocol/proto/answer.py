"""Answers between the wire's models and protocol buffers. Numbers keep their bits both ways."""

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter

from visreward.protocol import CacheUse, ErrorBody, GroupSummary, ItemResult, ScoreResponse, Work
from visreward.protocol.proto import reward_pb2 as pb

DETAILS = TypeAdapter(dict[str, Any])
GROUP_FIELDS = tuple(name for name in GroupSummary.model_fields if name != "tamed")


def to_message(answer: ScoreResponse) -> pb.ScoreResponse:
    """Return an answer as a message."""
    return pb.ScoreResponse(
        request_id=answer.request_id,
        recipe=answer.recipe,
        items=[_result(item) for item in answer.items],
        groups=[pb.GroupSummary(**_present(group)) for group in answer.groups],
        timings_ms=answer.timings_ms,
        work=pb.Work(**_present(answer.work)),
        cache=pb.CacheUse(**_present(answer.cache)),
        models=answer.models,
        missing_images=answer.missing_images,
    )


def _present(model: BaseModel) -> dict[str, Any]:
    return {name: value for name, value in model if value is not None}


def _result(item: ItemResult) -> pb.ItemResult:
    message = pb.ItemResult(
        parts=[pb.Part(term=term, value=value) for term, value in item.parts.items()],
        details=DETAILS.dump_json(item.details).decode() if item.details else "",
        error=to_error(item.error) if item.error is not None else None,
    )
    if item.id is not None:
        message.id = item.id
    if item.reward is not None:
        message.reward = item.reward
    return message


def to_error(error: ErrorBody) -> pb.Error:
    """Return an error as a message."""
    return pb.Error(**_present(error) | {"code": str(error.code)})


def from_message(message: pb.ScoreResponse) -> ScoreResponse:
    """Return the answer that a message holds. Raises ValueError where it is none."""
    return ScoreResponse(
        request_id=message.request_id,
        recipe=message.recipe,
        items=[_from_result(item) for item in message.items],
        groups=[
            GroupSummary(**_fields(group, *GROUP_FIELDS), tamed=list(group.tamed)) for group in message.groups
        ],
        timings_ms=dict(message.timings_ms),
        work=Work(**_fields(message.work, *Work.model_fields)),
        cache=CacheUse(**_fields(message.cache, *CacheUse.model_fields)),
        models=dict(message.models),
        missing_images=list(message.missing_images),
    )


def _fields(message: Any, *names: str) -> dict[str, Any]:
    """Values by name, None for an optional field that is not set."""
    fields = message.DESCRIPTOR.fields_by_name
    return {
        name: getattr(message, name) if not fields[name].has_presence or message.HasField(name) else None
        for name in names
    }


def _from_result(message: pb.ItemResult) -> ItemResult:
    return ItemResult(
        **_fields(message, "id", "reward"),
        parts={part.term: part.value if part.HasField("value") else None for part in message.parts},
        details=json.loads(message.details) if message.details else {},
        error=from_error(message.error) if message.HasField("error") else None,
    )


def from_error(message: pb.Error) -> ErrorBody:
    """Return the error that a message holds. Raises ValueError where it is none."""
    return ErrorBody(
        **_fields(message, "code", "message", "field", "retryable", "request_id"),
        nearest=list(message.nearest),
    )
