"""A `[models.NAME]` table says what it means or is refused with the nearest name."""

import subprocess
import sys
import tomllib
from importlib import import_module
from typing import Any

import pytest
from pydantic import ValidationError

from visreward_service.models import KINDS, ModelSettings

TABLE = """
[models.clip]
kind = "fgclip"
source = "hf:qihoo360/fg-clip-large@5a8f0f23b5a06dc92310e907599b2a0c2d58fe6f"
"""


def test_two_lines_name_a_real_checkpoint() -> None:
    settings = ModelSettings(**tomllib.loads(TABLE)["models"]["clip"])
    assert (settings.kind, settings.dtype, settings.device) == ("fgclip", "float32", "auto")


def test_every_kind_has_a_module_that_loads_it() -> None:
    for module in KINDS.values():
        assert callable(import_module(module).load)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "fg-clip"}, "nearest: fgclip"),
        ({"kind": "whatever"}, "known: clip, fgclip, fgclip2, open_clip, siglip2"),
        ({"source": " "}, "must name a folder"),
        ({"dtype": "fp16"}, "'float32', 'bfloat16' or 'float16'"),
        ({"max_batch_images": 0}, "greater than or equal to 1"),
        ({"batch": 3}, "Extra inputs are not permitted"),
        ({"pretrained": "openai"}, "are for open_clip, not for kind fgclip"),
        ({"force_quick_gelu": True}, "are for open_clip, not for kind fgclip"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelSettings(**{"kind": "fgclip", "source": "here", **wrong})


def test_images_are_resized_exactly_on_the_cpu_and_on_the_device_elsewhere_unless_told() -> None:
    settings = ModelSettings(kind="fgclip", source="here")
    assert (settings.resize_way("cpu"), settings.resize_way("cuda")) == ("exact", "device")
    told = settings.model_copy(update={"resize": "fast"})
    assert told.resize_way("cpu") == "fast"
    assert settings.model_copy(update={"resize": "exact"}).resize_way("cuda") == "exact"


def test_settings_and_images_load_no_torch() -> None:
    code = (
        "import sys; import visreward_service.models, visreward_service.models.images;"
        "print([name for name in ('torch', 'transformers', 'open_clip') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
