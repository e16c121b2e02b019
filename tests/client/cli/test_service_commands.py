"""`visreward recipes`, `scenes` and `serve`: the commands that the service part contributes."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.client.small_service import running_service
from visreward.cli.program import run_program
from visreward.protocol import ScoreRequest


def read_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_installed_recipes_are_listed_as_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["recipes", "--json"]) == 0
    recipes = {recipe["name"]: recipe for recipe in read_json(capsys)}
    stage_1 = recipes["pebr-r1/stage1"]
    assert stage_1["paper"] == "arXiv:2509.13031"
    assert stage_1["summary"]
    assert "reference.key_words" in stage_1["needs"]
    assert {"pebr-r1/stage2", "pebr-r1/stage1-strict", "clipscore"} <= recipes.keys()
    assert stage_1["example"]["completion_tokens"] > 0
    assert recipes["vppo/accuracy"]["steps"] == ["filter (value = accuracy, low = 0.01, high = 0.99)"]


def test_installed_recipes_are_listed_for_people_by_their_whole_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_program(["recipes"]) == 0
    shown = capsys.readouterr().out
    assert "pebr-r1/stage1-strict " in shown
    assert "arXiv:2509.13031" in shown


def test_a_recipe_is_shown_as_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["recipes", "show", "pebr-r1/stage2"]) == 0
    assert '"pebr-r1/stage2"' in capsys.readouterr().out
    assert run_program(["recipes", "show", "pebr-r1/stage2", "--json"]) == 0
    assert read_json(capsys)["name"] == "pebr-r1/stage2"


def test_an_unknown_recipe_is_answered_with_the_nearest_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["recipes", "show", "pebr-r1/stage3"]) == 2
    assert "nearest: pebr-r1/stage" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["show"], ["list", "clipscore"]])
def test_show_wants_a_name_and_list_wants_none(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["recipes", *arguments]) == 2
    assert "visreward recipes show NAME" in capsys.readouterr().err


def test_recipes_of_a_folder_are_listed_too_and_a_wrong_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nsummary = "Ours."\n[terms.n]\nscorer = "length"\n[reward]\nexpression = "nn"\n'
    )
    assert run_program(["recipes", "--folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("visreward recipes: mine.toml:")


def test_recipes_of_a_running_service_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with running_service() as service:
        assert run_program(["recipes", "--json", "--url", service.url]) == 0
        assert [recipe["name"] for recipe in read_json(capsys)] == ["lengths"]
        assert run_program(["recipes", "--url", service.url]) == 0
        assert "completion" in capsys.readouterr().out
        assert run_program(["recipes", "show", "lengths", "--json", "--url", service.url]) == 0
        assert read_json(capsys)["name"] == "lengths"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "new"
    assert run_program(["scenes", "render", "--out", str(folder), "--count", "6", "--seed", "40"]) == 0
    return folder


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_rendered_scenes_come_with_groups_of_items_in_the_papers_sections(scenes: Path) -> None:
    items = read_lines(scenes / "items.jsonl")
    captions = {line["id"]: line for line in read_lines(scenes / "captions.jsonl")}
    assert len(items) == 4 * 6
    assert len({item["id"] for item in items}) == len(items)
    for item in items:
        scene = captions[item["group"]]
        assert item["reference"] == {"answer": scene["answer"], "key_words": scene["key_words"]}
        with Image.open(scenes / item["images"][0]) as image:
            image.verify()
        name = item["id"].removeprefix(f"{item['group']}-")
        sections = ["### Image Description:", "### Rationales:", "### Step 1:", "### The final answer is:"]
        assert all(section in item["completion"] for section in sections) == (name != "bare")
        right = f"### The final answer is: {scene['answer']}"
        assert item["completion"].endswith(right) == (name in ("faithful", "rambling"))
        described = scene["false_description"] if name == "mistaken" else scene["description"]
        assert (described in item["completion"]) == (name != "bare")
        assert (item["completion_tokens"] > 512) == (name == "rambling")


def test_the_ready_request_is_one_that_the_wire_takes_with_each_image_once(scenes: Path) -> None:
    request = json.loads((scenes / "request.json").read_text())
    assert len(request["images"]) == 4
    for image in request["images"]:
        image["data"] = base64.b64decode(image["data"])
        assert hashlib.sha256(image["data"]).hexdigest() == image["digest"]
    known = ScoreRequest.model_validate(request)
    assert known.recipe == "pebr-r1/stage1"
    assert len(known.items) == 16
    assert {digest for item in known.items for digest in item.images} == {
        image.digest for image in known.images
    }


def test_the_same_seed_renders_the_same_files(scenes: Path, tmp_path: Path) -> None:
    assert run_program(["scenes", "render", "--out", str(tmp_path), "--count", "6", "--seed", "40"]) == 0
    names = {file.name for file in scenes.iterdir()}
    assert names == {file.name for file in tmp_path.iterdir()}
    assert all((scenes / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_no_scenes_at_all_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["scenes", "render", "--out", str(tmp_path), "--count", "0"]) == 2
    assert "--count" in capsys.readouterr().err


def test_a_settings_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["serve", "--config", "nowhere.toml"]) == 2
    assert capsys.readouterr().err == "visreward serve: There is no settings file nowhere.toml.\n"


def test_the_settings_file_of_the_environment_is_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_CONFIG", "elsewhere.toml")
    assert run_program(["serve"]) == 2
    assert "elsewhere.toml" in capsys.readouterr().err
