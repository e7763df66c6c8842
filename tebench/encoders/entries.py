"""The encoders of the catalogue, entry by entry: facts, shape, and where the weights come from."""

from __future__ import annotations

from dataclasses import dataclass

from tebench.assets import catalogue as assets
from tebench.encoders import published
from tebench.encoders.base import EncoderFacts
from tebench.encoders.shapes import DEEPBET, DEEPBRAIN, DEEPDEFACER, PRIMUS_S, RESENC_S, SUITPY, UNET_S, Shape


@dataclass(frozen=True)
class Entry:
    """One encoder and where its weights come from.

    pool: "third_party" (the file `path` of the package `asset`), "random" (weights of `seed`), "ssl" and "supervised"
    (a weight file that comes with tebench) or "graded" (`ends`: a trained encoder and its twin; `share` of the way).
    since: release of the zoo in which it came; pools of an earlier one never change.
    source: what a supervised encoder learned to segment: a name of `tebench.tasks.source_only`, or words for the
    target of a third party.   classes: of the source head that comes with the weights, background first.
    """

    facts: EncoderFacts
    shape: Shape
    pool: str
    asset: str = ""
    path: str = ""
    sha256: str = ""
    seed: int = 0
    ends: tuple[str, str] = ("", "")
    share: float = 0.0
    since: int = 1
    source: str = ""
    classes: tuple[str, ...] = ()


_BET_NETWORK = ("3D residual network of ResNet18 plan, instance normalisation", 2076016)
_BRAIN_NETWORK = ("3D U-Net, no normalisation layers", 53896)
_S_NETWORK = ("ResEnc-S, a small sibling of ResEnc-L, instance normalisation", 646720)
_U_NETWORK = ("UNet-S, the encoder of a plain convolutional U-Net, instance normalisation", 400488)
_P_NETWORK = ("Primus-S8, a small vision transformer in the manner of Primus", 456984)
_FACE_NETWORK = ("3D U-Net, no normalisation layers", 883720)
_CEREBELLUM_NETWORK = ("3D U-Net, instance normalisation", 2353872)
_BET_DATA = "adult T1 head MRI; its paper: 7837 images of 191 OpenNeuro data sets (10.1016/j.compbiomed.2024.108845)"
_NONE = "none (random initialisation)"


def _twin(
    name: str, title: str, network: tuple[str, int], shape: Shape, seed: int, family: str = "", since: int = 1
) -> Entry:
    kind = "weights as Primus is initialised" if shape is PRIMUS_S else "He-normal weights"
    source = f"tebench, {kind}, seed {seed}"
    facts = EncoderFacts(
        name, title, network[0], _NONE, "none", "Apache-2.0", source, network[1], (), shape.name, family or name, 0.0
    )
    return Entry(facts, shape, "random", seed=seed, since=since)


def _packaged(
    name, title, network, pretraining, data, shape, asset, path, sha256, *, learned="brain", since=1
) -> Entry:
    package = assets.PACKAGES[asset]
    source = f"{package.name} {package.version}, {path}"
    facts = EncoderFacts(
        name, title, network[0], pretraining, data, package.licence, source, network[1], (), shape.name, name, 1.0
    )
    return Entry(facts, shape, "third_party", asset, path, sha256, since=since, source=learned)


def _pretrained(name: str, sha256: str) -> Entry:
    """An encoder of `job=pretrain`, from the record beside its weights."""
    record = published.record(name)
    shape = next(shape for shape in (RESENC_S, UNET_S, PRIMUS_S) if shape.version == record["shape"])
    source = record.get("source", "")
    return Entry(
        published.facts(name),
        shape,
        "supervised" if source else "ssl",
        sha256=sha256,
        since=1 if name.startswith("ssl_") else 2,
        source=source,
        classes=tuple(record.get("classes", ())),
    )


def _graded(trained: Entry, twin: Entry, percent: int) -> Entry:
    name, known = f"{trained.facts.name}_graded_{percent}", trained.facts
    facts = EncoderFacts(
        name,
        f"{known.title}, {percent} % towards random",
        known.architecture,
        f"{known.pretraining}; weights moved {percent} % of the way to those of {twin.facts.name} (derived)",
        known.training_data,
        known.licence,
        f"{known.source}; tebench, linear interpolation",
        known.n_parameters,
        known.images,
        trained.shape.name,
        known.family,
        1 - percent / 100,
    )
    return Entry(facts, trained.shape, "graded", ends=(known.name, twin.facts.name), share=percent / 100)


_ENTRIES = (
    _packaged(
        "deepbet",
        "deepbet",
        _BET_NETWORK,
        "supervised: brain extraction within the brain's bounding box",
        _BET_DATA,
        DEEPBET,
        "deepbet",
        "data/models/model.pt",
        "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
    ),
    _packaged(
        "deepbet_bbox",
        "deepbet, bounding-box network",
        _BET_NETWORK,
        "supervised: coarse brain extraction on the whole head",
        _BET_DATA,
        DEEPBET,
        "deepbet",
        "data/models/bbox_model.pt",
        "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa",
    ),
    _packaged(
        "deepbrain",
        "deepbrain",
        _BRAIN_NETWORK,
        "supervised: skull stripping",
        "T1 head MRI: CC359, NFBS, ADNI",
        DEEPBRAIN,
        "deepbrain",
        "deepbrain/models/graph.pb",
        "6be50752ff151808dc7f8059fef39852759de8502d831949b40e991502225a2a",
    ),
    # An end of the graded mixes, and so their relative.
    _twin("deepbet_random", "deepbet shape, random weights", _BET_NETWORK, DEEPBET, 1, family="deepbet"),
    _twin("deepbet_bbox_random", "deepbet shape, random weights, second draw", _BET_NETWORK, DEEPBET, 2),
    _twin("deepbrain_random", "deepbrain shape, random weights", _BRAIN_NETWORK, DEEPBRAIN, 3),
)
ENTRIES = {entry.facts.name: entry for entry in _ENTRIES}
_MORE = (
    _twin("resenc_s_random", "ResEnc-S shape, random weights", _S_NETWORK, RESENC_S, 4),
    *(_pretrained(name, sha256) for name, sha256 in published.PINNED.items() if name.startswith("ssl_")),
    *(_graded(ENTRIES["deepbet"], ENTRIES["deepbet_random"], percent) for percent in (25, 50, 75)),
    _packaged(
        "deepdefacer",
        "deepdefacer",
        _FACE_NETWORK,
        "supervised: face mask on the whole head",
        "whole-head T1 MRI; its paper: head images of OpenNeuro, masks of another tool (10.1117/1.JMI.9.6.066001)",
        DEEPDEFACER,
        "deepdefacer",
        "deepdefacer-2.1.2/deepdefacer/model.hdf5",
        "d92b9e6d3cc2fc936b497d56328a09e621b8243ea4858de712e33862e4d5e747",
        learned="face",
        since=2,
    ),
    _packaged(
        "suitpy",
        "suitpy, isolation network",
        _CEREBELLUM_NETWORK,
        "supervised: isolation of cerebellum and brain stem",
        "T1 and T2 MRI of the brain (the package does not say which)",
        SUITPY,
        "suitpy",
        "suitpy-2.1.2/SUITPy/parameters/pre_trained_numpy.pkl",
        "1b3ba8b38f8368bc0079323be26f222efd4050c3852f02fd6c0281c2cf118c6b",
        learned="cerebellum and brain stem",
        since=2,
    ),
    _twin("deepdefacer_random", "deepdefacer shape, random weights", _FACE_NETWORK, DEEPDEFACER, 7, since=2),
    _twin("suitpy_random", "suitpy shape, random weights", _CEREBELLUM_NETWORK, SUITPY, 8, since=2),
    _twin("unet_s_random", "UNet-S shape, random weights", _U_NETWORK, UNET_S, 5, since=2),
    _twin("primus_s_random", "Primus-S8 shape, random weights", _P_NETWORK, PRIMUS_S, 6, since=2),
    *(_pretrained(name, sha256) for name, sha256 in published.PINNED.items() if not name.startswith("ssl_")),
)
ENTRIES |= {entry.facts.name: entry for entry in _MORE}
