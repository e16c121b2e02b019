"""Both clients, the program and the documentation's examples against the real service, over real sockets."""

import asyncio
import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client.calls import call_each
from tests.running import running
from tests.service.access.certificates import make_certificates
from tests.service.scenes_data import item, picture
from visreward import AsyncRewardClient, ItemError, Limits, RewardClient, UnknownNameError
from visreward.cli.program import run_program
from visreward.protocol import Code
from visreward_service.settings import RuleSettings, Settings

DOCS = Path(__file__).parents[2] / "docs" / "client.md"
STAGE_1 = "pebr-r1/stage1"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(Settings(rules=RuleSettings(workers=1), cpu_threads=2)) as port:
        yield f"http://127.0.0.1:{port}"


def with_bytes(one: dict[str, Any], seed: int) -> dict[str, Any]:
    """Give an item its picture itself in the place of the digest."""
    return {**one, "images": [picture(seed).data]}


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_both_clients_and_both_bodies_get_the_same_rewards(url: str, encoding: Any) -> None:
    items = [with_bytes(item(seed, number), seed) for seed in (1, 2) for number in range(3)]

    async def ask() -> list[float | None]:
        async with AsyncRewardClient(url=url, encoding=encoding) as client:
            return (await client.score(items, recipe=STAGE_1)).rewards

    with RewardClient(url=url) as client:
        result = client.score(items, recipe=STAGE_1)
    assert asyncio.run(ask()) == result.rewards
    assert result.work.images_asked == 6
    assert all(group.tied for group in result.groups)
    assert set(result.items[0].parts) >= {"clip", "key_word", "format", "length"}


def test_cutting_a_call_changes_no_reward_and_no_group(url: str) -> None:
    items = [
        with_bytes(item(seed, number, completion_tokens=100 * number), seed)
        for seed in (1, 2, 3)
        for number in range(4)
    ]
    with RewardClient(url=url) as client:
        whole = client.score(items, recipe=STAGE_1)
        limits = client.limits()
    assert limits == Limits()
    with RewardClient(url=url, limits=Limits(max_items=3)) as client:
        cut = client.score(items, recipe=STAGE_1)
    assert len(whole.request_ids) == 1
    assert len(cut.request_ids) > 3
    assert cut.rewards == whole.rewards
    assert cut.groups == whole.groups


def test_failed_items_come_with_the_callers_numbers(url: str) -> None:
    items = [
        with_bytes(item(1, 0), 1),
        {**item(1, 1), "images": [b"no image"]},
        {**item(1, 2), "images": ["0" * 64]},
        {**with_bytes(item(1, 3), 1), "completion_tokens": None},
    ]
    with RewardClient(url=url) as client:
        with pytest.raises(ItemError, match="3 of 4 items") as caught:
            client.score(items, recipe=STAGE_1)
        assert client.score(items, recipe=STAGE_1, on_item_error=0.5).rewards[1:] == [0.5] * 3
    errors = [failed.error for failed in caught.value.failed]
    assert [(error.code, error.field) for error in errors if error is not None] == [
        (Code.IMAGE_UNSUPPORTED, "items[1].images[0]"),
        (Code.IMAGE_MISSING, "items[2].images[0]"),
        (Code.MISSING_FIELD, "items[3].completion_tokens"),
    ]


def test_an_unknown_recipe_has_the_request_id_of_the_services_log(url: str) -> None:
    with RewardClient(url=url) as client, pytest.raises(UnknownNameError) as caught:
        client.score([with_bytes(item(1), 1)], recipe="pebr-r1/stage9")
    assert "pebr-r1/stage1" in caught.value.nearest
    assert caught.value.request_id
    assert caught.value.status == 404


def test_the_listings_are_there(url: str) -> None:
    with RewardClient(url=url) as client:
        assert client.ready()
        assert STAGE_1 in [recipe["name"] for recipe in client.recipes()]
        assert client.recipe(STAGE_1)["source"]
        assert all(model["revision"] for model in client.models())


def test_rendered_scenes_are_scored_by_the_program_from_good_to_bad(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["scenes", "render", "--out", str(tmp_path), "--count", "4", "--seed", "7"]) == 0
    capsys.readouterr()
    arguments = ["--recipe", STAGE_1, "--items", str(tmp_path / "items.jsonl"), "--json", "--url", url]
    assert run_program(["score", *arguments]) == 0
    rewards: dict[str, dict[str, float]] = {}
    for line in capsys.readouterr().out.splitlines():
        found = json.loads(line)
        scene, name = found["id"].rsplit("-", 1)
        rewards.setdefault(scene, {})[name] = found["reward"]
    assert len(rewards) == 4
    for of in rewards.values():
        assert of["faithful"] > of["rambling"] > of["bare"]
        assert of["faithful"] >= of["mistaken"]
    assert run_program(["models", "--url", url]) == 0
    assert run_program(["recipes", "--url", url]) == 0
    assert STAGE_1 in capsys.readouterr().out


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_documentation_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISREWARD_URL", url)
    certificates = make_certificates(tmp_path)
    assert {certificates.ca.name, certificates.issue("client").name} == {"ca.pem", "client.pem"}
    commands = [
        line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines() if line.strip()
    ]
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "visreward"
        assert run_program(arguments) == 0, command
    printed = io.StringIO()
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(printed):
        for block in blocks("python"):
            exec(compile(block, str(DOCS), "exec"), names)  # noqa: S102 - our own page
    for name in ("client", "patient", "spread", "shared", "guarded"):
        names[name].close()
    shown = printed.getvalue()
    assert "1 of 3 items could not be scored" in shown
    assert "image_unsupported items[2].images[0]" in shown
    assert "unknown_recipe ('pebr-r1/stage1'" in shown
    assert "-1.0 None" in shown
    assert capsys.readouterr().err.count("6/6") >= 1


def received(url: str) -> float:
    """Return the bytes of images that the service has been sent since its start."""
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith("visreward_image_bytes_received_total "):
            return float(line.split()[1])
    raise AssertionError("the metric is not there")


@pytest.mark.parametrize(
    ("kind", "encoding", "compression", "seeds"),
    [
        ("sync", "msgpack", None, (31, 32)),
        ("async", "json", None, (33, 34)),
        ("async", "msgpack", "zstd", (35, 36)),
    ],
)
def test_the_second_epoch_of_a_run_sends_no_byte_of_an_image(
    url: str, kind: str, encoding: Any, compression: Any, seeds: tuple[int, ...]
) -> None:
    """The images are of this case alone: the service lives through all of them."""
    before = received(url)
    totals = []
    epochs = [
        [with_bytes(item(seed, number, completion_tokens=epoch), seed) for seed in seeds for number in (0, 1)]
        for epoch in (100, 200, 300)
    ]
    results = call_each(
        kind,
        url,
        epochs,
        between=lambda _: totals.append(received(url)),
        recipe=STAGE_1,
        encoding=encoding,
        compression=compression,
    )
    totals.append(received(url))
    assert totals[1] - before == sum(len(picture(seed).data) for seed in seeds)
    assert totals[3] == totals[2] == totals[1]
    for result in results[1:]:
        assert result.work.images_encoded == 0
        assert [r.parts["clip"] for r in result.items] == [r.parts["clip"] for r in results[0].items]
