"""Questions from every kind of file, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visreward_trainer.config import DataConfig, PromptConfig
from visreward_trainer.data import load_questions
from visreward_trainer.errors import ConfigError, DataError
from visreward_trainer.prompt import Prompt, build_prompt

pytestmark = pytest.mark.filterwarnings("ignore")

ASK = Prompt(template="Answer: {question}", system="Be brief.")


def write_pictures(folder: Path, num: int = 3) -> list[str]:
    for index in range(num):
        Image.new("RGB", (20 + index, 20), (index * 50, 0, 0)).save(folder / f"{index}.png")
    return [f"{index}.png" for index in range(num)]


def write_rows(folder: Path, name: str, **changes: Any) -> Path:
    """Write rows with a picture each in the form that the name's ending asks for."""
    import datasets

    pictures = write_pictures(folder)
    rows = [
        {
            "id": f"a{i}",
            "question": f"what {i}?",
            "images": [one],
            "answer": str(i),
            "key_words": ["red"] * i,
            **changes,
        }
        for i, one in enumerate(pictures)
    ]
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif name.endswith(".json"):
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif name.endswith(".parquet"):
        datasets.Dataset.from_list(rows).to_parquet(str(path))
    else:
        embedded = [{**row, "image": str(folder / row["images"][0])} for row in rows]
        table = datasets.Dataset.from_list(embedded).remove_columns("images")
        table.cast_column("image", datasets.Image()).save_to_disk(str(path))
    return path


@pytest.mark.parametrize("name", ["q.jsonl", "q.json", "q.parquet", "folder"])
def test_every_form_gives_the_same_questions(tmp_path: Path, name: str) -> None:
    questions = load_questions(DataConfig(path=write_rows(tmp_path, name)), ASK)
    assert [known.id for known in questions.known] == ["a0", "a1", "a2"]
    assert [known.reference["answer"] for known in questions.known] == ["0", "1", "2"]
    row = questions.rows[2]
    assert row["prompt"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Answer: what 2?"},
    ]
    assert [(image.size, image.mode) for image in row["images"]] == [((22, 20), "RGB")]
    [encoded] = questions.images_of(2)
    data = encoded if isinstance(encoded, bytes) else encoded.read_bytes()
    assert data == (tmp_path / "2.png").read_bytes()


def test_a_question_keeps_its_number_when_others_are_left_out(tmp_path: Path) -> None:
    questions = load_questions(DataConfig(path=write_rows(tmp_path, "q.jsonl")), ASK)
    kept = questions.keep(lambda row: row["row"] != 0)
    assert list(kept.rows["row"]) == [1, 2]
    assert kept.known[kept.rows[0]["row"]].id == "a1"


def test_references_of_unlike_rows_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [{"question": "a?", "answer": "1"}, {"question": "b?", "key_words": ["x"]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    known = load_questions(DataConfig(path=path), ASK).known
    assert [one.reference for one in known] == [{"answer": "1"}, {"key_words": ["x"]}]
    assert [one.source for one in known] == ["q", "q"]


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"images": ["gone.png"]}, {}, r"row 0: no image .*gone\.png"),
        ({}, {"question": "ask"}, "no column 'ask'"),
        ({"question": " "}, {}, "row 0: question is not a text"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_number(
    tmp_path: Path, changes: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    path = write_rows(tmp_path, "q.jsonl", **changes)
    with pytest.raises(DataError, match=message):
        load_questions(DataConfig(path=path, **settings), ASK)


@pytest.mark.parametrize("name", ["gone.jsonl", "q.txt"])
def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "q.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=name):
        load_questions(DataConfig(path=tmp_path / name), ASK)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"q\.json"):
        load_questions(DataConfig(path=tmp_path / "q.json"), ASK)


def test_the_recipes_own_prompt_asks_for_its_sections_in_order() -> None:
    [message] = build_prompt(PromptConfig(), "pebr-r1/stage2").messages("  What is it? ")
    headings = ("### Image Description:", "### Rationales:", "### Step 1:", "### The final answer is:")
    places = [message["content"].index(heading) for heading in headings]
    assert places == sorted(places)
    assert message["content"].endswith("\n\nWhat is it?")


def test_a_recipe_without_a_prompt_of_its_own_gets_the_question_alone() -> None:
    assert build_prompt(PromptConfig(), "clipscore").messages("What?")[0]["content"] == "What?"


def test_a_template_without_a_place_for_the_question_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Hello", encoding="utf-8")
    with pytest.raises(ConfigError, match="question"):
        build_prompt(PromptConfig(template=str(tmp_path / "t.txt")), "x")
    with pytest.raises(ConfigError, match="no template"):
        build_prompt(PromptConfig(template="nonsense"), "x")
