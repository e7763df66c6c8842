"""suitpy: arrays alone are read from its pickle, and the rebuilt network gives what numpy gives from those arrays."""

import pickle

import numpy as np
import pytest
import torch

from tebench.assets import catalogue as assets
from tebench.base.errors import InputError
from tebench.encoders import array_pickle, catalogue, suitpy
from tebench.encoders.reading import n_parameters


@pytest.fixture(scope="module")
def arrays():
    data = (assets.fetch("suitpy") / catalogue.entry("suitpy").path).read_bytes()
    return {name: values.astype(float) for name, values in array_pickle.arrays(data, "suitpy").items()}


def _norm(x, arrays, name):
    axes = (1, 2, 3)
    x = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    weight, bias = (arrays[f"{name}.{kind}"][:, None, None, None] for kind in ("weight", "bias"))
    x = x * weight + bias
    return np.where(x > 0, x, 0.01 * x)


def _convolve(x, arrays, name, stride=1):
    kernel, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), *[(1, 1)] * 3]), (3, 3, 3), (1, 2, 3))
    windows = windows[:, ::stride, ::stride, ::stride]
    return np.einsum("cxyzijk,ocijk->oxyz", windows, kernel, optimize=True) + bias[:, None, None, None]


def _double(x, arrays, name):
    for conv, norm in ((0, 1), (3, 4)):
        x = _norm(_convolve(x, arrays, f"{name}.layer.{conv}"), arrays, f"{name}.layer.{norm}")
    return x


def _up(x, skip, arrays, name):
    """A transposed convolution of kernel 2 and stride 2: each voxel becomes 2x2x2 of its own."""
    kernel, bias = arrays[f"{name}.up.0.weight"], arrays[f"{name}.up.0.bias"]
    cells = np.einsum("cxyz,coijk->oxiyjzk", x, kernel, optimize=True)
    x = cells.reshape(len(bias), *(2 * edge for edge in x.shape[1:])) + bias[:, None, None, None]
    x = np.concatenate([_norm(x, arrays, f"{name}.up.1"), skip])
    return _norm(_convolve(x, arrays, f"{name}.layer.0"), arrays, f"{name}.layer.1")


def test_output_is_that_of_the_files_own_layers(arrays):
    encoder = catalogue.build("suitpy")
    x = np.random.default_rng(0).random((1, 32, 48, 32))
    both = np.concatenate([(x[:, ::-1] - suitpy.UNIT_MEAN) / suitpy.UNIT_STD, np.zeros_like(x)])
    expected = [_double(both, arrays, "enc1")]
    for k, name in enumerate(("enc2", "enc3", "enc4", "bottleneck"), 1):
        down = _convolve(expected[-1], arrays, f"down{k}.layer.0", 2)
        expected.append(_double(_norm(down, arrays, f"down{k}.layer.1"), arrays, name))
    top = expected[-1]
    for k in (4, 3, 2, 1):
        top = _double(_up(top, expected[k - 1], arrays, f"up{k}"), arrays, f"dec{k}")
    patch = torch.from_numpy(x[None]).float()
    for found, values in zip(encoder(patch), expected, strict=True):
        np.testing.assert_allclose(found[0].numpy()[:, ::-1], values, rtol=1e-3, atol=2e-3)
    odds = np.exp(top - top.max(0))
    head = encoder.head(patch)[0].numpy()
    np.testing.assert_allclose(head[1, ::-1], (odds / odds.sum(0))[0], atol=1e-3)
    assert n_parameters(encoder.without_head()) == encoder.facts.n_parameters == 2_353_872


def test_its_mask_on_the_packages_template_is_the_cerebellum():
    """Inside the package's own cube, at 1 mm (at 2 mm it finds nothing); both structures are about 0.2 litres."""
    import nibabel

    from tebench.encoders.normalisation import normalise

    path = assets.fetch("suitpy") / "suitpy-2.1.2/SUITPy/templates/tpl-MNI152NLin6Asym_T1w.nii.gz"
    image = nibabel.as_closest_canonical(nibabel.load(path))
    values = normalise(np.asarray(image.dataobj, np.float32)[None], "unit")[0]
    low = np.linalg.inv(image.affine) @ [-56, -100, -80, 1]
    x, y, z = np.round(low[:3]).astype(int)
    cube = torch.from_numpy(values[x : x + 112, y : y + 96, z : z + 80].copy())[None, None]
    mask = catalogue.build("suitpy").head(cube)[0, 1].numpy() > 0.5
    assert 0.1e6 < mask.sum() < 0.3e6
    centre = image.affine @ [*np.add(np.argwhere(mask).mean(0), (x, y, z)), 1]
    assert np.abs(centre[:3] - [0, -55, -33]).max() < 8


class _Foreign:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_that_names_anything_else_is_refused_and_not_run(capsys):
    with pytest.raises(InputError, match=r"^mine is refused and was not executed: its pickle names builtins.print"):
        array_pickle.arrays(pickle.dumps({"a": _Foreign()}), "mine")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1.0], "holds a list"),
        ({"a": 1.0}, "entry 'a' is no finite float array"),
        ({"a": np.array([np.nan])}, "entry 'a'"),
        ({"a": np.array([None], dtype=object)}, "entry 'a'"),
        ({1: np.zeros(2)}, "entry 1"),
    ],
)
def test_other_contents_are_refused(value, words):
    with pytest.raises(InputError, match=words):
        array_pickle.arrays(pickle.dumps(value), "mine")


def test_a_cut_or_changed_pickle_is_refused():
    data = pickle.dumps({"a": np.arange(4.0)})
    assert array_pickle.arrays(data, "mine")["a"].tolist() == [0, 1, 2, 3]
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(InputError, match=r"^mine is"):
            array_pickle.arrays(data[:cut], "mine")
