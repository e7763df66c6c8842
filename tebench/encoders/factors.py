"""The factors of the zoo's design: what tells its encoders apart, as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from tebench.encoders import published
from tebench.encoders.entries import ENTRIES, Entry

KINDS = {"third_party": "supervised", "random": "random", "ssl": "self-supervised", "supervised": "supervised",
         "graded": "graded"}  # fmt: skip


@dataclass(frozen=True)
class Factors:
    """One encoder in the design. shape, family: as in `EncoderFacts`.

    kind: "random", "self-supervised", "supervised" or "graded".   method: the recipe of the pre-training without its
    dose, the package of a third party, or "random".   source: what a supervised encoder learned to segment, "" else.
    """

    family: str
    shape: str
    kind: str
    method: str
    source: str


def factors(name: str) -> Factors:
    """Of an encoder of the catalogue; no download."""
    entry = ENTRIES[name]
    return Factors(entry.facts.kin, entry.facts.shape, KINDS[entry.pool], _method(name, entry), entry.source)


def _method(name: str, entry: Entry) -> str:
    if entry.pool in ("ssl", "supervised"):
        return published.record(name)["method"]
    origin = ENTRIES[entry.ends[0]] if entry.pool == "graded" else entry
    return origin.asset or "random"


def table(names: Iterable[str] | None = None) -> list[dict]:
    """One row an encoder: encoder, pool, the factors, parameters, images, licence, weights' hash (where a file)."""
    rows = []
    for name in names or ENTRIES:
        entry = ENTRIES[name]
        rows.append(
            {"encoder": name, "pool": entry.pool, **asdict(factors(name)), "parameters": entry.facts.n_parameters,
             "images": " ".join(entry.facts.images), "licence": entry.facts.licence, "sha256": entry.sha256}
        )  # fmt: skip
    return rows
