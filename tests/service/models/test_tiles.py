"""MLPs that take their rows in tiles: the same values, and nothing else touched."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from visreward_service.models.products import TILE
from visreward_service.models.tiles import tile_mlps

WIDTH = 8


def make_mlp(*names: str) -> nn.Module:
    layers = (nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
    return nn.Sequential(OrderedDict(zip(names, layers)))


@pytest.mark.parametrize("names", [("fc1", "activation_fn", "fc2"), ("c_fc", "gelu", "c_proj")])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (TILE,), (TILE + 1,), (3, TILE)])
def test_tiles_give_what_the_whole_gives_and_layers_see_no_more(
    names: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    mlp = make_mlp(*names)
    network = nn.Sequential(OrderedDict(mlp=mlp))
    x = torch.randn(*shape, WIDTH)
    with torch.inference_mode():
        whole = network(x)
        seen: list[int] = []
        names_before = list(network.state_dict())
        first = next(mlp.children())
        first.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        tile_mlps(network)
        tiled = network(x)
    assert tiled.shape == x.shape
    assert torch.allclose(tiled, whole, atol=1e-6)
    assert max(seen) <= TILE
    assert sum(seen) == x.shape[:-1].numel()
    assert list(network.state_dict()) == names_before


def test_other_modules_stay_as_they_are() -> None:
    network = nn.Sequential(make_mlp("first", "activation", "second"), nn.Linear(WIDTH, WIDTH))
    seen: list[int] = []
    next(network.children()).register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    tile_mlps(network)
    network(torch.randn(2 * TILE, WIDTH))
    assert seen == [2 * TILE]
