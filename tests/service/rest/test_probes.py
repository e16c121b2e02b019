"""Listings, probes and the request id."""

import asyncio

import httpx
import pytest

from tests.service.rest.conftest import running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_health_and_readiness(service: httpx.AsyncClient) -> None:
    assert (await service.get("/healthz")).json() == {"status": "ok"}
    assert (await service.get("/readyz")).json() == {"status": "ready"}


async def test_a_process_that_can_never_be_ready_again_says_so_to_who_restarts_it() -> None:
    others = asyncio.all_tasks()
    async with running() as service:
        (loop,) = [task for task in asyncio.all_tasks() - others if task.get_name() == "lane-fgclip"]
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        ready, alive = await service.get("/readyz"), await service.get("/healthz")
        assert (ready.status_code, alive.status_code) == (503, 500)
        assert "the loop of model fgclip has stopped" in alive.json()["error"]["message"]


async def test_recipes_are_listed_and_shown(service: httpx.AsyncClient) -> None:
    listed = {recipe["name"]: recipe for recipe in (await service.get("/recipes")).json()}
    assert {"clipscore", "pebr-r1/stage1", "pebr-r1/stage1-strict", "pebr-r1/sampling"} <= set(listed)
    assert listed["pebr-r1/stage1"]["paper"] == "arXiv:2509.13031"
    assert "images" in listed["pebr-r1/stage1"]["needs"]
    shown = (await service.get("/recipes/pebr-r1/stage1-strict")).json()
    assert shown["quirks"]
    assert "[reward]" in shown["source"]
    missing = await service.get("/recipes/pebr-r1/stage9")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_recipe")


async def test_models_tell_their_text_limits_and_revision(service: httpx.AsyncClient) -> None:
    (model,) = (await service.get("/models")).json()
    assert model["name"] == "fgclip"
    assert model["branches"] == {"short": 77, "long": 248}
    assert model["revision"]


async def test_the_request_id_of_the_client_comes_back(service: httpx.AsyncClient) -> None:
    answer = await service.get("/healthz", headers={"x-request-id": "run-7.step-3"})
    assert answer.headers["x-request-id"] == "run-7.step-3"
    made = await service.get("/healthz", headers={"x-request-id": "has spaces and\ttabs"})
    assert made.headers["x-request-id"] != "has spaces and\ttabs"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/score", 405)])
async def test_wrong_paths_and_methods_answer_in_the_protocols_words(
    service: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await service.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


async def test_metrics_count_items_by_recipe_and_code(service: httpx.AsyncClient) -> None:
    item = {"id": "a", "completion": "no sections", "source": "probe"}
    await service.post("/score", json={"recipe": "pebr-r1/stage2", "items": [item]})
    text = (await service.get("/metrics")).text
    assert 'visreward_items_total{code="missing_field",recipe="pebr-r1/stage2",source="probe"} 1.0' in text


async def test_the_openapi_document_describes_the_score_request(service: httpx.AsyncClient) -> None:
    document = (await service.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    content = document["paths"]["/score"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/ScoreRequest"}
    assert {"ScoreRequest", "Item", "Reference", "ErrorResponse"} <= set(schemas)
