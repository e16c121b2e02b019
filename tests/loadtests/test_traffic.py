"""The traffic: what a trainer would send."""

from hashlib import sha256

import numpy as np

from loadtests.traffic import build_step, encode_pairs, jpeg, mark
from visreward.protocol import Limits
from visreward_service.engine.admit import admit
from visreward_service.engine.written import WrittenRecipes
from visreward_service.models.images import decode
from visreward_service.rest.body import read_json


def test_a_step_has_new_completions_on_new_images_or_on_those_given() -> None:
    step = build_step(1, num_images=2, group_size=3)
    again = build_step(2, num_images=0, group_size=3, images=step.images)
    assert step.num_items == again.num_items == 6
    assert again.images == step.images
    assert len({text for one in (step, again) for texts in one.completions for text in texts}) == 12
    assert build_step(1, num_images=2, group_size=3) == step


def test_the_service_admits_what_the_bench_writes() -> None:
    step = build_step(1, num_images=1, group_size=2)
    digest = sha256(step.images[0]).hexdigest()
    pairs = [(digest, text) for text in step.completions[0]]
    body = encode_pairs("clip", {digest: step.images[0]}, pairs, deadline_ms=1000)
    limits = Limits()
    written = WrittenRecipes(max_chars=limits.max_recipe_chars)
    call = admit(read_json(body), limits, written, held=lambda _: {})
    assert [entry.fault for entry in call.entries] == [None, None]
    assert call.images == {digest: step.images[0]}
    assert call.deadline_seconds == 1.0


def test_a_marked_picture_is_another_file_of_the_same_pixels() -> None:
    picture = jpeg(1, 64, 48)
    files = [picture, mark(picture, 1), mark(picture, 2)]
    assert len({sha256(file).digest() for file in files}) == 3
    first, *others = (decode(file, formats=["jpeg"], max_bytes=2**20, max_pixels=2**20).rgb for file in files)
    assert all(np.array_equal(first, other) for other in others)
