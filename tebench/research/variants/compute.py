"""Scores of the variants on one feature folder, from sums by case, class and role."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from tebench.research.variants.catalogue import Variant

LETTERS = {"F": ("FOREGROUND", "BACKGROUND"), "L": ("GLOBAL",), "A": ("ANCHOR",), "M": ("MEMBER",)}


def scores(folder: Path, variants: list[Variant]) -> list[float]:
    """One score a variant: the mean over the encoder's stages."""
    from tebench.features import cache
    from tebench.features.sample import Role

    features = cache.read(folder, verify=False)
    sample = features.sample
    labels = np.unique(sample.labels, return_inverse=True)[1]
    cases = np.unique(sample.case, return_inverse=True)[1]
    letters = np.empty(len(labels), dtype="<U1")
    for letter, roles in LETTERS.items():
        letters[np.isin(sample.role, [Role[role] for role in roles])] = letter
    stages = [
        np.asarray(rows, dtype=np.float64) for name, rows in features.stages.items() if name.startswith("encoder")
    ]
    found = [_stage(rows, labels, cases, letters, variants) for rows in stages]
    return np.mean(found, axis=0).tolist()


def _stage(features, labels, cases, letters, variants) -> list[float]:
    by_fit = defaultdict(list)
    for place, variant in enumerate(variants):
        by_fit[variant.fit].append(place)
    found = np.empty(len(variants))
    points, kinds = {}, {}
    for (fitted, rows, weights, raw), places in by_fit.items():
        if rows not in points:
            points[rows] = _standardised(features, cases, letters, rows)
        given, asked = points[rows]
        if (rows, fitted) not in kinds:
            kinds[rows, fitted] = _sums(given, labels, cases, np.isin(letters, list(fitted)))
        wanted = {(v.judged, v.centred, v.shares, v.time) for v in (variants[place] for place in places)}
        right = _answers(kinds[rows, fitted], asked, labels, cases, letters, weights, raw, wanted)
        for place in places:
            v = variants[place]
            found[place] = _averaged(right[v.judged, v.centred, v.shares, v.time], labels, cases, v.answers)
    return found.tolist()


def _standardised(features, cases, letters, rows):
    """(rows that teach, rows that are asked), each (N, D), by the means and SDs that `rows` names."""
    if rows == "apart":
        return _scaled(features, cases, np.isin(letters, list("FLM"))), _scaled(
            features, cases, np.isin(letters, list("MA"))
        )
    one = _scaled(features, cases, np.isin(letters, list(rows)))
    return one, one


def _scaled(features, cases, inside):
    found = np.empty_like(features)
    for case in np.unique(cases):
        own = cases == case
        known = features[own & inside]
        spread = known.std(axis=0)
        moves = spread > 1e-12 * np.abs(known).max(axis=0)
        found[own] = (features[own] - known.mean(axis=0)) * np.where(moves, 1 / np.where(moves, spread, 1), 0)
    return found


def _sums(points, labels, cases, inside):
    """counts (K, C), sums (K, C, D), {(case, class): Gram matrix} of the rows that teach."""
    shape = cases.max() + 1, labels.max() + 1
    counts, sums, grams = np.zeros(shape), np.zeros((*shape, points.shape[1])), {}
    for case, c in np.ndindex(shape):
        own = points[inside & (cases == case) & (labels == c)]
        if len(own):
            counts[case, c], sums[case, c], grams[case, c] = len(own), own.sum(axis=0), own.T @ own
    return counts, sums, grams


def _answers(kinds, points, labels, cases, letters, weights, raw, wanted) -> dict:
    """(judged, centred, shares, time) -> (N,) 1 right, 0 wrong, NaN not asked."""
    counts, sums, grams = kinds
    found = {key: np.full(len(labels), np.nan) for key in wanted}
    for case in range(len(counts)):
        kept = np.delete(np.arange(len(counts)), case)
        classes = np.flatnonzero(counts[kept].sum(axis=0))
        own = {
            "kept": 1 / np.maximum(counts[kept].sum(axis=0), 1) + np.zeros_like(counts[kept]),
            "sample": 1 / np.maximum(counts.sum(axis=0), 1) + np.zeros_like(counts[kept]),
            "case": 1 / np.maximum(counts[kept], 1) / np.maximum((counts[kept] > 0).sum(axis=0), 1),
        }[weights]
        own = own / (own * counts[kept]).sum()
        share = (own * counts[kept]).sum(axis=0)[classes]
        massed = np.einsum("kc,kcd->cd", own, sums[kept])[classes]
        mean = massed.sum(axis=0)
        gram = sum(own[j, c] * grams[k, c] for j, k in enumerate(kept) for c in classes if counts[k, c])
        cross = massed.T if raw else (massed - share[:, None] * mean).T
        values, axes = np.linalg.eigh(gram if raw else gram - np.outer(mean, mean))
        values, along = np.maximum(values, 0), axes.T @ cross
        top = values[-1]
        asked = np.flatnonzero((cases == case) & np.isin(letters, list({x for key in wanted for x in key[0]})))
        turned, offset = points[asked] @ axes, mean @ axes
        for key in wanted:
            judged, centred, shares, time = key
            moved = np.where(
                values > 1e-12 * top, -np.expm1(-time * values / top) / np.maximum(values, 1e-300), time / top
            )
            outputs = (turned - offset if centred == "yes" else turned) @ (moved[:, None] * along) + shares * share
            mine = np.isin(letters[asked], list(judged))
            found[key][asked[mine]] = (classes[outputs.argmax(axis=1)] == labels[asked])[mine]
    return found


def _averaged(right, labels, cases, answers) -> float:
    """Recall under one of the averages of `catalogue.ANSWERS`."""
    asked = ~np.isnan(right)
    right, labels, cases = right[asked], labels[asked], cases[asked]
    shape = cases.max() + 1, labels.max() + 1
    hits, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(hits, (cases, labels), right)
    np.add.at(counts, (cases, labels), 1)
    if answers.endswith("foreground"):
        hits, counts, answers = hits[:, 1:], counts[:, 1:], answers.removesuffix(", foreground")
    if answers == "accuracy":
        return float(hits.sum() / counts.sum())
    if answers == "together":
        there = counts.sum(axis=0) > 0
        return float((hits.sum(axis=0)[there] / counts.sum(axis=0)[there]).mean())
    recall = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    if answers == "zero where absent":
        return float(np.nan_to_num(recall).mean())
    if answers == "flat":
        return float(np.nanmean(recall))
    axis = 1 if answers == "by case" else 0
    recall = recall[:, (counts > 0).any(axis=0)] if axis == 0 else recall[(counts > 0).any(axis=1)]
    return float(np.nanmean(recall, axis=axis).mean())
