"""Class and severity of a degradation."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.degradation import Degradation

EXTRA = {"distortion_class": "blur", "severity": "serious"}


def write(kind: str, severity: str) -> str:
    return f'{{"distortion_class": "{kind}", "severity": "{severity}"}}'


@pytest.mark.parametrize(
    ("kind", "severity", "score"),
    [("blur", "serious", 1.0), ("blur", "slight", 0.25), ("noise", "serious", 0.0), ("noise", "slight", 0.0)],
)
def test_the_class_earns_a_quarter_and_the_severity_the_rest(kind: str, severity: str, score: float) -> None:
    assert value(Degradation, write(kind, severity), "score", extra=EXTRA) == score


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        '{"distortion_class": null, "severity": null}',
        '{"severity": "serious", "distortion_class": "blur"}',
        '"distortion_class": "blur"' * 5000,
    ],
)
def test_text_without_a_quoted_class_and_a_severity_behind_it_earns_nothing(text: str | None) -> None:
    assert judge(Degradation, text, extra=EXTRA).values["readable"] == 0.0


def test_a_quoted_null_is_a_class_like_any_other() -> None:
    extra = {"distortion_class": "null", "severity": "null"}
    assert value(Degradation, write("null", "null"), "score", extra=extra) == 1.0


def test_a_missing_reference_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge(Degradation, write("blur", "slight"), extra={"distortion_class": "blur"})
    assert (fault.value.code, fault.value.field) == (Code.MISSING_FIELD, "reference.extra.severity")
