"""Own ResEnc and Primus: shapes, parameter counts, closed forms. Equality with the public package is opt-in."""

import dataclasses
import math

import pytest
import torch
from checkpoint_files import FACTS, PRIMUS, RESENC, patch, primus_network, resenc_network

from tebench.base.errors import InputError
from tebench.encoders import primus, resenc
from tebench.encoders.axes import REVERSED, AxisEncoder
from tebench.encoders.base import InputSpec


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_at_full_width():
    # Sources: the public architecture package, the same networks built there.
    with torch.device("meta"):
        assert count(resenc.ResEnc(FACTS, InputSpec())) == 90_296_576
        network = primus.Primus(FACTS, InputSpec(divisor=8), dataclasses.replace(primus.M, grid=(12, 12, 12)))
    assert count(network.eva) == 145_135_296 and count(network.down_projection) == 443_232


def test_stages_at_full_width():
    assert [(stage.channels, stage.stride) for stage in resenc.L.stages] == [
        (32, 1), (64, 2), (128, 4), (256, 8), (320, 16), (320, 32)
    ]  # fmt: skip
    assert primus.M.taps == (4, 8, 12, 16)
    assert {(stage.channels, stage.stride) for stage in primus.M.stages} == {(864, 8)}


@pytest.mark.parametrize(("network", "sizes"), [(resenc_network(), (16, 16, 24)), (primus_network(), (32, 16, 24))])
def test_maps_are_as_the_stages_say(network, sizes):
    maps = network(patch(*sizes))
    for stage, found in zip(network.stages, maps, strict=True):
        assert found.shape == (1, stage.channels, *(size // stage.stride for size in sizes))
        assert torch.isfinite(found).all() and found.std() > 0 and not found.requires_grad
    copy = network.trainable()
    copy(patch(*sizes))[-1].square().mean().backward()
    assert all(parameter.grad is not None for parameter in copy.parameters())


def test_an_untrained_residual_block_adds_its_shortcut():
    block = resenc._Block(3, 3, 1)
    torch.nn.init.zeros_(block.conv2.norm.weight)
    x = torch.randn(1, 3, 4, 4, 4)
    torch.testing.assert_close(block(x), torch.nn.functional.leaky_relu(x, 0.01))
    block = resenc._Block(3, 3, 2)
    torch.nn.init.zeros_(block.conv2.norm.weight)
    mean = x.reshape(1, 3, 2, 2, 2, 2, 2, 2).mean((3, 5, 7))
    torch.testing.assert_close(block(x), torch.nn.functional.leaky_relu(mean, 0.01))


def test_rotary_table_is_the_closed_form():
    sin, cos = primus.rotary_table((2, 3, 4), 12)
    token = (1 * 3 + 2) * 4 + 3  # at (1, 2, 3), the first axis slowest
    expected = [position / 10000 ** (k / 2) for position in (1, 2, 3) for k in range(2) for _ in range(2)]
    torch.testing.assert_close(sin[token], torch.tensor([math.sin(angle) for angle in expected]))
    torch.testing.assert_close(cos[token], torch.tensor([math.cos(angle) for angle in expected]))


def test_rotation_keeps_length_and_depends_on_distance_alone():
    table = primus.rotary_table((4, 4, 4), 12)
    q, k = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    turned_q = primus._turn(q.expand(64, 12), table)
    turned_k = primus._turn(k.expand(64, 12), table)
    torch.testing.assert_close(turned_q.norm(dim=1), q.norm().expand(64))
    products = (turned_q @ turned_k.T).reshape(4, 4, 4, 4, 4, 4)
    torch.testing.assert_close(products[0, 0, 0, 1, 0, 2], products[2, 1, 1, 3, 1, 3], rtol=1e-4, atol=1e-4)
    assert abs(products[0, 0, 0, 1, 0, 2] - products[0, 0, 0, 2, 0, 1]) > 1e-3


def test_the_two_token_orders_differ_by_a_swap_of_two_axes():
    """(h w d) against (w h d) is the same network on a volume whose first two token axes are swapped."""
    first = primus_network(order="w h d")
    second = primus.Primus(FACTS, InputSpec(divisor=8), dataclasses.replace(PRIMUS, order="h w d"))
    weights = dict(first.state_dict())
    weights["down_projection.proj.weight"] = weights["down_projection.proj.weight"].transpose(2, 3)
    second.load_state_dict(weights, strict=True)
    second.freeze()
    x = patch(32, 32, 32)
    expected = first(x)[-1]
    torch.testing.assert_close(second(x.transpose(2, 3))[-1].transpose(2, 3), expected, rtol=1e-4, atol=1e-4)
    second.load_state_dict(first.state_dict())
    assert (second(x)[-1] - expected).abs().max() > 0.01


def test_position_embedding_is_resized_trilinearly():
    grid = torch.arange(4, dtype=torch.float32)
    ramp = (grid[:, None, None] + 10 * grid[None, :, None] + 100 * grid[None, None, :]).reshape(1, 64, 1)
    assert primus.resize(ramp, (4, 4, 4), (4, 4, 4)) is ramp
    doubled = primus.resize(ramp, (4, 4, 4), (8, 8, 8)).reshape(8, 8, 8)
    # align_corners=False: target cell 2 lies at source (2 + .5) / 2 - .5 = .75.
    assert doubled[2, 4, 4].item() == pytest.approx(0.75 + 10 * 1.75 + 100 * 1.75)
    constant = primus.resize(torch.ones(1, 64, 3), (4, 4, 4), (5, 3, 7))
    assert constant.shape == (1, 105, 3) and torch.allclose(constant, torch.ones(()))


def test_axes_turn_the_patch_and_turn_the_maps_back():
    class Copy(AxisEncoder):
        def own_maps(self, x):
            self.seen = x
            return [x]

    x = patch(2, 3, 4)
    for axes in (REVERSED, (1, 2, 0)):
        network = Copy(FACTS, InputSpec(divisor=1), RESENC.stages[:1], axes)
        torch.testing.assert_close(network(x)[0], x)
        assert [network.seen.shape[2 + k] for k in range(3)] == [x.shape[2 + axes[k]] for k in range(3)]
    with pytest.raises(InputError, match="permutation"):
        Copy(FACTS, InputSpec(), RESENC.stages[:1], (0, 1, 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: resenc.Plan(features=(2, 3), blocks=(1,), strides=(1, 2)), "same stages"),
        (lambda: resenc.Plan(features=(2, 0), blocks=(1, 1), strides=(1, 2)), "at least 1"),
        (lambda: primus.Plan(width=70), "multiple of 6 x 12"),
        (lambda: primus.Plan(depth=0), "at least 1"),
        (lambda: primus.Plan(order="d w h"), "order must be one of"),
    ],
)
def test_impossible_shapes_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_random_networks_follow_their_seed_and_leave_the_global_state():
    before = torch.get_rng_state()
    for build in (resenc_network, primus_network):
        first, again, other = (build(seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_table_made_in_inference_serves_training():
    network = primus_network()
    with torch.inference_mode():
        network(patch(32, 32, 32))
    network.trainable()(patch(32, 32, 32))[-1].sum().backward()
