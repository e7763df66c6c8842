"""A registration: scores of named metrics for pairs without ground truth, with a hash and a date.

    leaderboard/registrations/NAME.json   what is registered: forms, pairs, hashes, date; with its own checksum
    leaderboard/registrations/NAME.csv    the scores, one row for each (form, task, encoder)

The CSV's hash is in the JSON, so neither changes without the other. That a registration came before its ground truth
is shown by the order of commits, see `tebench.research.registration.history`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from tebench.base import storage
from tebench.base.errors import CacheError, InputError

FORMAT = 1
MOST_FORMS = 5  # more would be a search, not a test
COLUMNS = (
    "form", "task", "encoder", "metric", "parameters", "stages", "status", "reason", "score", "components",
    "feature_hash", "label_hash",
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

Pairs = Mapping[str, Mapping[str, Iterable[str]]]  # protocol -> task -> encoders


@dataclass(frozen=True)
class Form:
    """One registered form: a metric with all its parameters and the stages it reads.

    name: unique in the registration.   identity: hash of the code that made the scores.
    part_of: "" for a form that will be judged; else the form that is fused from this one's scores.
    """

    name: str
    metric: str
    parameters: dict
    stages: str
    direction: str
    identity: str
    part_of: str = ""


@dataclass(frozen=True)
class Registration:
    """What is registered. pairs: protocol -> task -> encoders whose ground truth does not exist.

    protocols: name -> hash of what is to be trained.   pool: name, id and encoders of the pool of pool-level forms.
    """

    name: str
    date: str
    benchmark: str
    ground_truth: str
    pool: dict
    protocols: dict
    endpoint: str
    forms: tuple[Form, ...]
    pairs: dict
    versions: dict
    scores: pd.DataFrame

    @property
    def judged(self) -> tuple[Form, ...]:
        return tuple(form for form in self.forms if not form.part_of)

    def covers(self, protocol: str, task: str, encoder: str) -> bool:
        return encoder in self.pairs.get(protocol, {}).get(task, ())


def open_pairs(truth: pd.DataFrame, protocols: Iterable[str], tasks, encoders) -> dict[str, dict[str, list[str]]]:
    """The pairs of tasks and encoders without any ground-truth row, for each protocol.

    truth: columns protocol, encoder, task. A pair with one seed of several is not open.
    """
    done = set(zip(truth["protocol"], truth["task"], truth["encoder"], strict=True))
    found = {
        protocol: {task: [e for e in encoders if (protocol, task, e) not in done] for task in tasks}
        for protocol in protocols
    }
    found = {protocol: {task: left for task, left in rows.items() if left} for protocol, rows in found.items()}
    for protocol, rows in found.items():
        if not rows:
            raise InputError(
                f"registration: the ground truth of protocol {protocol} exists for all {len(tasks)} tasks and "
                f"{len(encoders)} encoders, so nothing is left to predict. Name other encoders, tasks or protocols."
            )
    return found


def make(
    name: str, *, benchmark: str, ground_truth: str, pool: dict, protocols: dict, endpoint: str, forms: Iterable[Form],
    pairs: Pairs, versions: dict, scores: pd.DataFrame, today: date,
) -> Registration:  # fmt: skip
    """The checked registration: at most five judged forms, every pair scored by every one, none failed.

    scores: COLUMNS; rows of pairs that are registered under no protocol are left out.
    """
    forms = tuple(forms)
    if not _NAME.fullmatch(name):
        raise InputError(f"registration: name must be lower case letters, digits and -_. , got {name!r}.")
    if len({form.name for form in forms}) < len(forms):
        raise InputError(f"registration {name}: two forms have one name: {', '.join(form.name for form in forms)}.")
    judged = [form for form in forms if not form.part_of]
    if not 1 <= len(judged) <= MOST_FORMS:
        raise InputError(
            f"registration {name}: 1 to {MOST_FORMS} forms, got {len(judged)}. Of many forms one is right by chance."
        )
    wanted = {(task, encoder) for rows in pairs.values() for task, encoders in rows.items() for encoder in encoders}
    kept = scores[[pair in wanted for pair in zip(scores["task"], scores["encoder"], strict=True)]]
    failed = kept[kept["status"] == "failed"]
    if len(failed):
        rows = [f"{row.form} on {row.task} / {row.encoder}: {row.reason}" for row in failed.head(5).itertuples()]
        raise InputError(f"registration {name}: {len(failed)} scores failed: {'; '.join(rows)}. Mend them first.")
    for form in forms:
        own = kept[kept["form"] == form.name]
        lacking = wanted - set(zip(own["task"], own["encoder"], strict=True))
        if lacking or len(own) != len(wanted):
            example = " / ".join(min(lacking)) if lacking else "one twice"
            raise InputError(
                f"registration {name}: form {form.name} has {len(own)} scores for {len(wanted)} pairs ({example})."
            )
    return Registration(
        name=name, date=today.isoformat(), benchmark=benchmark, ground_truth=ground_truth, pool=pool,
        protocols=protocols, endpoint=endpoint, forms=forms, versions=versions,
        pairs={p: {t: list(e) for t, e in rows.items()} for p, rows in pairs.items()},
        scores=kept[list(COLUMNS)].sort_values(["form", "task", "encoder"], ignore_index=True),
    )  # fmt: skip


def write(folder: Path, found: Registration) -> Path:
    """Both files; an existing registration is never written over."""
    path = Path(folder) / f"{found.name}.json"
    if path.exists():
        raise InputError(f"{path} is registered and stays as it is. Give a second registration another name.")
    text = _csv(found.scores)
    facts = {
        "format": FORMAT, "name": found.name, "date": found.date, "benchmark": found.benchmark,
        "ground_truth": found.ground_truth, "pool": found.pool, "protocols": found.protocols,
        "endpoint": found.endpoint, "forms": [asdict(form) for form in found.forms], "pairs": found.pairs,
        "versions": found.versions, "rows": len(found.scores), "scores_sha256": storage.sha256_bytes(text.encode()),
    }  # fmt: skip
    storage.write_text(path.with_suffix(".csv"), text)
    storage.write_sealed(path, facts)
    return path


def read(path: Path) -> Registration:
    """The registration, whole and unaltered, or an InputError that says what is not."""
    path = Path(path)
    try:
        facts = storage.read_sealed(path)
        text = path.with_suffix(".csv").read_bytes()
        if facts["format"] != FORMAT or facts["name"] != path.stem:
            raise InputError(f"{path} is not a registration of format {FORMAT} under its own name.")
        if storage.sha256_bytes(text) != facts["scores_sha256"]:
            raise InputError(f"{path.with_suffix('.csv')} was changed after it was registered: its hash is another.")
        scores = pd.read_csv(path.with_suffix(".csv"), keep_default_na=False, na_values={"score": [""]})
        if list(scores.columns) != list(COLUMNS) or len(scores) != facts["rows"]:
            raise InputError(f"{path.with_suffix('.csv')} has other columns or rows than were registered.")
        forms = tuple(Form(**form) for form in facts["forms"])
        keys = ("name", "date", "benchmark", "ground_truth", "pool", "protocols", "endpoint", "pairs", "versions")
        return Registration(forms=forms, scores=scores, **{key: facts[key] for key in keys})
    except CacheError as error:
        found = str(error).partition(" Delete it")[0]  # what helps a cache is wrong here
        raise InputError(f"{found} Restore the registration from the commit that added it.") from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold a registration ({type(error).__name__}: {error}).") from error


def paths(folder: Path) -> list[Path]:
    """All registrations in a folder, by name."""
    return sorted(Path(folder).glob("*.json"))


def _csv(scores: pd.DataFrame) -> str:
    plain = scores.copy()
    for column in ("parameters", "components"):
        plain[column] = [value if isinstance(value, str) else storage.canonical_json(value) for value in plain[column]]
    plain["score"] = [repr(float(value)) if pd.notna(value) else "" for value in plain["score"]]
    return plain.to_csv(index=False, lineterminator="\n")
