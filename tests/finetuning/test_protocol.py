from dataclasses import asdict

import pytest
from finetuning_fakes import quick

from tebench.base.errors import InputError, UnknownNameError
from tebench.finetuning.protocol import Protocol, folder


def test_every_shipped_protocol_loads_under_its_own_name():
    files = sorted(folder().glob("*.yaml"))
    assert {"starter-v1", "starter-v1-frozen"} <= {file.stem for file in files}
    for file in files:
        assert Protocol.load(file) == Protocol.load(file.stem)
        assert Protocol.load(file).name == file.stem


def test_frozen_twin_differs_in_declared_fields_only():
    full, frozen = asdict(Protocol.load("starter-v1")), asdict(Protocol.load("starter-v1-frozen"))
    assert {name for name in full if full[name] != frozen[name]} == {"name", "frozen", "steps", "cycle"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("steps", 0, "a whole number >= 1"),
        ("steps", "many", "a whole number >= 1"),
        ("steps", True, "a whole number >= 1"),
        ("ema", 1.0, "0..0.9999"),
        ("foreground", 1.5, "0..1"),
        ("encoder_lr", -1e-3, ">= 0"),
        ("encoder_lr", float("nan"), "a number"),
        ("frozen", "no", "true or false"),
        ("class_weight_cap", 0.5, ">= 1"),
    ],
)
def test_bad_values_are_named(field, value, words):
    with pytest.raises(InputError) as error:
        Protocol.load({"name": "mine", field: value})
    assert field in str(error.value) and words in str(error.value) and "mine" in str(error.value)


def test_unknown_fields_names_and_files_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'steps'"):
        Protocol.load({"step": 3})
    with pytest.raises(UnknownNameError, match="Did you mean 'starter-v1'"):
        Protocol.load("starter-v10")
    with pytest.raises(InputError, match="does not exist"):
        Protocol.load("nowhere/mine.yaml")
    with pytest.raises(InputError, match="mapping"):
        Protocol.load(3)
    with pytest.raises(InputError, match="multiple of decoder_deepest"):
        quick(patch=20)
    with pytest.raises(InputError, match="powers of two, the first not above the second, got 4 and 2"):
        quick(decoder_stride=4, decoder_deepest=2)
    with pytest.raises(InputError, match="name must be"):
        quick(name="a b/c")


def test_malformed_yaml_is_an_input_error(tmp_path):
    (tmp_path / "bad.yaml").write_text("name: [unclosed")
    with pytest.raises(InputError, match="not readable YAML"):
        Protocol.load(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="must hold a mapping"):
        Protocol.load(tmp_path / "list.yaml")


def test_published_hashes_stand():
    """The hashes that the published rows carry."""
    assert Protocol.load("starter-v1").hash.startswith("c3e5878b70f2d693")
    assert Protocol.load("starter-v1-frozen").hash.startswith("fd1a5f6034a0af1a")


def test_evaluations_double_up_to_the_end():
    assert quick(steps=400, evaluate_from=64).evaluations == [64, 128, 256]
    assert quick(steps=64, evaluate_from=64).evaluations == [] == quick().evaluations
    assert quick(evaluate_from=8).hash != quick().hash


def test_hash_follows_every_field():
    assert quick().hash == quick().hash
    assert quick(steps=41).hash != quick().hash
    assert quick(name="quick-v1").hash != quick().hash


def test_random_streams_differ_by_task_seed_and_name_and_repeat():
    protocol = quick()
    draws = [
        protocol.generator(*key).random()
        for key in (("a", 0, "patch", 1), ("b", 0, "patch", 1), ("a", 1, "patch", 1), ("a", 0, "patch", 2))
    ]
    assert len(set(draws)) == 4
    assert protocol.generator("a", 0, "patch", 1).random() == draws[0]
