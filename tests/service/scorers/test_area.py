"""How much of the image a region covers."""

import pytest

from tests.service.scorers.boxes.judging import judge
from visreward.protocol import Code
from visreward_service.scorers.area import Area
from visreward_service.scorers.base import Fault

SIZE = {"resized_width": 100, "resized_height": 100}


@pytest.mark.parametrize(
    ("text", "share", "within"),
    [
        ("[0, 0, 60, 100]", 0.6, 1),
        ("[0, 0, 61, 100]", 0.61, 0),
        ("[-50, -50, 50, 50]", 0.25, 1),
        ("[90, 90, 300, 300]", 0.01, 1),
        ("[50, 50, 50, 90]", 0.0, 0),
        ("[90, 90, 10, 10]", 0.0, 0),
        ("[200, 200, 300, 300]", 0.0, 0),
        ("nowhere", 1.0, 0),
        (None, 1.0, 0),
    ],
)
def test_the_share_is_that_of_the_box_inside_the_image(text: str | None, share: float, within: int) -> None:
    values = judge(Area, text, extra=SIZE, frame="resized").values
    assert values["share"] == pytest.approx(share)
    assert values["within"] == within


def test_the_normalised_frames_need_no_size() -> None:
    assert judge(Area, "[0, 0, 500, 500]", frame="thousand").values["share"] == 0.25


def test_pixels_without_a_size_are_the_items_fault() -> None:
    with pytest.raises(Fault) as fault:
        judge(Area, "[0, 0, 1, 1]")
    assert (fault.value.code, fault.value.field) == (Code.MISSING_FIELD, "reference.extra.image_width")
