"""The service under a local Ray Serve."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.scenes_data import item, picture

pytestmark = pytest.mark.ray

URL = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ray = pytest.importorskip("ray")
    from ray import serve

    from visreward_service.ray import Arguments, app

    config = tmp_path_factory.mktemp("ray") / "settings.toml"
    config.write_text("[rules]\nworkers = 1\n[ray]\nreplicas = 2\ncpus = 0.5\n", encoding="utf-8")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": 8765})
        serve.run(app(Arguments(config=config)), route_prefix="/")
        yield URL
    finally:
        serve.shutdown()
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_a_replica_scores_as_the_service_does(url: str) -> None:
    body = {"recipe": "pebr-r1/stage1", "images": [picture(1).wire()], "items": [item(1, 0), item(1, 1)]}
    answers = [httpx.post(f"{url}/score", json=body, timeout=120).json() for _ in range(4)]
    rewards = [[one["reward"] for one in answer["items"]] for answer in answers]
    assert all(isinstance(reward, float) for reward in rewards[0])
    assert all(found == rewards[0] for found in rewards)


@pytest.mark.filterwarnings("ignore")
def test_a_refusal_passes_through_ray_unchanged(url: str) -> None:
    refused = httpx.post(f"{url}/score", json={"recipe": "nothing", "items": [item(1)]}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_recipe")
    assert httpx.get(f"{url}/readyz", timeout=60).json() == {"status": "ready"}


def test_the_arguments_name_a_file_that_is_read(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from visreward_service.ray import Arguments, app
    from visreward_service.settings import SettingsError

    with pytest.raises(SettingsError, match="cannot be read"):
        app(Arguments(config=tmp_path / "absent.toml"))
