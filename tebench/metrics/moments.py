"""Sufficient statistics of labelled features: one pass in float64, shared by every moment metric.

Rows are read class by class in chunks and shifted by the class's first chunk mean before anything
is squared, so an offset of the features costs no digits. What is kept, for N rows, D columns, C classes:

- counts n_c, the mean m, the class offsets m_c - m;
- of each class a scatter matrix S_c = sum (x - m_c)(x - m_c)', or a factor F_c with F_c'F_c = S_c where
  that is the smaller or the more accurate form (few rows, small problems);
- of each class sum |x - m_c|^2, sum |x - m_c|^2 (x - m_c) and sum |x - m_c|^4, which give sum |x - m|^4 (Ledoit-Wolf).

The total scatter is S = sum_c S_c + sum_c n_c (m_c - m)(m_c - m)', the uncentred Gram matrix S + N m m'.
Eigendecompositions are made on first use and kept. Where the spectrum of S is too wide for a Gram
matrix (condition above 1e4), it is taken from QR factors of the rows instead, in a second pass.

`tebench.features.moments_store` keeps all of this on disk. Metrics that need more than sums (posteriors of single rows)
read the rows again by `Moments.blocks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tebench.base.errors import InputError

VERSION = 1  # raise when moments would have other values; scores are then computed again
CHUNK = 1024  # rows a BLAS call: a float64 block stays in the processor's cache
SMALL = 2e8  # N D min(N, D) up to which QR factors are taken at once: 0.1 s, and every digit
WIDE = 1e-8  # eigenvalue ratio below which a Gram matrix has lost more than half of the digits
EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Spectrum:
    """X'X = axes diag(values^2) axes' of the directions above the numerical rank."""

    values: np.ndarray  # (r,) singular values, descending
    axes: np.ndarray  # (D, r)
    rest: np.ndarray  # singular values below the rank: rounding of the features

    @property
    def rank(self) -> int:
        return len(self.values)


def check(features, labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, classes, codes) with labels = classes[codes], or an InputError that names the argument.

    features: (N, D) real numbers, any float width, not copied.   labels: (N,) integers or booleans.
    """
    features, labels = np.asanyarray(features), np.asarray(labels)
    if features.ndim != 2 or not features.shape[1] or features.dtype.kind not in "fiub":
        raise InputError(
            f"features: expected a (N, D) matrix of real numbers, got shape {features.shape} of {features.dtype}. "
            "Put one voxel in a row."
        )
    if labels.shape != features.shape[:1]:
        raise InputError(
            f"labels: expected one label a row of features, shape ({len(features)},), got shape {labels.shape}."
        )
    if labels.dtype.kind not in "iub":
        raise InputError(f"labels: expected integers or booleans, got {labels.dtype}. Use labels.astype(int).")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"labels: expected at least 2 classes, got {len(classes)} ({', '.join(map(str, classes)) or 'no rows'}). "
            "Sample voxels of another class too."
        )
    return features, classes, codes.reshape(-1)


def check_finite(features) -> None:
    """An InputError that names the first NaN or infinity, if there is one."""
    for start in range(0, len(features), CHUNK):
        bad = ~np.isfinite(features[start : start + CHUNK])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"features: expected finite numbers, got {features[start + row, column]} in row {start + row}, "
                f"column {column}. Look for a damaged volume or an overflow in the encoder."
            )


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, means, scatters and spectra of labelled features; build it with `Moments.of`.

    >>> import numpy
    >>> m = Moments.of(numpy.array([[0.0, 1], [2, 1], [5, 1], [7, 1]]), numpy.array([3, 3, 8, 8]))
    >>> m.counts.tolist(), m.mean.tolist(), m.offsets[:, 0].tolist(), m.rank
    ([2, 2], [3.5, 1.0], [-2.5, 2.5], 1)
    """

    classes: np.ndarray  # (C,) the labels present, ascending
    counts: np.ndarray  # (C,) int64
    mean: np.ndarray  # (D,) float64
    offsets: np.ndarray  # (C, D) class mean minus mean
    constant: np.ndarray  # (D,) bool, columns with one value in all rows
    squares: np.ndarray  # (C,) sum |x - m_c|^2 of each class
    thirds: np.ndarray  # (C, D) sum |x - m_c|^2 (x - m_c)
    fourths: np.ndarray  # (C,) sum |x - m_c|^4
    _scatters: dict = field(repr=False)  # class -> (D, D)
    _factors: dict = field(repr=False)  # class -> (k, D)
    _features: np.ndarray = field(repr=False)  # or anything with len, shape and rows by slice or index array
    codes: np.ndarray = field(repr=False)  # (N,) row -> index into classes
    _still: Moments | None = field(default=None, repr=False)  # what `moved` started from
    _shifts: np.ndarray | None = field(default=None, repr=False)  # (C, D) of each class's centred rows

    @classmethod
    def of(cls, features, labels) -> Moments:
        """One pass over (N, D) features with (N,) labels of at least two classes; nothing is written into."""
        features, classes, codes = check(features, labels)
        n = len(features)
        counts = np.bincount(codes, minlength=len(classes))
        with np.errstate(invalid="ignore", over="ignore"):
            passes = [_class_pass(features, rows, n) for rows in _rows_by_class(codes, counts)]
            means = np.stack([p.mean for p in passes])
            # from the first class mean, so that equal class means leave an offset of exactly zero
            shift = counts @ (means - means[0]) / n
            varies = np.any([p.varies for p in passes], axis=0) | (means != means[0]).any(axis=0)
            found = cls(
                classes=classes,
                counts=counts.astype(np.int64),
                mean=means[0] + shift,
                offsets=means - means[0] - shift,
                constant=~varies,
                squares=np.array([p.square for p in passes]),
                thirds=np.stack([p.third for p in passes]),
                fourths=np.array([p.fourth for p in passes]),
                # one memory layout for all, so that products round alike after a way through a file
                _scatters={c: np.ascontiguousarray(p.scatter) for c, p in enumerate(passes) if p.scatter is not None},
                _factors={c: np.ascontiguousarray(p.factor) for c, p in enumerate(passes) if p.factor is not None},
                _features=features,
                codes=codes,
            )
            finite = np.isfinite(found.fourth)
        if not finite:
            check_finite(features)
            raise InputError("features: fourth powers overflow float64. Divide the features by a constant.")
        return found

    def moved(self, shifts) -> Moments:
        """The moments after each class moved by its own shift (C, D): scatters about class means stay, means do not."""
        if not np.any(shifts):
            return self
        common = self.counts @ shifts / self.n
        own = shifts - common
        return replace(
            self,
            mean=self.mean + common,
            offsets=self.offsets + own,
            constant=self.constant & (shifts == shifts[0]).all(axis=0),
            _still=self._still or self,
            _shifts=own if self._shifts is None else self._shifts + own,
        )

    @cached_property
    def fourth(self) -> float:
        """sum |x - mean|^4, from the sums about the class means."""
        return float(sum(self._fourth_about(c, offset) for c, offset in enumerate(self.offsets)))

    def _fourth_about(self, c: int, offset) -> float:
        """sum |x - m_c + offset|^4 over class c."""
        far, scatter, factor = offset @ offset, self._scatters.get(c), self._factors.get(c)
        along = scatter @ offset if scatter is not None else factor.T @ (factor @ offset)
        return (
            self.fourths[c] + 4 * offset @ self.thirds[c] + 4 * offset @ along
            + 2 * far * self.squares[c] + self.counts[c] * far**2
        )  # fmt: skip

    @property
    def n(self) -> int:
        """Number of rows N."""
        return int(self.counts.sum())

    @property
    def d(self) -> int:
        """Number of columns D, constant ones included."""
        return len(self.mean)

    @property
    def c(self) -> int:
        """Number of classes present C."""
        return len(self.counts)

    def blocks(self):
        """(slice of rows, float64 rows minus the overall mean), chunk by chunk in the given order."""
        if self._still is not None:
            for rows, block in self._still.blocks():
                yield rows, block + self._shifts[self.codes[rows]]
            return
        for start in range(0, self.n, CHUNK):
            rows = slice(start, min(start + CHUNK, self.n))
            yield rows, np.subtract(self._features[rows], self.mean, dtype=np.float64)

    def scatter(self, c: int) -> np.ndarray:
        """(D, D) scatter of class c about its own mean."""
        if c not in self._scatters:
            return self._factors[c].T @ self._factors[c]
        return self._scatters[c]

    def factor(self, c: int) -> np.ndarray | None:
        """(k, D) F with F'F = scatter(c) where it is at hand (few rows, small problems), else None."""
        return self._factors.get(c)

    def class_values(self, c: int, axes: np.ndarray | None = None) -> np.ndarray:
        """Eigenvalues, descending, of class c's scatter; of axes' S_c axes where axes (D, k) are given."""
        if c in self._factors:
            factor = self._factors[c] if axes is None else self._factors[c] @ axes
            values = np.linalg.svd(factor, compute_uv=False) ** 2
            return np.concatenate([values, np.zeros(factor.shape[1] - len(values))])
        scatter = self._scatters[c]
        return np.maximum(np.linalg.eigvalsh(scatter if axes is None else axes.T @ scatter @ axes)[::-1], 0)

    @cached_property
    def variances(self) -> np.ndarray:
        """(C, D) class variances (divided by n_c)."""
        diagonals = [
            np.einsum("ij,ij->j", self._factors[c], self._factors[c])
            if c in self._factors
            else np.diagonal(self._scatters[c])
            for c in range(self.c)
        ]
        return np.stack(diagonals) / self.counts[:, None]

    @cached_property
    def within(self) -> np.ndarray:
        """(D, D) sum of the class scatters."""
        total = np.zeros((self.d, self.d))
        for c in range(self.c):
            total += self.scatter(c)
        return total

    @cached_property
    def total(self) -> np.ndarray:
        """(D, D) scatter about the overall mean."""
        weighted = self.offsets * np.sqrt(self.counts)[:, None]
        return self.within + weighted.T @ weighted

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of the centred features. Rank: eigenvalues of the scatter above max(N, D) eps times the largest."""
        if len(self._factors) < self.c:
            squares, axes = np.linalg.eigh(self.total)
            if not self._too_wide(squares):
                return self._cut(np.sqrt(np.maximum(squares[::-1], 0)), axes[:, ::-1])
        rows = [self._factors.get(c) for c in range(self.c)]
        rows = [self._factor(c) if factor is None else factor for c, factor in enumerate(rows)]
        rows.append(self.offsets * np.sqrt(self.counts)[:, None])
        _, values, axes = np.linalg.svd(_r_factor(np.concatenate(rows)), full_matrices=False)
        return self._cut(values, axes.T)

    @cached_property
    def uncentred(self) -> Spectrum:
        """Of the features as they are, without subtracting the mean."""
        mean = np.sqrt(self.n) * self.mean
        if len(self._factors) < self.c and mean @ mean < 1e3 * np.trace(self.total):
            squares, axes = np.linalg.eigh(self.total + np.outer(mean, mean))
            if not self._too_wide(squares):
                return self._cut(np.sqrt(np.maximum(squares[::-1], 0)), axes[:, ::-1])
        # the mean is one more row under the centred factor: an offset then squares nothing
        factor = np.concatenate([self.spectrum.values[:, None] * self.spectrum.axes.T, mean[None]])
        _, values, axes = np.linalg.svd(factor, full_matrices=False)
        return self._cut(values, axes.T)

    @property
    def rank(self) -> int:
        """Numerical rank of the centred features."""
        return self.spectrum.rank

    def _factor(self, c: int) -> np.ndarray:
        """QR factor of class c's rows about their mean, read again."""
        if self._still is not None:
            return self._still._factor(c)
        rows = np.flatnonzero(self.codes == c)
        mean = self.mean + self.offsets[c]
        factor = np.empty((0, self.d))
        for start in range(0, len(rows), CHUNK):
            block = np.subtract(self._features[rows[start : start + CHUNK]], mean, dtype=np.float64)
            factor = _r_factor(np.concatenate([factor, block]))
        factor[:, self.constant] = 0
        return factor

    def _tolerance(self) -> float:
        return max(self.n, self.d) * EPS

    def _too_wide(self, squares) -> bool:
        """Whether some eigenvalue is above the rank tolerance (with a margin) but too small for a Gram matrix."""
        ratio = squares / max(squares.max(), np.finfo(float).tiny)
        return bool(((ratio > self._tolerance() / 10) & (ratio < WIDE)).any())

    def _cut(self, values, axes) -> Spectrum:
        rank = int((values**2 > self._tolerance() * values.max(initial=0) ** 2).sum())
        return Spectrum(values[:rank], np.ascontiguousarray(axes[:, :rank]), values[rank:])


@dataclass
class _ClassPass:
    """Sums of one class about `origin`, until all classes are read."""

    mean: np.ndarray
    varies: np.ndarray
    scatter: np.ndarray | None
    factor: np.ndarray | None
    count: int
    square: float  # sum q, q = |x - mean|^2
    fourth: float  # sum q^2
    third: np.ndarray  # sum q (x - mean)


def _rows_by_class(codes, counts):
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(counts)[:-1])


def _class_pass(features, rows, n) -> _ClassPass:
    d, count = features.shape[1], len(rows)
    as_rows = count <= d  # the rows themselves are the smaller form
    step = count if as_rows else min(count, CHUNK)
    exact = n * d * min(n, d) <= SMALL
    scatter = None if as_rows or exact else np.zeros((d, d), order="F")
    factor = np.empty((0, d + 1))
    ones_and_norms = np.ones((2, step))
    first = features[rows[0]].astype(np.float64)
    varies = np.zeros(d, dtype=bool)
    origin, total, square, fourth, third = first, np.zeros(d), 0.0, 0.0, np.zeros(d)
    for start in range(0, count, step):
        block = np.subtract(features[rows[start : start + step]], origin, dtype=np.float64)
        if not varies.all():
            varies |= (block != 0).any(axis=0)
        if start == 0:
            # a column without variation stays at exactly zero, so its variance is exactly zero
            shift = block.mean(axis=0) * varies
            origin = first + shift
            block -= shift
        norms = np.einsum("ij,ij->i", block, block)
        square += norms.sum()
        fourth += norms @ norms
        ones_and_norms[1, : len(block)] = norms
        sums = ones_and_norms[:, : len(block)] @ block
        total += sums[0]
        third += sums[1]
        if scatter is not None:
            _add_gram(scatter, block)
        elif as_rows:
            factor = block
        else:
            # behind a column of ones, the other columns of the factor are those of the centred rows
            block = np.column_stack([np.ones(len(block)), block])
            factor = _r_factor(np.concatenate([factor, block]))
    rest = total / count
    if scatter is not None:
        diagonal = scatter.diagonal().copy()
        scatter = scatter + scatter.T  # the upper triangle was zero
        np.fill_diagonal(scatter, diagonal)
        along = scatter @ rest
        if count > CHUNK:  # else `rest` is rounding
            scatter -= count * np.outer(rest, rest)
    elif as_rows:
        along = factor.T @ (factor @ rest)
        factor -= rest
    else:
        along = factor[:, 1:].T @ (factor[:, 1:] @ rest)
        factor = factor[1:, 1:]
    far = rest @ rest
    return _ClassPass(
        mean=origin + rest,
        varies=varies,
        scatter=scatter,
        factor=None if scatter is not None else factor,
        count=count,
        square=square - count * far,
        fourth=fourth - 4 * rest @ third + 4 * rest @ along + 2 * far * square - 3 * count * far**2,
        third=third - rest * square - 2 * along + 2 * count * far * rest,
    )


def _add_gram(scatter, block) -> None:
    """scatter += block'block, lower triangle only, in place."""
    from scipy.linalg.blas import dsyrk

    dsyrk(1.0, block.T, beta=1.0, c=scatter, lower=1, overwrite_c=1)


def _r_factor(rows) -> np.ndarray:
    return np.linalg.qr(rows, mode="r") if len(rows) > rows.shape[1] else rows
