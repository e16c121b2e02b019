"""One scraped service for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.deploy.scraped import Scraped, running_service


@pytest.fixture(scope="package")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with running_service(tmp_path_factory.mktemp("redis")) as service:
        service.exercise(1)
        yield service
