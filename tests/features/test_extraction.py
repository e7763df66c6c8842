"""Extraction against direct forward passes of the whole volume and of single windows."""

import functools
import logging

import extraction_fakes as fakes
import numpy as np
import pytest
import torch

import tebench
from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.encoders.decoder import RandomDecoder
from tebench.encoders.normalisation import normalise
from tebench.features import cache, windows
from tebench.features.extraction import extract
from tebench.features.frozen import FrozenNetwork
from tebench.features.volumes import prepare

run = functools.partial(extract, progress=False)


@pytest.fixture(scope="module")
def task():
    return fakes.make_task()


@pytest.fixture(scope="module")
def sample(task):
    return fakes.make_sample(task)


def direct(encoder, task, sample, row, patch, start):
    """All stages of one voxel from a plain forward pass over one window."""
    case = task.load(task.cases[sample.case[row]])
    image = normalise(case.image, "zscore")
    x = torch.from_numpy(windows.cut(image, [start], patch))
    with torch.no_grad():
        maps = encoder(x)
        maps = maps + list(RandomDecoder(encoder.stages, 0).eval()(maps))
    local = sample.coordinates[row] - np.array(start)
    found = []
    for values in maps:
        cell = [round(int(z) * (f - 1) / (r - 1)) for z, r, f in zip(local, patch, values.shape[2:], strict=True)]
        found.append(values[0, :, cell[0], cell[1], cell[2]].numpy())
    return found


def test_a_patch_over_the_whole_volume_equals_one_pass_with_centred_zeros(tmp_path, task, sample):
    encoder = fakes.ConvEncoder(patch=(24, 24, 24))
    features = tebench.load_features(run(task, encoder, sample, cache=tmp_path))
    assert encoder.passes == len(task.cases)
    assert list(features.stages) == ["encoder.0", "encoder.1", "encoder.2", "decoder.0", "decoder.1"]
    for row in range(0, len(sample), 7):
        expected = direct(encoder, task, sample, row, (24, 24, 24), (-2, 0, -3))
        for matrix, values in zip(features.stages.values(), expected, strict=True):
            np.testing.assert_allclose(matrix[row], values, atol=1e-5)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_windows_equal_direct_passes_of_the_nearest_window(tmp_path, task, sample, overlap):
    encoder = fakes.ConvEncoder()
    features = tebench.load_features(run(task, encoder, sample, cache=tmp_path, overlap=overlap))
    shape, patch = (20, 24, 18), (16, 16, 16)
    first = [windows.starts(size, 16, overlap) for size in shape]
    for row in range(0, len(sample), 7):
        start = tuple(
            int(min(axis, key=lambda s: (abs(z - (s + 7.5)), s)))
            for axis, z in zip(first, sample.coordinates[row].tolist(), strict=True)
        )
        expected = direct(encoder, task, sample, row, patch, start)
        for matrix, values in zip(features.stages.values(), expected, strict=True):
            np.testing.assert_allclose(matrix[row], values, atol=1e-5)


def test_windows_without_a_sampled_voxel_are_not_computed(tmp_path, task):
    sample = fakes.make_sample(task, per_case=1)
    encoder = fakes.ConvEncoder(patch=(8, 8, 8))
    run(task, encoder, sample, cache=tmp_path)
    assert encoder.passes == len(task.cases)


def test_trilinear_differs_below_full_resolution_only(tmp_path, task, sample):
    encoder = fakes.ConvEncoder()
    near = tebench.load_features(run(task, encoder, sample, cache=tmp_path)).stages
    linear = tebench.load_features(run(task, encoder, sample, cache=tmp_path, interpolation="trilinear")).stages
    np.testing.assert_allclose(linear["encoder.0"], near["encoder.0"], atol=1e-5)
    assert np.abs(linear["encoder.2"] - near["encoder.2"]).max() > 1e-3


def test_source_head_probabilities_are_kept_at_the_same_voxels(tmp_path, task, sample):
    encoder = fakes.ConvEncoderWithHead()
    features = tebench.load_features(run(task, encoder, sample, cache=tmp_path))
    for row in range(0, len(sample), 11):
        image = normalise(task.load(task.cases[sample.case[row]]).image, "zscore")
        value = image[(0, *sample.coordinates[row])]
        expected = np.exp([value, -value, 2 * value])
        np.testing.assert_allclose(features.probabilities[row], expected / expected.sum(), rtol=1e-5)
    plain = tebench.load_features(run(task, fakes.ConvEncoder(seed=1), sample, cache=tmp_path))
    assert plain.probabilities is None


def test_a_head_that_goes_on_from_the_maps_costs_no_second_pass(tmp_path, task, sample):
    class FromMaps(fakes.ConvEncoder):
        def head(self, x):
            return torch.softmax(self(x)[0], dim=1)

        def head_from_maps(self, maps, x):
            return torch.softmax(maps[0], dim=1)

    shared = FromMaps("shared")
    features = tebench.load_features(run(task, shared, sample, cache=tmp_path))
    twice = FromMaps("twice")
    twice.head_from_maps = None
    expected = tebench.load_features(run(task, twice, sample, cache=tmp_path))
    np.testing.assert_array_equal(features.probabilities, expected.probabilities)
    assert twice.passes == 2 * shared.passes


def test_windows_computed_together_follow_from_stages_and_patch():
    network = FrozenNetwork(fakes.ConvEncoder(), 0, "cpu")
    # Values a voxel: 4 + 8/8 + 16/64 of the encoder, 8/8 + 4 of the decoder.
    assert [network.windows_together((size,) * 3) for size in (16, 128, 160, 512)] == [4, 3, 1, 1]


def test_the_cache_holds_the_sample_and_reading_is_read_only(tmp_path, task, sample):
    folder = run(task, fakes.ConvEncoder(), sample, cache=tmp_path)
    features = tebench.load_features(folder)
    assert features.encoder == features.facts["name"] == "conv"
    for name in ("coordinates", "labels", "case", "role", "patch"):
        np.testing.assert_array_equal(getattr(features.sample, name), getattr(sample, name))
    for name in ("task", "classes", "case_ids", "recipe", "hash", "label_hash"):
        assert getattr(features.sample, name) == getattr(sample, name)
    for array in (*features.stages.values(), features.sample.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    content = cache.manifest(folder)
    assert content["rows"] == len(sample) and content["input"]["patch"] == [16, 16, 16]
    assert content["stages"][-1] == {"name": "decoder.1", "kind": "decoder", "channels": 4, "stride": 1}
    assert content["forward_seconds"] <= content["seconds"]
    assert cache.header(folder) == {
        "feature_hash": features.hash, "label_hash": sample.label_hash, "facts": features.facts,
    }  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == [cache.FEATURES, cache.MANIFEST, cache.SAMPLE]
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_same_bytes_in_another_cache_and_no_work_in_the_same(tmp_path, task, sample):
    encoder = fakes.ConvEncoder()
    first = run(task, encoder, sample, cache=tmp_path / "a")
    second = run(task, fakes.ConvEncoder(), sample, cache=tmp_path / "b")
    for name in (cache.FEATURES, cache.SAMPLE):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert cache.manifest(first)["feature_hash"] == cache.manifest(second)["feature_hash"]
    before, stamp = encoder.passes, (first / cache.MANIFEST).stat().st_mtime_ns
    assert run(task, encoder, sample, cache=tmp_path / "a") == first
    assert encoder.passes == before and (first / cache.MANIFEST).stat().st_mtime_ns == stamp


def test_whatever_changes_the_features_changes_the_folder(tmp_path, task, sample):
    def folder(**changes):
        options = {"encoder": fakes.ConvEncoder(), "sample": sample, **changes}
        return run(task, cache=tmp_path, **options)

    folders = [
        folder(), folder(decoder_seed=1), folder(interpolation="trilinear"), folder(patch=(8, 8, 8)),
        folder(overlap=0.25), folder(encoder=fakes.ConvEncoder(seed=3)), folder(sample=fakes.make_sample(task, seed=1)),
    ]  # fmt: skip
    assert len(set(folders)) == len(folders)
    base, seeded = (tebench.load_features(path).stages for path in folders[:2])
    np.testing.assert_array_equal(base["encoder.2"], seeded["encoder.2"])
    assert np.abs(base["decoder.0"] - seeded["decoder.0"]).max() > 0.01


def test_rows_do_not_depend_on_the_order_of_the_sample(tmp_path, task):
    mixed = fakes.make_sample(task, shuffled=True)
    plain = fakes.make_sample(task, shuffled=False)
    one = tebench.load_features(run(task, fakes.ConvEncoder(), mixed, cache=tmp_path)).stages
    two = tebench.load_features(run(task, fakes.ConvEncoder(), plain, cache=tmp_path)).stages
    key = [tuple(row) for row in np.c_[plain.case, plain.coordinates]]
    for row, voxel in enumerate(np.c_[mixed.case, mixed.coordinates]):
        np.testing.assert_array_equal(one["decoder.1"][row], two["decoder.1"][key.index(tuple(voxel))])


def test_features_that_are_not_finite_name_encoder_stage_and_case(tmp_path, task, sample):
    with pytest.raises(InputError, match=r"'conv', stage encoder.1, case 'case0' of task 'balls': .* not finite"):
        run(task, fakes.ConvEncoder(broken=1), sample, cache=tmp_path)
    assert not list(tmp_path.rglob(cache.MANIFEST))


def test_wrong_arguments_are_refused_by_name(tmp_path, task, sample):
    encoder = fakes.ConvEncoder()
    other = fakes.make_task(name="other")
    with pytest.raises(InputError, match="drawn from task 'balls', not 'other'"):
        run(other, encoder, sample, cache=tmp_path)
    with pytest.raises(InputError, match="does not have: case2"):
        run(fakes.make_task(2), encoder, sample, cache=tmp_path)
    with pytest.raises(InputError, match="sample labels differ from the label map"):
        run(fakes.make_task(shape=(24, 24, 20)), encoder, sample, cache=tmp_path)
    with pytest.raises(InputError, match=r"reach outside the volume \(12, 12, 12\)"):
        run(fakes.make_task(shape=(12, 12, 12)), encoder, sample, cache=tmp_path)
    with pytest.raises(InputError, match="interpolation must be one of"):
        run(task, encoder, sample, cache=tmp_path, interpolation="cubic")
    with pytest.raises(InputError, match="multiples of 4"):
        run(task, encoder, sample, cache=tmp_path, patch=(10, 10, 10))
    with pytest.raises(InputError, match="sample of task 'balls' is empty"):
        run(task, encoder, fakes.make_sample(task, per_case=0), cache=tmp_path)
    del encoder.fingerprint
    with pytest.raises(InputError, match="needs an attribute `fingerprint`"):
        run(task, encoder, sample, cache=tmp_path)


def test_a_stage_with_other_channels_than_declared_is_named(tmp_path, task, sample):
    encoder = fakes.ConvEncoder()
    encoder.layers[1] = torch.nn.Conv3d(4, 16, 3, 2, 1)
    encoder.layers[2] = torch.nn.Conv3d(16, 16, 3, 2, 1)
    with pytest.raises(InputError, match=r"stage encoder.1: expected a \(B, 8, x, y, z\) map"):
        extract(task, _NoDecoder(encoder), sample, cache=tmp_path, progress=False)


class _NoDecoder(torch.nn.Module):
    """Declares one stride for all stages, so that no decoder is put on it."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.facts, self.spec, self.fingerprint = inner, inner.facts, inner.spec, "flat"
        self.stages = tuple(type(s)(s.name, s.kind, s.channels, 1) for s in inner.stages)

    def forward(self, x):
        return self.inner(x)


def test_an_encoder_of_one_resolution_has_encoder_stages_only(tmp_path, task, sample):
    features = tebench.load_features(run(task, _NoDecoder(fakes.ConvEncoder()), sample, cache=tmp_path))
    assert list(features.stages) == ["encoder.0", "encoder.1", "encoder.2"]


def test_unwritable_cache_says_where(tmp_path, task, sample):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Choose a writable one"):
        run(task, fakes.ConvEncoder(), sample, cache=tmp_path / "file")


def test_several_channels_read_by_one_channel_encoder_are_averaged():
    """Equal to the first layer's weights repeated over the channels and divided by their number."""
    task = fakes.make_task(channels=3)
    sample = fakes.make_sample(task)
    rows = np.flatnonzero(sample.case == 0)
    volume = prepare(task, "case0", sample, rows, InputSpec())
    layer = torch.nn.Conv3d(1, 5, 3)
    wide = torch.nn.Conv3d(3, 5, 3)
    with torch.no_grad():
        wide.weight.copy_(layer.weight.repeat(1, 3, 1, 1, 1) / 3)
        wide.bias.copy_(layer.bias)
        expected = wide(torch.from_numpy(normalise(task.load("case0").image, "zscore"))[None])
        torch.testing.assert_close(layer(torch.from_numpy(volume.image)[None]), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="reads 2 channels, the image has 3"):
        prepare(task, "case0", sample, rows, InputSpec(channels=2))


def test_an_encoder_of_fixed_spacing_reads_a_resampled_volume_at_the_same_places():
    task = fakes.make_task(spacing=(2.0, 1.0, 3.0))
    sample = fakes.make_sample(task)
    rows = np.flatnonzero(sample.case == 1)
    volume = prepare(task, "case1", sample, rows, InputSpec(spacing=(1.0, 1.0, 1.0)))
    assert volume.image.shape == (1, 40, 24, 54)
    inside = sample.coordinates[rows] / (np.array([20, 24, 18]) - 1)
    np.testing.assert_allclose(volume.positions / (np.array([40, 24, 54]) - 1), inside)
    corners = normalise(task.load("case1").image, "zscore")[0][::19, ::23, ::17]
    np.testing.assert_allclose(volume.image[0][::39, ::23, ::53], corners, atol=1e-4)


def test_progress_reports_windows_up_to_the_total(tmp_path, task, sample, capsys):
    seen = []
    extract(task, fakes.ConvEncoder(), sample, cache=tmp_path, progress=lambda done, total: seen.append((done, total)))
    done = [value for value, _ in seen]
    assert done == sorted(done) and seen[-1][0] == seen[-1][1] == 3 * 8
    assert capsys.readouterr().err == ""
    extract(task, fakes.ConvEncoder(seed=5), sample, cache=tmp_path)
    assert "conv / balls" in capsys.readouterr().err


def test_a_damaged_folder_is_made_again_with_a_warning(tmp_path, task, sample, caplog):
    folder = run(task, fakes.ConvEncoder(), sample, cache=tmp_path)
    good = (folder / cache.FEATURES).read_bytes()
    bad = bytearray(good)
    bad[-5] ^= 1
    (folder / cache.FEATURES).write_bytes(bad)
    with caplog.at_level(logging.WARNING):
        assert run(task, fakes.ConvEncoder(), sample, cache=tmp_path) == folder
    assert "features.safetensors is damaged" in caplog.text and caplog.text.count("not trusted") == 1
    assert (folder / cache.FEATURES).read_bytes() == good


def test_an_encoder_that_changed_since_its_features_were_made_is_said(tmp_path, task, sample, caplog):
    """A flipped byte in a weight file of the user's makes another encoder: the old features stay, and it is named."""
    before = run(task, fakes.ConvEncoder("mine"), sample, cache=tmp_path)
    run(task, fakes.ConvEncoder("mine"), sample, cache=tmp_path, interpolation="trilinear")
    assert not caplog.text
    changed = fakes.ConvEncoder("mine")
    changed.fingerprint = "one bit is another"
    after = run(task, changed, sample, cache=tmp_path)
    assert after != before and cache.is_valid(before)
    assert f"encoder 'mine' is another than when {before} was made" in caplog.text
