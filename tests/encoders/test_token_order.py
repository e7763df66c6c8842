"""The order of Primus's tokens: from what the file says of its training, never from where it lies."""

import json

import pytest
import torch
from checkpoint_files import patch, primus_content, primus_network, save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.encoders import checkpoints
from tebench.encoders.checkpoints import describe, open_checkpoint

NAMES = st.sampled_from(["SimMIM", "PrimusM-OpenMind-SimMIM", "EvaMAE", "simmim_final", "voco", "mine", "w h d"])


def order_of(reading):
    return reading.build().plan.order


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=NAMES, file=NAMES, trainer=st.sampled_from(["BaseEvaMAETrainer", "SimMIMEvaTrainer_BS8", "MyTrainer"]))
def test_names_of_files_and_folders_change_nothing(tmp_path, folder, file, trainer):
    value = primus_content(trainer=trainer)
    there = describe(save(tmp_path / folder, value, f"{file}.pth"))
    here = describe(save(tmp_path / "plain", value, "one.pth"))
    assert there.version == here.version and there.warnings[0].split(":")[0] == here.warnings[0].split(":")[0]
    expected = {"BaseEvaMAETrainer": "h w d", "SimMIMEvaTrainer_BS8": "w h d", "MyTrainer": "w h d"}[trainer]
    assert order_of(there) == order_of(here) == expected


@pytest.mark.parametrize(
    ("trainer", "order", "words"),
    [
        ("BaseEvaMAETrainer_BS8", "h w d", "one of nnssl's Eva trainers"),
        ("VoCoEvaTrainer", "h w d", "one of nnssl's Eva trainers"),
        ("SimMIMEvaTrainer", "w h d", "is a SimMIM"),
        ("nnUNet_Primus_M_Trainer", "w h d", "is nnU-Net's"),
        ("MyTrainer", "w h d", "guessed"),
        (None, "w h d", "guessed"),
    ],
)
def test_what_decided_is_said(tmp_path, trainer, order, words):
    reading = describe(save(tmp_path, primus_content(trainer=trainer)))
    assert order_of(reading) == order
    assert any(f"tokens run ({order})" in note and words in note for note in reading.warnings)


def test_the_decoder_of_the_masked_autoencoder_decides_where_the_trainer_is_unknown(tmp_path):
    value = primus_content(trainer="MyTrainer")
    value["network_weights"]["decoder.blocks.0.norm1.weight"] = torch.zeros(72)
    reading = describe(save(tmp_path, value))
    assert order_of(reading) == "h w d" and any("EvaMAE" in note for note in reading.warnings)


def test_the_user_states_it_and_the_fingerprint_follows(tmp_path):
    network = primus_network()
    path = save(tmp_path, primus_content(network, trainer="MyTrainer"))
    guessed, before = open_checkpoint(path)(patch(32, 32, 32)), checkpoints.fingerprint(path)
    (tmp_path / "checkpoint_final.json").write_text(json.dumps({"token_order": "h w d"}))
    stated = open_checkpoint(path)
    assert any("stated beside the file" in note for note in describe(path).warnings)
    x = patch(32, 32, 32)
    expected = network(x.permute(0, 1, 4, 3, 2))[-1].permute(0, 1, 4, 3, 2)
    torch.testing.assert_close(stated(x)[-1], expected, rtol=1e-5, atol=1e-5)
    assert (stated(x)[-1] - guessed[-1]).abs().max() > 0.01
    assert checkpoints.fingerprint(path) != before
    (tmp_path / "checkpoint_final.json").write_text(json.dumps({"token_order": "d h w"}))
    with pytest.raises(InputError, match="token_order"):
        describe(path)


def test_the_same_weights_in_another_order_have_another_fingerprint(tmp_path):
    value = primus_content(trainer="MyTrainer")
    one = save(tmp_path / "one", value)
    other = save(tmp_path / "other", value)
    other.with_suffix(".yaml").write_text("token_order: h w d\n")
    assert checkpoints.fingerprint(one) != checkpoints.fingerprint(other)
    assert describe(one).version != describe(other).version
