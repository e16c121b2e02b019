"""The reward protocols of trainers that call a URL: one sample in, one number out.

Translates to and from a score request of one item. What such a trainer hands over is its label, which may
be packed (`visreward.adapters.labels`). An item without a reward is an HTTP error, unless the URL names a
number for it.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from visreward.adapters.columns import to_columns
from visreward.adapters.labels import read_label
from visreward.adapters.messages import cut_completion, cut_end, read_text
from visreward.protocol import Code, ItemResult
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.recipes import BoundRecipe
from visreward_service.rest import body
from visreward_service.rest.access import caller_of
from visreward_service.rest.disconnect import while_connected

PATHS = frozenset({"/compat/openrlhf", "/compat/slime", "/judge", "/verify_answer"})
JUDGE = "Reward Judge Server"

OneText = Annotated[list[str], Field(min_length=1, max_length=1)]
Recipe = Annotated[str, Query(description="Name of the recipe.")]
Stand = Annotated[float | None, Query(description="What an item without a reward becomes; else an error.")]
BodyT = TypeVar("BodyT", bound=BaseModel)


class Payload(BaseModel):
    """What a trainer sends; fields that it adds are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OpenRlhfSample(Payload):
    """OpenRLHF's body: lists of one; `query` is prompt and completion with special tokens."""

    query: OneText
    prompts: OneText
    labels: Annotated[list[Any], Field(min_length=1, max_length=1)]


class SlimeSample(Payload):
    """slime's body."""

    prompt: str | list[dict[str, Any]] = ""
    response: str
    label: Any = None


class JudgeSample(Payload):
    """V-Triune's body; `reward_verifier` is `detection` or the name of a recipe."""

    response: str
    prompt: str
    answer: Any = None
    solution: Any = None
    data_source: str
    reward_verifier: str
    reward_verifier_parm: str = "{}"
    format_ratio: float | None = None
    accuracy_ratio: float | None = None


class Verification(Payload):
    """PipelineRL's body."""

    prediction: str
    gold: str
    strict: bool = True
    max_prediction_length: int = 1000


def needs_group(recipe: BoundRecipe) -> bool:
    """Whether an item's reward depends on the other items of its group."""
    return any(step.reads_siblings for step in recipe.steps)


def install(app: FastAPI, engine: Engine) -> None:
    """Add the paths."""
    _add_greeting(app)
    _add_openrlhf(app, engine)
    _add_slime(app, engine)
    _add_judge(app, engine)
    _add_verification(app, engine)


def _add_greeting(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def greet() -> dict[str, str]:
        """Say what V-Triune's client asks an address for before it sends anything there."""
        return {"message": JUDGE}


def _add_openrlhf(app: FastAPI, engine: Engine) -> None:
    @app.post("/compat/openrlhf")
    async def openrlhf(
        request: Request, recipe: Recipe, on_item_error: Stand = None, assistant_mark: str | None = None
    ) -> dict[str, Any]:
        """Score OpenRLHF's sample: `--reward.remote_url http://HOST:PORT/compat/openrlhf?recipe=NAME`."""
        sample = await _read(request, engine, OpenRlhfSample)
        try:
            completion = cut_completion(sample.query[0], sample.prompts[0], assistant_mark)
        except ValueError as error:
            raise RequestFault(Code.INVALID_REQUEST, str(error), field="query") from None
        fields = {**_read_label(sample.labels[0], "labels"), "completion": completion}
        item = await _score(request, engine, recipe, fields)
        reward = _settle(item, on_item_error)
        logs = to_columns(item, tuple(engine.recipes.recipes[recipe].spec.terms))
        return {"rewards": reward, "scores": reward, "extra_logs": logs}


def _add_slime(app: FastAPI, engine: Engine) -> None:
    @app.post("/compat/slime")
    async def slime(request: Request, recipe: Recipe, on_item_error: Stand = None) -> float:
        """Score slime's sample: `--rm-type remote_rm --rm-url http://HOST:PORT/compat/slime?recipe=NAME`."""
        sample = await _read(request, engine, SlimeSample)
        fields = {"prompt": read_text(sample.prompt, "user") or "", **_read_label(sample.label, "label")}
        item = await _score(request, engine, recipe, {**fields, "completion": cut_end(sample.response)})
        return _settle(item, on_item_error)


def _add_judge(app: FastAPI, engine: Engine) -> None:
    @app.post("/judge")
    async def judge(request: Request) -> dict[str, dict[str, float]]:
        """Score V-Triune's sample; every part comes back as `<part>_reward`."""
        sample = await _read(request, engine, JudgeSample)
        is_detection = sample.reward_verifier == "detection"
        recipe = "v-triune/detection" if is_detection else sample.reward_verifier
        fields = _read_solution(sample, engine)
        item = await _score(request, engine, recipe, fields)
        rewards = {"format_reward": 0.0, "accuracy_reward": 0.0, "reflection_reward": 0.0}
        rewards |= {f"{part}_reward": value for part, value in item.parts.items() if value is not None}
        return {"rewards": {**rewards, "final_reward": _settle(item, None)}}


def _add_verification(app: FastAPI, engine: Engine) -> None:
    extract = {"answer": {"boxed": "last"}}
    terms = {
        "right": {"scorer": "answer", "text": "answer", "kind": "math", "missing": "not_applicable"},
        "found": {"scorer": "pattern", "pattern": r"\\boxed"},
    }

    @app.post("/verify_answer")
    async def verify_answer(request: Request) -> dict[str, str]:
        """Compare PipelineRL's prediction, the last box of it, with the gold answer, by mathruler."""
        sample = await _read(request, engine, Verification)
        if "\\boxed" not in sample.prediction:
            return {"answer_status": "no_answer"}
        fields = {"completion": sample.prediction, "reference": {"answer": sample.gold}}
        written = {"extract": extract, "terms": terms, "reward": "found"}
        item = await _ask(request, engine, {**written, "items": [{"id": "0", **fields}]})
        _settle(item, None)
        right = item.parts["right"]
        return {"answer_status": "unparsable" if right is None else "correct" if right else "wrong"}


async def _read(request: Request, engine: Engine, model: type[BodyT]) -> BodyT:
    document = body.read_json(await body.read_body(request, engine.limits.max_request_bytes))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in detail["loc"])[:200]
        raise RequestFault(Code.INVALID_REQUEST, str(detail["msg"]), field=field) from None


def _read_label(label: Any, field: str) -> dict[str, Any]:
    try:
        return read_label(label)
    except ValueError as error:
        raise RequestFault(Code.INVALID_REQUEST, str(error), field=field) from None


async def _score(request: Request, engine: Engine, recipe: str, fields: Mapping[str, Any]) -> ItemResult:
    found = engine.recipes.get(recipe)
    if needs_group(found):
        raise RequestFault(
            Code.INVALID_REQUEST,
            "the recipe looks at whole groups, and this protocol sends one sample at a time",
            field="recipe",
        )
    document = {"recipe": recipe, "details": False, "items": [{"id": "0", **fields}]}
    return await _ask(request, engine, document)


async def _ask(request: Request, engine: Engine, document: dict[str, Any]) -> ItemResult:
    permitted = caller_of(request).permit_document
    scoring = engine.score(lambda: permitted(document), request_id=request.state.request_id)
    answer = await while_connected(request.receive, scoring)
    return answer.items[0]


def _settle(item: ItemResult, stand: float | None) -> float:
    """Return the reward, or the number that the URL names for a missing one; else raise."""
    if item.error is None and item.reward is not None:
        return item.reward
    if stand is not None and math.isfinite(stand):
        return stand
    assert item.error is not None  # noqa: S101 - an item has a reward or an error
    raise RequestFault(Code(item.error.code), item.error.message, field=item.error.field)


def _read_solution(sample: JudgeSample, engine: Engine) -> dict[str, Any]:
    """Return the fields of an item. What the verifier's parameters say goes to `reference.extra`."""
    parameters = _read_object(sample.reward_verifier_parm, engine)
    if parameters.get("det_verifier_normalized"):
        raise RequestFault(
            Code.INVALID_REQUEST,
            "normalised boxes are not read: send boxes in the completion's frame",
            field="reward_verifier_parm",
        )
    if sample.reward_verifier == "detection":
        fields: dict[str, Any] = {"reference": {"boxes": _read_boxes(sample.solution)}}
    else:
        fields = _read_label(sample.solution, "solution")
    ratios = {"accuracy_ratio": sample.accuracy_ratio, "format_ratio": sample.format_ratio}
    steps = {name: parameters.get(name) for name in ("step", "total_steps")}
    extra = {**(parameters.get("det_reward_ratio") or {}), **steps, **ratios}
    known = {name: value for name, value in extra.items() if value is not None}
    reference = {**fields.get("reference", {})}
    if known:
        reference["extra"] = {**reference.get("extra", {}), **known}
    return {
        "prompt": sample.prompt,
        "source": sample.data_source,
        **fields,
        "completion": sample.response,
        "reference": reference,
    }


def _read_object(text: str, engine: Engine) -> dict[str, Any]:
    value = _loads(text) if len(text) <= engine.limits.max_text_chars else None
    if not isinstance(value, dict):
        raise RequestFault(Code.INVALID_REQUEST, "not a JSON object", field="reward_verifier_parm")
    return value


def _read_boxes(solution: Any) -> list[dict[str, Any]]:
    """Return the boxes of a solution such as `<answer>[{"bbox_2d": […], "label": "cat"}]</answer>`."""
    text = solution if isinstance(solution, str) else json.dumps(solution)
    found = _loads(text[text.find("[") : text.rfind("]") + 1])
    if not isinstance(found, list) or not all(isinstance(one, dict) and "bbox_2d" in one for one in found):
        raise RequestFault(Code.REFERENCE_UNPARSABLE, "the solution is no list of boxes", field="solution")
    return [{"box": _floats(one["bbox_2d"]), "label": one.get("label")} for one in found]


def _floats(box: Any) -> Any:
    return [float(side) if isinstance(side, int) else side for side in box] if isinstance(box, list) else box


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
