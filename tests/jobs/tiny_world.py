"""The tiny encoders and tasks of tests/finetuning as names that every job knows: plugins=[.../tiny_world.py].

Importing it changes the catalogues of its process, so tests load it through `tiny` only, or in processes of their own.
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "finetuning"))
import finetuning_fakes as fakes

from tebench import metric
from tebench.base.errors import unknown_name
from tebench.encoders import plugins
from tebench.metrics import registry
from tebench.tasks import catalogue

HERE = Path(__file__)
fakes._SHAPES.setdefault("third", ((5, 8), 2, 2))
TASKS = ("blobs", "broken")
SMALL = [
    "encoders=[tiny,other]", "tasks=[blobs]", "benchmark.tasks=[blobs]", "benchmark.window=[16,16,16]", "workers=1",
    "sampling.foreground=12", "sampling.background=24", "sampling.global_voxels=0", "sampling.anchors=4",
    "progress=false",
    "sampling.patch_voxels=4", "protocol.name=quick", "protocol.steps=2", "protocol.patch=16",
    "protocol.decoder_deepest=8", "protocol.width=4", "job.beside=[]", f"plugins=[{HERE}]",
]  # fmt: skip


@functools.cache
def build(name):
    if name not in fakes._SHAPES:
        raise unknown_name("encoder", name, fakes._SHAPES)
    made = fakes.build_encoder(name)
    made.fingerprint = fakes.encoder_fingerprint(name)
    return made


def install(setattr):
    registry._METRICS.update(MADE)
    setattr(plugins, "names", lambda: sorted(fakes._SHAPES))
    setattr(plugins, "build", build)
    setattr(catalogue, "names", lambda: list(TASKS))
    setattr(catalogue, "load", fakes.load_task)


@metric(
    name="spread", title="Spread", paper="none: a test", direction="up", range=(0.0, float("inf")), reads="matrix",
    cost="linear",
)  # fmt: skip
def spread(features, labels) -> float:
    """Mean variance of the features."""
    return float(features.astype("float64").var(axis=0).mean())


@metric(
    name="fussy", title="Fussy", paper="none: a test", direction="up", range=(0.0, 1.0), reads="matrix", cost="linear"
)
def fussy(features, labels) -> float:
    """Fails always."""
    raise ZeroDivisionError("none of these features please me")


MADE = {made.__name__: registry._METRICS[made.__name__] for made in (spread, fussy)}
if "pytest" in sys.modules:
    # Imported while tests are collected: other tests must not find these two; `install` brings them back.
    for name in MADE:
        del registry._METRICS[name]

if __name__.startswith("tebench_plugin_") and "pytest" not in sys.modules:
    install(setattr)
