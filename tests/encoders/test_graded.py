"""Graded encoders lie on the line between a trained encoder and its random twin."""

import pytest
import torch

from tebench.base.errors import InputError
from tebench.encoders import catalogue, graded


@pytest.fixture(scope="module")
def ends():
    return catalogue.build("deepbet"), catalogue.build("deepbet_random")


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_every_tensor_is_the_weighted_mean(ends, percent):
    name = f"deepbet_graded_{percent}"
    encoder = catalogue.build(name)
    trained, twin = (end.without_head().state_dict() for end in ends)
    share = percent / 100
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(value, (1 - share) * trained[key] + share * twin[key], rtol=1e-5, atol=1e-6)
    assert encoder.name == encoder.facts.name == name and f"{percent} %" in encoder.facts.pretraining
    assert not hasattr(encoder, "head") and not any(p.requires_grad for p in encoder.parameters())


def test_the_ends_are_the_two_encoders(ends):
    trained, twin = ends
    for share, end in ((0.0, trained.without_head()), (1.0, twin)):
        mixed = graded.between(trained, twin, share, twin.facts).state_dict()
        assert all(torch.equal(mixed[key], value) for key, value in end.state_dict().items())


def test_features_move_away_step_by_step(ends):
    x = torch.rand(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    last = ends[0](x)[-1]
    distance = [(catalogue.build(f"deepbet_graded_{p}")(x)[-1] - last).norm().item() for p in (25, 50, 75)]
    assert 0 < distance[0] < distance[1] < distance[2]


def test_other_shapes_and_shares_are_refused(ends):
    with pytest.raises(InputError, match="share must be between 0 and 1"):
        graded.between(*ends, 1.5, ends[0].facts)
    with pytest.raises(InputError, match="not of one shape"):
        graded.between(ends[0], catalogue.build("deepbrain_random"), 0.5, ends[0].facts)
