"""What the OpenAPI document allows, sent to every path: no answer is a defect."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.service.rest.test_process import serving

pytestmark = pytest.mark.slow

EXAMPLES = 30
LATE = 504
"""A deadline that a request sets itself, and that has passed."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("service")) as (_, url):
        yield url


def send(operation: APIOperation[Any, Any, Any, Any]) -> int:
    """Send what an operation allows; return how often."""
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Case[Any]) -> None:
        answer = case.call()
        statuses.append(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == LATE, answer.text[:500]

    ask()
    return len(statuses)


@pytest.mark.filterwarnings("ignore")
def test_nothing_that_the_document_allows_is_answered_with_a_defect(url: str) -> None:
    asked: dict[str, int] = {}
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        asked[f"{operation.method.upper()} {operation.path}"] = send(operation)
    assert {"POST /score", "PUT /images/{digest}", "POST /v2/models/{name}/infer"} <= set(asked)
    assert all(asked.values())
