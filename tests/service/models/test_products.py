"""Products by oneDNN and by what torch takes itself: right, steady, and of few sizes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.products import TILE, find_onednn, linear, multiply_in_tiles, pack, read_vendor

SIZES = [(512, 512), (2048, 512), (512, 2048), (768, 768), (3072, 768), (768, 3072), (24, 48), (33, 17)]
"""Outputs and inputs: those of a ViT-B/32's towers, and small ones."""
NUM_ROWS = [1, 2, 3, 5, 8, 16, 31, 32, 33, 64, 100, 255, 256, 257, 300, 511, 512, 700]
CPUINFO = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: 25\n"


@pytest.fixture(autouse=True)
def needs_onednn() -> None:
    if find_onednn() is None:
        pytest.skip("this torch comes without oneDNN")


def draw(num_rows: int, outputs: int, inputs: int) -> tuple[Tensor, Tensor, Tensor]:
    dice = torch.Generator().manual_seed(0)
    weight = torch.randn(outputs, inputs, generator=dice) * inputs**-0.5
    return torch.randn(num_rows, inputs, generator=dice), weight, torch.randn(outputs, generator=dice)


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_tiles_give_the_product(outputs: int, inputs: int) -> None:
    for num_rows in (1, 7, TILE, TILE + 5):
        x, weight, bias = draw(num_rows, outputs, inputs)
        exact = x.double() @ weight.double().T
        assert (multiply_in_tiles(x, weight, None) - exact).abs().max() < 1e-5
        assert (multiply_in_tiles(x, weight, bias) - (exact + bias.double())).abs().max() < 1e-5


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_a_row_has_the_same_bits_among_however_many(outputs: int, inputs: int) -> None:
    x, weight, bias = draw(2 * NUM_ROWS[-1], outputs, inputs)
    among_many = multiply_in_tiles(x, weight, bias)
    for num_rows in NUM_ROWS:
        for start in (0, 50):
            rows = slice(start, start + num_rows)
            assert torch.equal(multiply_in_tiles(x[rows], weight, bias), among_many[rows])


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_a_packed_weight_gives_the_bits_of_the_plain_one(outputs: int, inputs: int) -> None:
    x, weight, bias = draw(NUM_ROWS[-1], outputs, inputs)
    packed = pack(weight)
    for num_rows in NUM_ROWS:
        assert torch.equal(linear(x[:num_rows], packed, bias), linear(x[:num_rows], weight, bias))
    assert torch.equal(packed.to_dense(), weight)


def test_kernels_are_compiled_for_few_numbers_of_rows() -> None:
    program = (
        "import torch; from visreward_service.models.products import multiply_in_tiles\n"
        "weight = torch.randn(24, 48)\n"
        "for num_rows in range(1, 600): multiply_in_tiles(torch.randn(num_rows, 48), weight, None)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ONEDNN_VERBOSE": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    compiled = re.findall(r"create:cache_miss.*\bmb(\d+)ic48oc24\b", told)
    assert len(compiled) == len(set(compiled)) == 16
    assert max(map(int, compiled)) == TILE


def test_other_types_go_through_torch_itself() -> None:
    x, weight, bias = (each.bfloat16() for each in draw(5, 16, 32))
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        (CPUINFO.format("AuthenticAMD"), "AuthenticAMD"),
        (CPUINFO.format("GenuineIntel"), "GenuineIntel"),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", None),
        ("", None),
        (None, None),
    ],
)
def test_the_processor_tells_its_maker(tmp_path: Path, text: str | None, vendor: str | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)
    assert read_vendor(cpuinfo) == vendor
