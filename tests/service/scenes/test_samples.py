"""Sample sets on disk are complete, and the same for the same seed."""

import json
from pathlib import Path

from PIL import Image

from visreward_service.scenes import build_sample, write_samples


def test_each_scene_has_a_picture_and_a_full_line(tmp_path: Path) -> None:
    heard: list[int] = []
    path = write_samples(
        tmp_path / "set", count=3, seed=40, on_sample=lambda sample: heard.append(sample.seed)
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert heard == [40, 41, 42]
    assert [line["id"] for line in lines] == ["scene-000040", "scene-000041", "scene-000042"]
    for line in lines:
        with Image.open(path.parent / line["image"]) as image:
            assert image.size == (224, 224)
        assert set(line) == {
            "id",
            "image",
            "caption",
            "negatives",
            "description",
            "false_description",
            "phrases",
            "false_phrases",
            "question",
            "answer",
            "key_words",
        }
        assert all(len(box) == 4 for phrase in line["phrases"] for box in phrase["boxes"])


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_samples(tmp_path / name, count=2, seed=7)
    for one in (tmp_path / "one").iterdir():
        assert one.read_bytes() == (tmp_path / "two" / one.name).read_bytes()


def test_key_words_stand_in_the_description() -> None:
    for seed in range(50):
        line = build_sample(seed).to_json()
        assert all(word in line["description"].lower() for word in line["key_words"])
