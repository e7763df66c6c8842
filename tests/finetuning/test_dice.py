import numpy as np
import pytest
import torch
from finetuning_fakes import load_task, quick
from torch.nn import functional

from tebench.encoders.base import InputSpec
from tebench.finetuning.evaluate import at_floor, dice_table, summarise, test_dice
from tebench.finetuning.loss import dice_cross_entropy


def test_dice_closed_form_and_absent_class():
    labels = np.array([0, 1, 1, 1, 2, 0])
    predicted = np.array([0, 1, 1, 0, 1, 3])
    assert dice_table(predicted, labels, 4) == [pytest.approx(4 / 6), 0.0, None]


def test_mean_is_over_present_classes_then_volumes():
    assert summarise({"a": [1.0, 0.5], "b": [0.25, None]}) == pytest.approx((0.75 + 0.25) / 2)


def test_floor_flag():
    protocol = quick(floor=0.05, collapse=0.01)
    assert not at_floor({"a": [0.5, 0.0], "b": [0.5, 0.2]}, protocol)
    assert at_floor({"a": [0.9, 0.0], "b": [0.9, 0.001]}, protocol), "one class has collapsed in every volume"
    assert at_floor({"a": [0.04, 0.04]}, protocol), "the value is under the floor"
    assert not at_floor({"a": [0.5, None]}, protocol), "a class absent from all volumes cannot collapse"


class Oracle(torch.nn.Module):
    """Segments the made-up task by its grey values."""

    def forward(self, image):
        return torch.cat([image.abs() < 2, image >= 2, image <= -2], 1).float()


def test_sliding_windows_give_a_full_dice_to_a_perfect_network():
    table = test_dice(Oracle(), load_task("blobs"), InputSpec(normalisation="zscore"), quick())
    assert min(d for row in table.values() for d in row if d is not None) > 0.97
    assert table["half"][1] is None and table["t"][1] is not None


def loss_by_one_hot(logits, labels, weights):
    """The same formula, written the long way."""
    p = logits.double().softmax(1)
    hot = functional.one_hot(labels, p.shape[1]).movedim(-1, 1).double()
    w = (hot * weights.double().view(1, -1, 1, 1, 1)).sum(1)
    entropy = -(w * (hot * p).sum(1).log()).sum() / w.sum()
    overlap, said, true = ((t).sum((0, 2, 3, 4)) for t in (p * hot, p, hot))
    dice = (2 * overlap + 1) / (said + true + 1)
    keep = [k for k in range(1, p.shape[1]) if true[k] > 0]
    return entropy + 1 - dice[keep].mean()


def test_loss_matches_its_formula_and_ignores_absent_classes_in_dice():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, 6, 7, generator=draw)
    labels = torch.randint(0, 3, (2, 5, 6, 7), generator=draw)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    expected = loss_by_one_hot(logits, labels, weights)
    torch.testing.assert_close(dice_cross_entropy(logits, labels, weights).double(), expected, rtol=1e-5, atol=1e-5)


def test_loss_falls_for_a_perfect_answer_and_is_finite_without_foreground():
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.int64)
    labels[0, :2] = 1
    perfect = 20.0 * functional.one_hot(labels, 2).movedim(-1, 1).float()
    weights = torch.ones(2)
    assert dice_cross_entropy(perfect, labels, weights) < 1e-3 < dice_cross_entropy(-perfect, labels, weights)
    assert torch.isfinite(dice_cross_entropy(perfect, torch.zeros_like(labels), weights))
