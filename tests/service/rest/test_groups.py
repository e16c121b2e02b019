"""Steps of the group over HTTP: what a recipe's `[group]` table makes of the items that share a `group`."""

from typing import Any

import httpx
import msgpack
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

TERMS: dict[str, Any] = {
    "right": {"scorer": "given", "name": "right"},
    "seen": {"scorer": "given", "name": "seen", "low": 0.0, "high": 1.0},
}


def item(name: str, group: str | None, right: float | None, seen: float | None = 0.5) -> dict[str, Any]:
    extra = {key: value for key, value in (("right", right), ("seen", seen)) if value is not None}
    return {"id": name, "group": group, "completion": "", "reference": {"extra": extra}}


def body(steps: dict[str, Any], *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"terms": TERMS, "reward": "right", "group": steps, "items": list(items), **changes}


async def score(service: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await service.post("/score", json=request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_summary_carries_what_the_steps_found(service: httpx.AsyncClient) -> None:
    steps = {"pass_rate": {}, "classify": {"rollouts": 2}, "filter": {}, "gate": {"value": "seen"}}
    items = [item("a", "g", 1.0), item("b", "h", 0.0), item("c", "g", 0.0), item("d", "h", 0.0, 0.0)]
    found = await score(service, body(steps, *items))
    first, second = found["groups"]
    assert first == {
        "group": "g", "num_items": 2, "num_scored": 2, "mean": 0.5, "std": 0.5, "tied": False,
        "pass_rate": 0.5, "difficulty": "medium", "keep": True, "gate": True, "scale": 0.5,
        "weight": None, "tamed": [],
    }  # fmt: skip
    assert (second["pass_rate"], second["difficulty"], second["keep"]) == (0.0, "hard", False)
    assert (second["gate"], second["scale"]) == (True, 0.25)


async def test_an_item_that_failed_is_left_out_and_never_counted_as_wrong(service: httpx.AsyncClient) -> None:
    steps = {"pass_rate": {}, "classify": {"rollouts": 2}, "filter": {}}
    found = await score(service, body(steps, item("a", "g", 1.0), item("b", "g", None), item("c", "g", 1.0)))
    assert found["items"][1]["error"]["code"] == "missing_field"
    assert found["items"][1]["reward"] is None
    (group,) = found["groups"]
    assert (group["num_items"], group["num_scored"], group["mean"]) == (3, 2, 1.0)
    assert (group["pass_rate"], group["difficulty"], group["keep"]) == (1.0, None, False)


async def test_mean_and_deviation_are_those_of_the_rewards_after_the_steps(
    service: httpx.AsyncClient,
) -> None:
    steps = {"weigh": {"weight": "2*seen"}}
    found = await score(service, body(steps, item("a", "g", 1.0, 1.0), item("b", "g", 0.5, 1.0)))
    assert [one["reward"] for one in found["items"]] == [2.0, 1.0]
    assert [one["parts"]["right"] for one in found["items"]] == [1.0, 0.5]
    (group,) = found["groups"]
    assert (group["mean"], group["std"], group["weight"]) == (1.5, 0.5, 2.0)


async def test_a_step_that_cannot_weigh_an_item_is_its_error_alone(service: httpx.AsyncClient) -> None:
    steps = {"weigh": {"weight": "1/seen"}}
    found = await score(service, body(steps, item("a", "g", 1.0, 0.0), item("b", "g", 1.0, 0.5)))
    first, second = found["items"]
    assert (first["reward"], first["error"]["code"]) == (None, "not_finite")
    assert (second["reward"], second["error"]) == (2.0, None)
    (group,) = found["groups"]
    assert (group["num_scored"], group["mean"]) == (1, 2.0)


async def test_an_item_without_a_group_is_a_group_of_its_own(service: httpx.AsyncClient) -> None:
    steps = {"gate": {"value": "seen", "apply": "rewards", "cap": 1.0}}
    items = [item("a", None, 1.0, 0.25), item("b", None, 1.0, 0.75), item("c", "g", 1.0, 1.0)]
    found = await score(service, body(steps, *items))
    assert [one["reward"] for one in found["items"]] == [0.25, 0.75, 1.0]
    assert [group["group"] for group in found["groups"]] == ["g"]


async def test_a_recipe_without_steps_says_nothing_of_them(service: httpx.AsyncClient) -> None:
    found = await score(service, body({}, item("a", "g", 1.0)))
    (group,) = found["groups"]
    assert {group[name] for name in ("pass_rate", "difficulty", "keep", "gate", "scale", "weight")} == {None}


async def test_msgpack_carries_the_same_summary(service: httpx.AsyncClient) -> None:
    request = body(
        {"pass_rate": {}, "tame": {"weights": {"right": 1.0}, "threshold": 9.0}}, item("a", "g", 1.0)
    )
    expected = await score(service, request)
    kind = {"content-type": "application/msgpack", "accept": "application/msgpack"}
    answer = await service.post("/score", content=msgpack.packb(request), headers=kind)
    assert msgpack.unpackb(answer.content)["groups"] == expected["groups"]


@pytest.mark.parametrize(
    ("steps", "field", "nearest"),
    [
        ({"fillter": {}}, "group.fillter", ["filter"]),
        ({"filter": {"law": 0.1}}, "group.filter.law", ["low"]),
        ({"weigh": {"weight": "sen"}}, "group.weigh.weight", ["seen"]),
        ({"filter": 3}, "group.filter", []),
        ({"filter": {"value": "(" * 5000}}, "group.filter.value", []),
        ("filter", "group", []),
    ],
)
async def test_a_wrong_step_refuses_the_request_and_names_the_field(
    service: httpx.AsyncClient, steps: Any, field: str, nearest: list[str]
) -> None:
    answer = await service.post("/score", json=body(steps, item("a", "g", 1.0)))
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["field"], error["nearest"]) == ("invalid_recipe", field, nearest)


async def test_a_named_recipe_takes_no_steps_from_the_request(service: httpx.AsyncClient) -> None:
    request = {"recipe": "pebr-r1/sampling", "group": {"filter": {}}, "items": [item("a", "g", 1.0)]}
    answer = await service.post("/score", json=request)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "group"


async def test_rewards_near_the_end_of_a_double_have_a_summary(service: httpx.AsyncClient) -> None:
    request = body({}, item("a", "g", 1.0), item("b", "g", 0.5)) | {"reward": "right*1e308"}
    (group,) = (await score(service, request))["groups"]
    assert group["mean"] == pytest.approx(7.5e307)
    assert group["std"] == pytest.approx(2.5e307)


async def test_sampling_classes_questions_as_the_paper_does(service: httpx.AsyncClient) -> None:
    def rollouts(group: str, right: int, count: int) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{group}-{n}",
                "group": group,
                "completion": f"### The final answer is: {7 if n < right else 8}",
                "reference": {"answer": "7"},
            }
            for n in range(count)
        ]

    items = [
        *rollouts("all", 8, 8),
        *rollouts("some", 3, 8),
        *rollouts("none", 0, 8),
        *rollouts("short", 7, 7),
    ]

    async def classes(recipe: str) -> dict[str, str | None]:
        found = await score(service, {"recipe": recipe, "items": items, "details": False})
        return {group["group"]: group["difficulty"] for group in found["groups"]}

    expected = {"all": "easy", "some": "medium", "none": "hard"}
    assert await classes("pebr-r1/sampling") == {**expected, "short": "medium"}
    assert await classes("pebr-r1/sampling-strict") == {**expected, "short": None}


async def test_pearl_gates_after_the_checklist_and_filters_after_the_reasoning(
    service: httpx.AsyncClient,
) -> None:
    def checked(name: str, group: str, answers: str) -> dict[str, Any]:
        reference = {"answer": '["3", "5"]'}
        return {
            "id": name,
            "group": group,
            "completion": f"<answer>{answers}</answer>",
            "reference": reference,
        }

    items = [checked("a", "g", "[3, 5]"), checked("b", "g", "[3, 4]"), checked("c", "h", "[1, 1]")]
    seen = (await score(service, {"recipe": "pearl/checklist", "items": items}))["groups"]
    assert [(one["mean"], one["gate"], one["scale"]) for one in seen] == [
        (0.75, True, 0.5),
        (0.0, False, 0.0),
    ]

    def reasoned(name: str, group: str, perception: float, answer: int) -> dict[str, Any]:
        reference = {"answer": "5", "extra": {"perception": perception}}
        return {"id": name, "group": group, "completion": f"\\boxed{{{answer}}}", "reference": reference}

    items = [reasoned("a", "g", 0.75, 5), reasoned("b", "g", 0.75, 5), reasoned("c", "h", 1.0, 5)]
    kept = (await score(service, {"recipe": "pearl/reasoning", "items": items}))["groups"]
    assert [(one["keep"], one["scale"]) for one in kept] == [(True, 0.5), (False, 0.5)]
