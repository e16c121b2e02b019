"""The table of error codes is total and consistent."""

from http import HTTPStatus
from pathlib import Path

import pytest

from visreward.protocol import MEANINGS, Code

GRPC_STATUSES = {
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}  # fmt: skip


@pytest.mark.parametrize("code", list(Code))
def test_every_code_means_something_to_every_protocol(code: Code) -> None:
    meaning = MEANINGS[code]
    assert HTTPStatus(meaning.http) >= HTTPStatus.BAD_REQUEST
    assert meaning.grpc in GRPC_STATUSES
    assert meaning.summary


@pytest.mark.parametrize("code", list(Code))
def test_only_faults_of_the_service_or_of_the_moment_are_retryable(code: Code) -> None:
    meaning = MEANINGS[code]
    assert meaning.retryable == (meaning.http in {429, 500, 503, 504})


def test_the_documentation_lists_every_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    assert [code for code in Code if f"| `{code}` |" not in page] == []
