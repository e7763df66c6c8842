"""deepdefacer: the rebuilt network gives what the file's own layers give, computed by numpy as the file lists them."""

import io
import json

import h5py
import numpy as np
import pytest
import torch

from tebench.assets import catalogue as assets
from tebench.base.errors import InputError
from tebench.encoders import catalogue, hdf5
from tebench.encoders.reading import n_parameters


@pytest.fixture(scope="module")
def data():
    return (assets.fetch("deepdefacer") / catalogue.entry("deepdefacer").path).read_bytes()


def _convolve(x, kernel, bias):
    """Keras' "same" at stride 1 on (C, X, Y, Z): of an even kernel the odd row of zeros lies behind."""
    pads = [((n - 1) // 2, n // 2) for n in kernel.shape[:3]]
    x = np.pad(x, [(0, 0), *pads])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:3], (1, 2, 3))
    return np.einsum("cxyzijk,ijkco->oxyz", windows, kernel, optimize=True) + bias[:, None, None, None]


def _run(data, x):
    """The graph of `model_config`, layer by layer, in float64."""
    with h5py.File(io.BytesIO(data)) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        found = {}
        for layer in layers:
            name, config = layer["name"], layer["config"]
            inputs = [found[node[0]] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
            if layer["class_name"] == "InputLayer":
                found[name] = x
            elif layer["class_name"] == "Conv3D":
                weights = file["model_weights"][name][name]
                value = _convolve(inputs[0], weights["kernel:0"][...].astype(float), weights["bias:0"][...])
                relu = config["activation"] == "relu"
                found[name] = np.maximum(value, 0) if relu else 1 / (1 + np.exp(-value))
            elif layer["class_name"] == "MaxPooling3D":
                c, *size = inputs[0].shape
                cells = [part for edge in size for part in (edge // 2, 2)]
                found[name] = inputs[0].reshape(c, *cells).max((2, 4, 6))
            elif layer["class_name"] == "UpSampling3D":
                found[name] = inputs[0].repeat(2, 1).repeat(2, 2).repeat(2, 3)
            elif layer["class_name"] == "Concatenate":
                found[name] = np.concatenate(inputs)
            else:
                assert layer["class_name"] == "Dropout"
                found[name] = inputs[0]
    return found


def test_output_is_that_of_the_files_own_layers(data):
    encoder = catalogue.build("deepdefacer")
    x = np.random.default_rng(0).random((1, 32, 16, 32))
    expected = _run(data, x)
    patch = torch.from_numpy(x[None]).float()
    maps = encoder(patch)
    for k, found in enumerate(maps):
        np.testing.assert_allclose(found[0].numpy(), expected[f"conv3d_{2 * k + 2}"], rtol=1e-3, atol=1e-4)
    head = encoder.head(patch)[0].numpy()
    np.testing.assert_allclose(head[0], expected["conv3d_24"][0], atol=1e-5)
    np.testing.assert_allclose(head.sum(0), 1, atol=1e-6)
    assert head[0].std() > 0.01
    assert n_parameters(encoder.without_head()) == encoder.facts.n_parameters == 883_720


def test_the_face_of_a_head_is_found():
    """On a head that the package has not: what it removes is mostly what pydeface's own mask removes."""
    from scipy import ndimage

    from tebench.tasks.source import read_volume

    head, mask = (
        read_volume("pydeface", f"pydeface/data/{name}.nii.gz").data for name in ("mean_reg2mean", "facemask")
    )
    head = ndimage.zoom(np.asarray(head, np.float32), 80 / np.array(head.shape), order=1)
    mask = ndimage.zoom(np.asarray(mask, np.float32), 80 / np.array(mask.shape), order=0)
    x = torch.from_numpy((head - head.min()) / np.ptp(head))[None, None]
    face = catalogue.build("deepdefacer").head(x)[0, 1].numpy() > 0.5
    removed = mask < 0.5
    assert 2 * (face & removed).sum() / (face.sum() + removed.sum()) > 0.5


def test_damaged_files_are_refused(data):
    with pytest.raises(InputError, match=r"^mine is damaged or no Keras weight file"):
        hdf5.tensors(io.BytesIO(data[:5000]), "mine")
