"""The same weights give the same maps as the public architecture package (opt-in, not in the default run).

    python -m pip install --no-deps "dynamic-network-architectures==0.4.4" "timm==1.0.22" einops
    python -m pytest tests/architectures/public_architectures.py

--no-deps keeps the installed torch; timm's import of torchvision is answered by an empty stand-in, since none
of its image functions is used here.
"""

import importlib.machinery
import sys
import types

import pytest
import torch

from tebench.encoders import primus, resenc
from tebench.encoders.base import EncoderFacts, InputSpec

FACTS = EncoderFacts("public", "", "", "", "", "", "", 0)


class _Anything(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _StandIn(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (), {})


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _StandIn(spec.name)

    def exec_module(self, module):
        pass


@pytest.fixture(scope="module", autouse=True)
def without_torchvision():
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    yield
    sys.meta_path.remove(finder)


def levels(weights):
    return {key.replace("stages.", "levels.", 1): value for key, value in weights.items() if "all_modules" not in key}


def patch(size, seed=0):
    return torch.randn(1, 1, *[size] * 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("divide", "size"), [(8, 64), (1, 64)])
def test_resenc_equals_the_public_encoder(divide, size):
    from dynamic_network_architectures.building_blocks.residual_encoders import ResidualEncoder

    features = tuple(width // divide for width in resenc.L.features)
    plan = resenc.Plan(features, resenc.L.blocks, resenc.L.strides)
    torch.manual_seed(0)
    public = ResidualEncoder(
        1, 6, features, torch.nn.Conv3d, [[3] * 3] * 6, [[step] * 3 for step in plan.strides], plan.blocks, True,
        torch.nn.InstanceNorm3d, {"eps": 1e-5, "affine": True}, None, None, torch.nn.LeakyReLU, {"inplace": True},
        return_skips=True,
    ).eval()  # fmt: skip
    own = resenc.ResEnc(FACTS, InputSpec(), plan)
    own.load_state_dict(levels(public.state_dict()), strict=True)
    own.freeze()
    with torch.no_grad():
        expected = public(patch(size))
    for found, wanted in zip(own(patch(size)), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "depth", "grid"), [(72, 3, 4), (864, 16, 4)])
@pytest.mark.parametrize("order", ["w h d", "h w d"])
def test_primus_equals_the_public_network(width, depth, grid, order):
    from dynamic_network_architectures.architectures.primus import Primus
    from einops import rearrange

    torch.manual_seed(0)
    public = Primus(
        1, width, (8, 8, 8), 1, depth, 12, (8 * grid,) * 3, init_values=0.1, scale_attn_inner=True
    ).eval()  # fmt: skip
    plan = primus.Plan(width, depth, 12, grid=(grid,) * 3, order=order)
    own = primus.Primus(FACTS, InputSpec(divisor=8), plan)
    weights = {key: value for key, value in public.state_dict().items() if key in own.state_dict()}
    # LayerScale and biases start at constants: random values make the comparison see them.
    generator = torch.Generator().manual_seed(1)
    weights = {key: value + 0.05 * torch.randn(value.shape, generator=generator) for key, value in weights.items()}
    own.load_state_dict(weights, strict=True)
    public.load_state_dict(weights, strict=False)
    with torch.no_grad():
        tokens = rearrange(public.down_projection(patch(8 * grid)), f"b c w h d -> b ({order}) c")
        expected = rearrange(public.eva(tokens)[0], f"b ({order}) c -> b c w h d", w=grid, h=grid, d=grid)
    own.freeze()
    torch.testing.assert_close(own(patch(8 * grid))[-1], expected, rtol=1e-4, atol=1e-4)
