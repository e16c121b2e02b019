"""The error codes of the wire, and the one table of what each means to HTTP, gRPC and a retrying client.

Domain code raises with a `Code` and never with a status; adapters look the status up here.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a request or an item has no reward. The values are stable: clients match on them."""

    # The request as a whole.
    INVALID_BODY = "invalid_body"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    REQUEST_TOO_LARGE = "request_too_large"
    UNKNOWN_RECIPE = "unknown_recipe"
    INVALID_RECIPE = "invalid_recipe"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    INTERNAL = "internal"

    # One item.
    INVALID_ITEM = "invalid_item"
    DUPLICATE_ID = "duplicate_id"
    MISSING_FIELD = "missing_field"
    TEXT_INVALID = "text_invalid"
    TEXT_TOO_LONG = "text_too_long"
    IMAGE_MISSING = "image_missing"
    IMAGE_INVALID = "image_invalid"
    IMAGE_UNSUPPORTED = "image_unsupported"
    IMAGE_TOO_LARGE = "image_too_large"
    DIGEST_MISMATCH = "digest_mismatch"
    REFERENCE_UNPARSABLE = "reference_unparsable"
    RULE_TIMEOUT = "rule_timeout"
    RULE_FAILED = "rule_failed"
    NOT_APPLICABLE = "not_applicable"
    NOT_FINITE = "not_finite"
    MODEL_FAILED = "model_failed"
    SCORER_FAILED = "scorer_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means to each protocol."""

    http: int
    """HTTP status when the code ends a whole request."""
    grpc: str
    """gRPC status name, as in `grpc.StatusCode`."""
    retryable: bool
    """Whether the same request can succeed later without being changed."""
    summary: str


MEANINGS: dict[Code, Meaning] = {
    Code.INVALID_BODY: Meaning(
        400, "INVALID_ARGUMENT", False, "the body is not the JSON or msgpack it claims to be"
    ),
    Code.INVALID_REQUEST: Meaning(422, "INVALID_ARGUMENT", False, "a field of the request is wrong"),
    Code.UNSUPPORTED_MEDIA_TYPE: Meaning(415, "INVALID_ARGUMENT", False, "neither JSON nor msgpack"),
    Code.REQUEST_TOO_LARGE: Meaning(
        413, "RESOURCE_EXHAUSTED", False, "over a limit published at GET /limits"
    ),
    Code.UNKNOWN_RECIPE: Meaning(404, "NOT_FOUND", False, "no recipe of that name is loaded"),
    Code.INVALID_RECIPE: Meaning(
        422, "INVALID_ARGUMENT", False, "the recipe written in the request is wrong"
    ),
    Code.NOT_FOUND: Meaning(404, "NOT_FOUND", False, "no such path"),
    Code.METHOD_NOT_ALLOWED: Meaning(405, "UNIMPLEMENTED", False, "the path does not take this method"),
    Code.UNAUTHENTICATED: Meaning(401, "UNAUTHENTICATED", False, "no key, or one that is not known here"),
    Code.FORBIDDEN: Meaning(403, "PERMISSION_DENIED", False, "the key may not use that recipe or encoder"),
    Code.RATE_LIMITED: Meaning(
        429, "RESOURCE_EXHAUSTED", True, "the key has sent too many requests; come back after the hint"
    ),
    Code.OVERLOADED: Meaning(429, "RESOURCE_EXHAUSTED", True, "the queue is full; come back after the hint"),
    Code.NOT_READY: Meaning(503, "UNAVAILABLE", True, "the service is starting or draining"),
    Code.INTERNAL: Meaning(500, "INTERNAL", True, "a defect of the service; the log holds the request id"),
    Code.INVALID_ITEM: Meaning(422, "INVALID_ARGUMENT", False, "a field of the item is wrong"),
    Code.DUPLICATE_ID: Meaning(422, "INVALID_ARGUMENT", False, "an earlier item of the request has this id"),
    Code.MISSING_FIELD: Meaning(
        422, "INVALID_ARGUMENT", False, "the recipe needs a field that the item lacks"
    ),
    Code.TEXT_INVALID: Meaning(422, "INVALID_ARGUMENT", False, "text with lone surrogates or NUL characters"),
    Code.TEXT_TOO_LONG: Meaning(422, "INVALID_ARGUMENT", False, "text over the published limit"),
    Code.IMAGE_MISSING: Meaning(
        422, "FAILED_PRECONDITION", False, "the service does not hold that image: send it"
    ),
    Code.IMAGE_INVALID: Meaning(422, "INVALID_ARGUMENT", False, "the image cannot be decoded"),
    Code.IMAGE_UNSUPPORTED: Meaning(422, "INVALID_ARGUMENT", False, "not an allowed image format"),
    Code.IMAGE_TOO_LARGE: Meaning(422, "INVALID_ARGUMENT", False, "image over the published bytes or pixels"),
    Code.DIGEST_MISMATCH: Meaning(422, "INVALID_ARGUMENT", False, "the bytes do not have that SHA-256"),
    Code.REFERENCE_UNPARSABLE: Meaning(
        422, "INVALID_ARGUMENT", False, "the reference cannot be judged against"
    ),
    Code.RULE_TIMEOUT: Meaning(
        422, "DEADLINE_EXCEEDED", False, "a rule ran past its time limit on this item"
    ),
    Code.RULE_FAILED: Meaning(
        422, "INTERNAL", False, "a rule's worker died or ran out of memory on this item"
    ),
    Code.NOT_APPLICABLE: Meaning(
        422, "FAILED_PRECONDITION", False, "a term without a value enters the reward"
    ),
    Code.NOT_FINITE: Meaning(422, "OUT_OF_RANGE", False, "the expression gave no finite number"),
    Code.MODEL_FAILED: Meaning(500, "INTERNAL", True, "the model failed on this input"),
    Code.SCORER_FAILED: Meaning(500, "INTERNAL", True, "a defect of a scorer; the log holds the request id"),
    Code.DEADLINE_EXCEEDED: Meaning(
        504, "DEADLINE_EXCEEDED", True, "not scored within the request's deadline"
    ),
}
