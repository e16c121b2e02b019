"""What the OpenAPI document allows, sent to every path: no answer is a defect."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok

from tests.service.rest.test_process import serving

pytestmark = pytest.mark.slow

EXAMPLES = 30
LATE = 504
"""A deadline that a request sets itself, and that has passed."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("service")) as (_, url):
        yield url


@pytest.mark.filterwarnings("ignore")
def test_nothing_that_the_document_allows_is_answered_with_a_defect(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    asked: dict[str, int] = {}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        name = f"{operation.method.upper()} {operation.path}"

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Case[Any], name: str = name) -> None:
            answer = case.call()
            asked[name] = asked.get(name, 0) + 1
            assert answer.status_code < 500 or answer.status_code == LATE, (name, answer.text[:500])

        ask()
    assert {"POST /score", "PUT /images/{digest}", "POST /v2/models/{name}/infer"} <= set(asked)
