"""InVesalius' Keras file: the rebuilt network against its layers by their definition, and what is refused.

The default tests write files of the same layout with generated weights. TEBENCH_INVESALIUS=/path/to/model.h5 adds
the same comparison with the real weights and the Dice of its mask (see docs/own_data.md for where it comes from).
"""

import hashlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tebench.base.errors import InputError
from tebench.encoders import catalogue, checkpoints, hdf5, invesalius
from tebench.encoders.checkpoints import describe, open_checkpoint
from tebench.encoders.normalisation import normalise

REAL = os.environ.get("TEBENCH_INVESALIUS")
CHANNELS = ((1, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32), (64, 32), (32, 16), (16, 8))
LAYERS = {f"conv3d_{number}": (5, 5, 5, *pair) for number, pair in enumerate(CHANNELS, 1)}
LAYERS |= {f"conv3d_transpose_{k}": (5, 5, 5, out, inside) for k, out, inside in ((1, 32, 32), (2, 16, 32), (3, 8, 16))}
LAYERS |= {"conv3d_10": (1, 1, 1, 8, 1), "dense_1": (1, 1)}


def generated() -> dict[str, np.ndarray]:
    draw, found = np.random.default_rng(0), {}
    for layer, shape in LAYERS.items():
        found[f"{layer}/kernel"] = draw.normal(size=shape) * (2 / np.prod(shape[:-1])) ** 0.5
        if "transpose" not in layer:
            found[f"{layer}/bias"] = draw.normal(size=shape[-1]) * 0.1
    return {name: values.astype(np.float32) for name, values in found.items()}


def write(path: Path, weights=None, root="model_weights") -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in (generated() if weights is None else weights).items():
            file[f"{root}/{name.split('/')[0]}/{name}"] = values
        file["optimizer_weights/Adam/iterations"] = 3
        file.create_group(f"{root}/dropout_1")
    return path


def pin(monkeypatch, path: Path) -> Path:
    monkeypatch.setattr(invesalius, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")
    return pin(monkeypatch, write(tmp_path / "brain_mri_t1" / "model.h5"))


def same(x, kernel):
    """Keras' convolution: (X, Y, Z, in), kernel (5, 5, 5, in, out) over two zeros on each side."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(2, 2)] * 3 + [(0, 0)]), (5, 5, 5), (0, 1, 2))
    return np.einsum("xyzcijk,ijkco->xyzo", windows, kernel, optimize=True)


def transposed(x, kernel):
    """The gradient of a "same" convolution of stride 2, of which cell i reads voxels 2 i - 1 ... 2 i + 3."""
    out = np.zeros((*(2 * size + 3 for size in x.shape[:3]), kernel.shape[3]))
    for i, j, k in np.ndindex(5, 5, 5):
        place = tuple(slice(start, start + 2 * size, 2) for start, size in zip((i, j, k), x.shape[:3], strict=True))
        out[place] += x @ kernel[i, j, k].T
    return out[1:-2, 1:-2, 1:-2]


def by_definition(path, x):
    """(X, Y, Z) of a case -> the four maps and the brain's logit, in float64, in the network's (z, y, x) order."""
    with h5py.File(path) as file:
        w = {f"{layer}/{kind}": np.asarray(file[f"model_weights/{layer}/{layer}/{kind}"], np.float64)
             for layer in LAYERS for kind in file[f"model_weights/{layer}/{layer}"]}  # fmt: skip

    def layer(x, name):
        return np.maximum(same(x, w[f"{name}/kernel"]) + w[f"{name}/bias"], 0)

    x, maps = x.transpose(2, 1, 0)[..., None].astype(np.float64), []
    for number in (1, 3, 5):
        maps.append(layer(layer(x, f"conv3d_{number}"), f"conv3d_{number + 1}"))
        a, b, c, channels = maps[-1].shape
        x = maps[-1].reshape(a // 2, 2, b // 2, 2, c // 2, 2, channels).max((1, 3, 5))
    maps.append(x)
    for number in (1, 2, 3):
        up = transposed(x, w[f"conv3d_transpose_{number}/kernel"])
        x = layer(np.concatenate([up, maps[3 - number]], -1), f"conv3d_{6 + number}")
    x = x @ w["conv3d_10/kernel"][0, 0, 0] + w["conv3d_10/bias"]
    return maps, x @ w["dense_1/kernel"] + w["dense_1/bias"]


def check(path):
    encoder = open_checkpoint(path)
    x = np.random.default_rng(1).random((8, 16, 24), np.float32)
    expected, logit = by_definition(path, x)
    patch = torch.from_numpy(x)[None, None]
    maps = encoder(patch)
    assert [(found.shape[1], 8 // found.shape[2]) for found in maps] == [(s.channels, s.stride) for s in encoder.stages]
    for found, wanted in zip(maps, expected, strict=True):
        wanted = wanted.transpose(3, 2, 1, 0)
        assert wanted.std() > 0 and np.abs(found[0].numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()
    head = encoder.head(patch)
    probability = 1 / (1 + np.exp(-logit[..., 0].transpose(2, 1, 0)))
    assert probability.std() > 1e-4
    np.testing.assert_allclose(head[0, 1].numpy(), probability, atol=1e-5)
    torch.testing.assert_close(head.sum(1), torch.ones(1, *x.shape))
    assert torch.equal(head, encoder.head_from_maps(maps, patch))
    return encoder


def test_maps_and_head_equal_the_layers_by_their_definition(model):
    encoder = check(model)
    reading = describe(model)
    assert reading.facts == encoder.facts and reading.axes == encoder.axes == (2, 1, 0) and not reading.warnings
    bare = encoder.trainable()
    assert not hasattr(bare, "head") and bare.learns
    # 793,179 in the whole file, of which the decoder is left out.
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 793179
    assert sum(parameter.numel() for parameter in bare.parameters()) == encoder.facts.n_parameters == 249112
    with pytest.raises(InputError, match="multiples of 8"):
        encoder(torch.zeros(1, 1, 12, 16, 16))
    with pytest.raises(InputError, match="one channel"):
        open_checkpoint(model, channels=2)


def test_it_is_an_encoder_by_its_path(model, monkeypatch):
    assert catalogue.choose([model]) == ["brain_mri_t1"]
    facts = catalogue.facts("brain_mri_t1")
    assert facts.licence == "GPL-2" and "invesalius" in facts.source and facts.name == "brain_mri_t1"
    assert catalogue.spec("brain_mri_t1").normalisation == "unit"
    before = catalogue.fingerprint("brain_mri_t1")
    (model.parent / "model.json").write_text("{}")  # Keras' own description, which lies beside it in the package
    assert catalogue.fingerprint("brain_mri_t1") == before
    monkeypatch.chdir(model.parent)
    assert catalogue.choose(["model.h5"]) == ["brain_mri_t1"]
    with pytest.raises(InputError, match="holds no checkpoint"):
        catalogue.choose([str(model.parent)])


@pytest.mark.parametrize("content", ["other weights", "truncated", "no HDF5", "empty"])
def test_another_file_is_refused_unopened(tmp_path, monkeypatch, content):
    path = write(tmp_path / "model.h5")
    data = path.read_bytes()
    path.write_bytes({"other weights": data, "truncated": data[:5000], "no HDF5": b"x" * 99, "empty": b""}[content])
    monkeypatch.setattr(hdf5, "tensors", lambda path: pytest.fail("an unknown file was opened"))
    own = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    with pytest.raises(InputError, match=rf"(?s)model\.h5 .*{own}.*575a85d71aaf8de9.*apt-get download invesalius"):
        describe(path)
    renamed = path.rename(tmp_path / "model.pt")
    with pytest.raises(InputError, match="575a85d71aaf8de9" if data[:8] == renamed.read_bytes()[:8] else "checkpoint"):
        describe(renamed)


def changed(**weights):
    return {name: values for name, values in (generated() | weights).items() if values is not None}


@pytest.mark.parametrize(
    ("weights", "root", "words"),
    [
        ({"conv3d_4/bias": None}, "model_weights", "missing 'conv3d_4.bias'"),
        ({"conv3d_11/bias": np.zeros(2, np.float32)}, "model_weights", "unexpected 'conv3d_11.bias'"),
        ({"conv3d_10/kernel": np.zeros((1, 1, 1, 1, 8), np.float32)}, "model_weights", r"shape \(8, 1, 1, 1, 1\)"),
        ({"conv3d_1/bias": np.full(8, np.nan, np.float32)}, "model_weights", "NaN"),
        ({"conv3d_1/bias": np.bytes_("words")}, "model_weights", "damaged"),
        ({"conv3d_1/kernel": np.float32(1)}, "model_weights", "damaged"),
        ({}, "elsewhere", "model_weights"),
    ],
)
def test_what_is_wrong_inside_is_named(tmp_path, monkeypatch, weights, root, words):
    path = pin(monkeypatch, write(tmp_path / "model.h5", changed(**weights), root))
    with pytest.raises(InputError, match=words):
        describe(path)


def test_a_cut_file_is_damaged(tmp_path, monkeypatch):
    path = write(tmp_path / "model.h5")
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="damaged or no Keras weight file"):
        describe(pin(monkeypatch, path))


if REAL:

    def test_the_real_file():
        from tebench.tasks import catalogue as tasks

        encoder = check(REAL)
        for case, least in (("template", 0.9), ("test-template", 0.85)):
            case = tasks.load("brain_mask").load(case)
            image = normalise(case.image, "unit")
            padded = np.pad(image, [(0, 0), *((0, -size % 8) for size in image.shape[1:])])
            x, y, z = case.labels.shape
            found = encoder.head(torch.from_numpy(padded)[None])[0, 1, :x, :y, :z].numpy() > 0.5
            dice = 2 * (found & (case.labels > 0)).sum() / (found.sum() + (case.labels > 0).sum())
            assert dice > least
            print(f"Dice of the brain, {case.id}: {dice:.3f}")
