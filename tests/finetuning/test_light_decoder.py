import pytest
import torch
from finetuning_fakes import build_encoder, quick

from tebench.base.errors import InputError
from tebench.encoders.base import Stage
from tebench.finetuning.decoder import LightDecoder, Segmenter, _depth_to_space, initialise


def decoder(*shapes, seed=0, image_channels=1, finest=2):
    stages = tuple(Stage(f"encoder.{k}", "encoder", *shape) for k, shape in enumerate(shapes))
    made = LightDecoder(stages, 3, width=8, finest=finest, deepest=8, image_channels=image_channels)
    initialise(made, lambda name: quick().entropy("blobs", seed, "decoder", name))
    return made


@pytest.mark.parametrize(
    "shapes", [((16, 4), (16, 4), (32, 8)), ((8, 1), (16, 2), (32, 4)), ((4, 8),), ((4, 1),)], ids=str
)
@pytest.mark.parametrize("image_channels", [0, 1])
def test_logits_have_full_resolution_for_any_strides(shapes, image_channels):
    image = torch.rand(2, 1, 16, 16, 24)
    maps = [torch.rand(2, channels, *(edge // stride for edge in image.shape[2:])) for channels, stride in shapes]
    assert decoder(*shapes, image_channels=image_channels)(image, maps).shape == (2, 3, 16, 16, 24)


def test_every_stage_and_the_image_reach_the_logits():
    made = decoder((4, 1), (6, 4), (6, 4), (8, 8))
    image = torch.rand(1, 1, 16, 16, 16, requires_grad=True)
    maps = [
        torch.rand(1, c, 16 // s, 16 // s, 16 // s, requires_grad=True) for c, s in ((4, 1), (6, 4), (6, 4), (8, 8))
    ]
    made(image, maps)[0, 1, 8, 8, 8].backward()
    assert all(tensor.grad.abs().sum() > 0 for tensor in [image, *maps])


def test_shared_layers_start_equal_for_encoders_of_different_shape():
    one = dict(decoder((16, 4), (32, 8)).named_parameters())
    two = dict(decoder((8, 1), (8, 2), (32, 4), (64, 8)).named_parameters())
    shared = [name for name in one if name in two and one[name].shape == two[name].shape]
    assert {name.split(".")[0] for name in shared} == {"laterals", "fuse", "head"}
    assert all(torch.equal(one[name], two[name]) for name in shared)
    other = dict(decoder((16, 4), (32, 8), seed=1).named_parameters())
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_initialisation_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    made = LightDecoder((Stage("encoder.0", "encoder", 4, 2),), 2, width=4, finest=2, deepest=4)
    torch.manual_seed(5)
    initialise(made, lambda name: 1)
    assert torch.equal(torch.rand(1), expected)


def test_depth_to_space_puts_each_channel_at_its_offset():
    x = torch.arange(2 * 8 * 27, dtype=torch.float32).reshape(1, 16, 3, 3, 3)
    y = _depth_to_space(x, 2)
    for k in range(2):
        for offset in range(8):
            a, b, c = offset // 4, offset // 2 % 2, offset % 2
            assert torch.equal(y[:, k, a::2, b::2, c::2], x[:, 8 * k + offset])


def test_a_stride_that_is_no_power_of_two_is_named():
    with pytest.raises(InputError, match=r"encoder\.0 must be a power of two, got 3"):
        decoder((4, 3))


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_encoder_gets_no_gradient_and_the_given_one_is_untouched(frozen):
    encoder = build_encoder("tiny")
    made = LightDecoder(encoder.stages, 3, width=8, finest=2, deepest=8, image_channels=1)
    network = Segmenter(encoder, made, frozen=frozen).train()
    network(torch.rand(1, 1, 16, 16, 16)).sum().backward()
    gradients = [tensor.grad is not None for tensor in network.encoder.parameters()]
    assert all(gradients) if not frozen else not any(gradients)
    assert not any(tensor.requires_grad for tensor in encoder.parameters())
