"""Every encoder by name, its facts without a download, and its network.

Pools of the first release: `third_party` (weights from public packages), `random` (the same shapes, random weights;
their metrics show what architecture alone gives), `ssl` (one small shape, pre-trained by `job=pretrain`), `graded`
(third-party weights moved towards their random twin: a known order) and `zoo` (all of them); and, of one
architecture or of several: `within_deepbet`, `within_resenc_s`, and `across_shapes`, a pre-trained and a random
encoder of each shape. They never change. Pools of the second: `zoo_v2` (everything), its parts `third_party_v2`,
`random_v2`, `ssl_v2` and `supervised` (pre-trained on label maps, source heads kept), the three shapes that are
pre-trained here, `within_resenc_s_v2`, `within_unet_s` and `within_primus_s`, and `factorial`, the pre-trainings that
all three of these have. Beside these, checkpoints that were added by `choose`, and entry points of third parties, are
encoders by name too.
"""

from __future__ import annotations

import copy
import importlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.assets import catalogue as assets
from tebench.base import storage
from tebench.base.errors import AssetError, unknown_name
from tebench.encoders import checkpoints, plugins, published, twins
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.entries import ENTRIES, Entry
from tebench.encoders.reading import Reading
from tebench.encoders.shapes import DEEPBET, PRIMUS_S, RESENC_S, UNET_S

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder


# A pre-trained encoder and one random twin of each shape. Of ResEnc-S the masked autoencoder: chosen as the best known
# method of its family, not by its results.
_ACROSS = ("deepbet", "deepbet_random", "deepbrain", "deepbrain_random", "ssl_mae", "resenc_s_random")
_TRAINED_HERE = {"resenc_s": RESENC_S, "unet_s": UNET_S, "primus_s": PRIMUS_S}


def pools() -> dict[str, list[str]]:
    """Pool name -> encoder names, in the order of tables."""
    first = {name: entry for name, entry in ENTRIES.items() if entry.since == 1}
    found = {
        pool: [name for name, entry in first.items() if entry.pool == pool]
        for pool in ("third_party", "random", "ssl", "graded")
    }
    for pool, shape in (("within_deepbet", DEEPBET), ("within_resenc_s", RESENC_S)):
        found[pool] = [name for name, entry in first.items() if entry.shape is shape]
    found |= {"across_shapes": list(_ACROSS), "zoo": list(first)}
    for pool in ("third_party", "random", "ssl"):
        found[f"{pool}_v2"] = [name for name, entry in ENTRIES.items() if entry.pool == pool]
    found["supervised"] = [name for name, entry in ENTRIES.items() if entry.pool == "supervised"]
    for name, shape in _TRAINED_HERE.items():
        pool = f"within_{name}" + ("_v2" if f"within_{name}" in found else "")
        found[pool] = [name for name, entry in ENTRIES.items() if entry.shape is shape]
    return {**found, "factorial": _factorial(), "zoo_v2": list(ENTRIES)}


def _factorial() -> list[str]:
    """The encoders of the three shapes whose pre-training every one of them has."""
    from tebench.encoders.factors import factors

    of_shape: list[dict[str, str]] = []
    for shape in _TRAINED_HERE.values():
        of_shape.append({})
        for name, entry in ENTRIES.items():
            if entry.shape is shape:
                of_shape[-1].setdefault(factors(name).method, name)  # the full dose comes before the short one
    common = [method for method in of_shape[0] if all(method in other for other in of_shape)]
    return [found[method] for found in of_shape for method in common]


def names(pool: str | None = None, task: str = "") -> list[str]:
    """Encoders of one pool, or all.

    task: leave out those that learned this very task from its labels (`is_oracle`).
    """
    known = {None: list(ENTRIES)} if pool is None else pools()
    if pool not in known:
        raise unknown_name("pool", pool, known)
    return [name for name in known[pool] if not (task and is_oracle(name, task))]


def is_oracle(name: str, task: str) -> bool:
    """Whether an encoder's source labels are those of the task: what it knows of it is no transfer."""
    return name in ENTRIES and ENTRIES[name].source == task


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
    if chosen.pool in ("ssl", "supervised"):
        from tebench.encoders import pretrained

        data = published.weights(name, chosen.shape.version)
        return pretrained.load(data, chosen.facts, chosen.shape, chosen.classes)
    path = assets.fetch(chosen.asset) / chosen.path
    data = path.read_bytes()
    if storage.sha256_bytes(data) != chosen.sha256:
        raise AssetError(
            f"encoder {name!r}: {path} has sha256 {storage.sha256_bytes(data)[:16]}, expected "
            f"{chosen.sha256[:16]}. Delete {path.parent} to have it fetched again."
        )
    return module.load(data, chosen.facts, chosen.shape.spec, chosen.shape.stages)
