"""Every encoder by name, its facts without a download, and its network.

Pools: `third_party` (weights from public packages), `random` (the same shapes, He-normal weights; their
metrics show what architecture alone gives), `ssl` (one small shape, pre-trained by `job=pretrain`), `graded`
(third-party weights moved towards their random twin: a known order) and `zoo` (all of them); and, of one
architecture or of several: `within_deepbet`, `within_resenc_s`, and `across_shapes`, a pre-trained and a random
encoder of each shape. Beside these, checkpoints that were added by `choose`, and entry points of third parties, are
encoders by name too.
"""

from __future__ import annotations

import copy
import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.assets import catalogue as assets
from tebench.base import storage
from tebench.base.errors import AssetError, unknown_name
from tebench.encoders import checkpoints, plugins, published, twins
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.reading import Reading

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder


@dataclass(frozen=True)
class Shape:
    """One architecture. version: raise it with every change that alters features; it enters cache keys."""

    module: str
    version: str
    spec: InputSpec
    stages: tuple[Stage, ...]

    @property
    def name(self) -> str:
        """The short name, without the version."""
        return self.version.split("/")[0]


@dataclass(frozen=True)
class Entry:
    """One encoder and where its weights come from.

    pool: "third_party" (the file `path` of the package `asset`), "random" (He-normal weights of `seed`), "ssl" (a
    weight file that comes with tebench) or "graded" (`ends`: a trained encoder and its twin; `share` of the way).
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


def _stages(*channels_and_strides: tuple[int, int]) -> tuple[Stage, ...]:
    return tuple(
        Stage(f"encoder.{index}", "encoder", channels, stride)
        for index, (channels, stride) in enumerate(channels_and_strides)
    )


_DEEPBET = Shape(
    module="tebench.encoders.deepbet",
    version="deepbet/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=32),
    stages=_stages((16, 4), (16, 4), (32, 8), (64, 16), (128, 32)),
)
_DEEPBRAIN = Shape(
    module="tebench.encoders.deepbrain",
    version="deepbrain/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=8),
    stages=_stages((8, 1), (16, 2), (32, 4), (32, 8)),
)
_RESENC_S = Shape(
    module="tebench.encoders.resenc_small",
    version="resenc_s/2",
    # "unit": air is 0 and the range 0..1 on CT and on MR alike; a z-score puts the zero background of a
    # skull-stripped MR at the mean of the brain, and air of a CT far below it.
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=16),
    stages=_stages((16, 2), (32, 4), (64, 8), (96, 16)),
)
_BET_NETWORK = ("3D residual network of ResNet18 plan, instance normalisation", 2076016)
_BRAIN_NETWORK = ("3D U-Net, no normalisation layers", 53896)
_S_NETWORK = ("ResEnc-S, a small sibling of ResEnc-L, instance normalisation", 646720)
_BET_DATA = "adult T1 head MRI; its paper: 7837 images of 191 OpenNeuro data sets (10.1016/j.compbiomed.2024.108845)"
_NONE = "none (random initialisation)"


def _twin(name: str, title: str, network: tuple[str, int], shape: Shape, seed: int, family: str = "") -> Entry:
    source = f"tebench, He-normal weights, seed {seed}"
    facts = EncoderFacts(
        name, title, network[0], _NONE, "none", "Apache-2.0", source, network[1], (), shape.name, family or name, 0.0
    )
    return Entry(facts, shape, "random", seed=seed)


def _packaged(name, title, network, pretraining, data, shape, asset, path, sha256) -> Entry:
    package = assets.PACKAGES[asset]
    source = f"{package.name} {package.version}, {path}"
    facts = EncoderFacts(
        name, title, network[0], pretraining, data, package.licence, source, network[1], (), shape.name, name, 1.0
    )
    return Entry(facts, shape, "third_party", asset, path, sha256)


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
        _DEEPBET,
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
        _DEEPBET,
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
        _DEEPBRAIN,
        "deepbrain",
        "deepbrain/models/graph.pb",
        "6be50752ff151808dc7f8059fef39852759de8502d831949b40e991502225a2a",
    ),
    # An end of the graded mixes, and so their relative.
    _twin("deepbet_random", "deepbet shape, random weights", _BET_NETWORK, _DEEPBET, 1, family="deepbet"),
    _twin("deepbet_bbox_random", "deepbet shape, random weights, second draw", _BET_NETWORK, _DEEPBET, 2),
    _twin("deepbrain_random", "deepbrain shape, random weights", _BRAIN_NETWORK, _DEEPBRAIN, 3),
)
ENTRIES = {entry.facts.name: entry for entry in _ENTRIES}
_MORE = (
    _twin("resenc_s_random", "ResEnc-S shape, random weights", _S_NETWORK, _RESENC_S, 4),
    *(Entry(published.facts(name), _RESENC_S, "ssl", sha256=sha256) for name, sha256 in published.PINNED.items()),
    *(_graded(ENTRIES["deepbet"], ENTRIES["deepbet_random"], percent) for percent in (25, 50, 75)),
)
ENTRIES |= {entry.facts.name: entry for entry in _MORE}
# A pre-trained encoder and one random twin of each shape. Of ResEnc-S the masked autoencoder: chosen as the best known
# method of its family, not by its results.
_ACROSS = ("deepbet", "deepbet_random", "deepbrain", "deepbrain_random", "ssl_mae", "resenc_s_random")


def pools() -> dict[str, list[str]]:
    """Pool name -> encoder names, in the order of tables."""
    found = {
        pool: [name for name, entry in ENTRIES.items() if entry.pool == pool]
        for pool in ("third_party", "random", "ssl", "graded")
    }
    for pool, shape in (("within_deepbet", _DEEPBET), ("within_resenc_s", _RESENC_S)):
        found[pool] = [name for name, entry in ENTRIES.items() if entry.shape is shape]
    return {**found, "across_shapes": list(_ACROSS), "zoo": list(ENTRIES)}


def names(pool: str | None = None) -> list[str]:
    """Encoders of one pool, or all."""
    if pool is None:
        return list(ENTRIES)
    known = pools()
    if pool not in known:
        raise unknown_name("pool", pool, known)
    return known[pool]


def choose(items) -> list[str]:
    """Encoder names from names, checkpoint files and folders of them; files become encoders of the catalogue."""
    chosen = []
    for item in map(str, items):
        known = item in ENTRIES or item in checkpoints.registered() or item in plugins.names()
        if not known and checkpoints.path_of(item) is None and not Path(item).expanduser().is_dir():
            raise unknown_name("encoder", item, [*ENTRIES, *checkpoints.registered(), *plugins.names()])
        chosen += [item] if known else checkpoints.add([item], taken=ENTRIES)
    return list(dict.fromkeys(chosen))


def entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise unknown_name("encoder", name, [*ENTRIES, *checkpoints.registered(), *plugins.names()])
    return ENTRIES[name]


def _other(name: str):
    """What a checkpoint says of itself, or the encoder of an entry point; None for the catalogue's own."""
    if name in ENTRIES:
        return None
    base = twins.base_of(name)
    if base is not None:
        return twins.reading_of(name, reading(base))
    path = checkpoints.path_of(name)
    if path is not None:
        return checkpoints.describe(path, name if name in checkpoints.registered() else None)
    return plugins.build(name) if name in plugins.names() else None


def reading(name: str) -> Reading:
    """All that is known of an encoder without its weights in memory, with what is unusual about its file."""
    other = _other(name)
    if hasattr(other, "warnings"):
        return other
    source = other or entry(name).shape
    version = getattr(other, "fingerprint", None) or entry(name).shape.version
    axes = getattr(other, "axes", (0, 1, 2))
    return Reading((other or entry(name)).facts, source.spec, source.stages, version, (), axes, lambda: build(name))


def facts(name: str) -> EncoderFacts:
    """What is known without running the encoder; no download."""
    return (_other(name) or entry(name)).facts


def design(names) -> dict[str, tuple[str, str, float | None]]:
    """Encoder -> (shape, family, dose), as tests within shapes and over families need them.

    An encoder that is known by its rows only stands alone, in the shape "unknown".
    """
    found = {}
    for name in names:
        known = name in ENTRIES or name in plugins.names() or checkpoints.path_of(name) is not None
        found[name] = _design_of(facts(name)) if known else ("unknown", name, None)
    return found


def _design_of(known: EncoderFacts) -> tuple[str, str, float | None]:
    return known.stratum, known.kin, known.dose


def declared(manifest_facts: dict) -> dict:
    """Facts of a feature folder, with what the catalogue says today of the same encoder laid over them."""
    known = ENTRIES.get(manifest_facts["name"])
    return {**manifest_facts, **(asdict(known.facts) if known else {})}


def spec(name: str) -> InputSpec:
    return (_other(name) or entry(name).shape).spec


def stages(name: str) -> tuple[Stage, ...]:
    return (_other(name) or entry(name).shape).stages


def fingerprint(name: str) -> str:
    """Hash of the weights (file's sha256, seed and scheme, or both and the share) and of all that shapes features."""
    base = twins.base_of(name)
    if base is not None:
        return twins.fingerprint(reading(base))
    other = _other(name)
    if other is not None:
        path = checkpoints.path_of(name)
        return checkpoints.fingerprint(path) if path is not None else other.fingerprint
    chosen = entry(name)
    if chosen.pool == "graded":
        weights = {"between": [fingerprint(end) for end in chosen.ends], "share": chosen.share, "scheme": "linear/1"}
    else:
        weights = {"file": chosen.sha256} if chosen.sha256 else {"seed": chosen.seed, "scheme": "he_normal/1"}
    shape = {"architecture": chosen.shape.version, "spec": asdict(chosen.shape.spec)}
    return storage.hash_json({"weights": weights, **shape})


def build(name: str) -> Encoder:
    """The frozen network with its weights; fetches the package that ships them where it is missing."""
    other = _other(name)
    if other is not None:
        return other.build() if hasattr(other, "build") else copy.deepcopy(other)
    chosen = entry(name)
    if chosen.pool == "graded":
        from tebench.encoders import graded

        return graded.between(*map(build, chosen.ends), chosen.share, chosen.facts)
    module = importlib.import_module(chosen.shape.module)
    if chosen.pool == "random":
        return module.random(chosen.seed, chosen.facts, chosen.shape.spec, chosen.shape.stages)
    if chosen.pool == "ssl":
        data = published.weights(name, chosen.shape.version)
        return module.load(data, chosen.facts, chosen.shape.spec, chosen.shape.stages)
    path = assets.fetch(chosen.asset) / chosen.path
    data = path.read_bytes()
    if storage.sha256_bytes(data) != chosen.sha256:
        raise AssetError(
            f"encoder {name!r}: {path} has sha256 {storage.sha256_bytes(data)[:16]}, expected "
            f"{chosen.sha256[:16]}. Delete {path.parent} to have it fetched again."
        )
    return module.load(data, chosen.facts, chosen.shape.spec, chosen.shape.stages)
