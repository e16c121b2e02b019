"""The paths of the service for trainers that call a URL, over real sockets."""

import json
from typing import Any

import httpx
import pytest

from tests.client.adapters.material import (
    BARE,
    GOOD,
    PARTS,
    STAGE_1,
    STAGE_2,
    Service,
    completion,
    data,
    reference,
)
from visreward.adapters.labels import pack_label
from visreward.adapters.upload import upload

CLIP = {"recipe": "clipscore"}
LOST = pack_label(images=["0" * 64], reference={"answer": "1"})
PROMPT = "<|im_start|>user\n<|image_pad|>Q<|im_end|>\n<|im_start|>assistant\n"


def post(service: Service, path: str, body: Any, **query: Any) -> httpx.Response:
    return httpx.post(f"{service.url}{path}", json=body, params=query, timeout=60)


@pytest.fixture
def label(service: Service) -> str:
    return pack_label(images=upload([data(1)], url=service.url), reference=reference(1))


def openrlhf(label: str, kind: int = GOOD) -> dict[str, list[str]]:
    query = PROMPT.replace("<|image_pad|>", "<|image_pad|>" * 9) + completion(1, kind) + "<|im_end|>\n"
    return {"query": [query], "prompts": [PROMPT], "labels": [label]}


def test_openrlhf_gets_scalars(service: Service, label: str) -> None:
    good = post(service, "/compat/openrlhf", openrlhf(label), **CLIP).json()
    bare = post(service, "/compat/openrlhf", openrlhf(label, BARE), **CLIP).json()
    assert good["rewards"] == good["scores"] == good["extra_logs"]["clip"]
    assert good["rewards"] > bare["rewards"]
    assert list(good["extra_logs"]) == list(bare["extra_logs"]) == ["failed", "clip", "clip_applies"]


def test_slime_gets_a_bare_number(service: Service, label: str) -> None:
    body = {
        "prompt": [{"role": "user", "content": "Q"}],
        "response": completion(1) + "<|im_end|>",
        "label": label,
    }
    answer = post(service, "/compat/slime", body, **CLIP)
    assert type(json.loads(answer.text)) is float
    assert answer.json() == post(service, "/compat/openrlhf", openrlhf(label), **CLIP).json()["rewards"]
    plain = {"prompt": "Q", "response": completion(1), "label": reference(1)["answer"]}
    assert post(service, "/compat/slime", plain, recipe=STAGE_2).json() > 0.5


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/compat/openrlhf", openrlhf(LOST)),
        ("/compat/slime", {"prompt": "Q", "response": "A circle.", "label": LOST}),
    ],
)
def test_an_item_without_a_reward_is_an_error_or_the_number_that_the_url_names(
    service: Service, path: str, body: Any
) -> None:
    answer = post(service, path, body, **CLIP)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "image_missing"
    named = post(service, path, body, **CLIP, on_item_error=-1.5)
    assert named.status_code == 200
    found = named.json()
    assert (found["rewards"] if isinstance(found, dict) else found) == -1.5
    if isinstance(found, dict):
        assert found["extra_logs"] == {"failed": 1.0, "clip": 0.0, "clip_applies": 0.0}
    assert post(service, path, body, **CLIP, on_item_error="nan").status_code == 422


@pytest.mark.parametrize(
    ("query", "changes", "status", "code"),
    [
        ({"recipe": "clipscorn"}, {}, 404, "unknown_recipe"),
        ({}, {}, 422, "invalid_request"),
        ({"recipe": "gated"}, {}, 422, "invalid_request"),
        (CLIP, {"query": ["a", "b"]}, 422, "invalid_request"),
        (CLIP, {"query": ["no mark"], "prompts": ["other"]}, 422, "invalid_request"),
        (CLIP, {"labels": ['{"visreward": {"pictures": []}}']}, 422, "invalid_request"),
        (CLIP, {"labels": []}, 422, "invalid_request"),
    ],
)
def test_what_openrlhf_sends_wrongly_is_refused_with_a_reason(
    service: Service, query: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    answer = post(service, "/compat/openrlhf", {**openrlhf(LOST), **changes}, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def judged(**changes: Any) -> dict[str, Any]:
    boxes = [{"bbox_2d": [0, 0, 100, 100], "label": "cat"}]
    return {
        "response": f"<think>\nOne.\n</think>\n<answer>\n{json.dumps(boxes)}\n</answer>\n",
        "prompt": "Find the cat.",
        "answer": "",
        "solution": f"<answer>{json.dumps(boxes)}</answer>",
        "data_source": "coco",
        "reward_verifier": "detection",
        "reward_verifier_parm": json.dumps(
            {"is_training": True, "step": 1, "total_steps": 9, "image_path": []}
        ),
        **changes,
    }


def test_v_triunes_client_is_told_that_it_may_send_its_samples(service: Service) -> None:
    assert httpx.get(f"{service.url}/").json() == {"message": "Reward Judge Server"}


def test_v_triunes_judge_answers_with_every_part(service: Service) -> None:
    rewards = post(service, "/judge", judged()).json()["rewards"]
    assert rewards["final_reward"] == pytest.approx(1.0)
    assert rewards["format_reward"] == rewards["accuracy_reward"] == 1.0
    assert rewards["reflection_reward"] == 0.0
    empty = post(service, "/judge", judged(response="None.", format_ratio=1.0)).json()["rewards"]
    assert empty["final_reward"] == 0.0
    named = judged(reward_verifier=STAGE_2, solution=reference(1)["answer"], response=completion(1))
    assert post(service, "/judge", named).json()["rewards"]["accuracy_reward"] == 1.0


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"reward_verifier": "mathverifier"}, 404, "unknown_recipe"),
        ({"solution": "a cat"}, 422, "reference_unparsable"),
        ({"reward_verifier_parm": "{"}, 422, "invalid_request"),
        ({"reward_verifier_parm": '{"det_verifier_normalized": true}'}, 422, "invalid_request"),
        ({"accuracy_ratio": -1.0}, 422, None),
    ],
)
def test_v_triunes_judge_never_answers_a_failure_with_zeros(
    service: Service, changes: dict[str, Any], status: int, code: str | None
) -> None:
    answer = post(service, "/judge", judged(**changes))
    assert answer.status_code == status
    assert code is None or answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("prediction", "gold", "status"),
    [
        (r"So \boxed{\frac{1}{2}}", r"\frac{1}{2}", "correct"),
        (r"So \boxed{3}", "4", "wrong"),
        ("Four.", "4", "no_answer"),
        (r"So \boxed{4", "4", "unparsable"),
    ],
)
def test_pipelinerls_answers_are_verified(service: Service, prediction: str, gold: str, status: str) -> None:
    body = {"prediction": prediction, "gold": gold, "strict": True, "max_prediction_length": 1000}
    assert post(service, "/verify_answer", body).json() == {"answer_status": status}


def test_the_listing_says_which_parts_a_recipe_has_and_whether_it_needs_groups(service: Service) -> None:
    found = {one["name"]: one for one in httpx.get(f"{service.url}/recipes").json()}
    assert found[STAGE_1]["parts"] == list(PARTS)
    assert [found[name]["needs_group"] for name in (STAGE_1, "gated")] == [False, True]
