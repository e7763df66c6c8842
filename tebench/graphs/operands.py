"""Points prepared so that one float32 matrix product yields squared distances, or certified lower bounds of them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tebench.base.errors import InputError
from tebench.graphs.checks import on_cpu

_ROWS = 512  # rows prepared at a time, so that their temporaries stay in the cache
_PAIRS = 128  # pairs compared at a time, likewise
LARGEST = 1e300  # coordinate of a float64 point
FAR = 1e30  # squared norm of a padding row: beyond every limit, and two of them are still finite in float32


@contextmanager
def full_precision():
    """Float32 products without TF32 or bfloat16 inside, no gradients; the caller's setting returns afterwards.

    The certified bound below holds for products that round to float32 only.
    """
    before = torch.get_float32_matmul_precision()
    if before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad():
            yield
    finally:
        if before != "highest":
            torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class Points:
    """The source rows (N, D), any real dtype, never changed; `scale` a power of two that brings them near 1."""

    source: torch.Tensor
    scale: float
    certified: bool

    @classmethod
    def of(cls, source: torch.Tensor, certified: bool) -> Points:
        low, high = source.amin(0).double(), source.amax(0).double()
        if (largest := float(torch.maximum(-low, high).max())) > LARGEST:
            raise InputError(f"points must lie below {LARGEST:g}, or their sums are not finite; got {largest:g}.")
        reach = float((high - low).max())
        # A power of two: scaling is exact, and squares stay inside the range of float32.
        exponent = math.frexp(reach)[1] if reach > 0 else 0
        largest = 1000 if source.dtype == torch.float64 else 120
        return cls(source, 2.0 ** min(max(-exponent, -largest), largest), certified)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def slack(self) -> float:
        """e such that the product's squared distance errs by at most e (|x|^2 + |y|^2).

        With K = D + 2 terms and u = 2^-24: K u sum|terms| <= 2 K u (|x|^2 + |y|^2) for the product in any order of
        summation, (D + 1) u for the norms, 4 u for rounding x - centre, and a margin. Zero when not certified.
        """
        return self.nominal_slack if self.certified else 0.0

    @property
    def nominal_slack(self) -> float:
        return (3 * self.source.shape[1] + 24) * 2.0**-24

    def mean(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Mean row, in a precision in which subtracting it rounds once; any centre near it serves as well."""
        part = self.source if rows is None else self.source.index_select(0, rows)
        centre = part.to(torch.promote_types(part.dtype, torch.float32)).mean(0)
        # Sums and differences of the largest float32 numbers leave float32, not float64.
        return centre if self.scale > 2.0**-100 and bool(centre.isfinite().all()) else part.double().mean(0)

    def columns(self, rows: torch.Tensor | None, centre: torch.Tensor, length: int) -> torch.Tensor:
        """Right operand (length, D+2): x - centre, |x - centre|^2 (1 - slack), 1; padded by far rows to `length`."""
        count = len(self.source) if rows is None else len(rows)
        width = self.source.shape[1]
        out = torch.empty(length, width + 2, dtype=torch.float32, device=self.source.device)
        for start in range(0, count, _ROWS):
            stop = min(start + _ROWS, count)
            part = self.source[start:stop] if rows is None else self.source.index_select(0, rows[start:stop])
            x = out[start:stop, :width]
            x.copy_((part.to(centre.dtype) - centre) * self.scale)
            torch.sum(x * x, 1, out=out[start:stop, width])
        # The tiny constant covers float32 underflow, where the relative bound says nothing.
        out[:count, width].mul_(1 - self.slack).sub_(1e-36 if self.certified else 0.0)
        out[:, width + 1] = 1
        out[count:] = far_row(out)
        return out

    def lengths(self, first: torch.Tensor, second: torch.Tensor, dtype=torch.float64) -> torch.Tensor:
        """Scaled distances (float64) of pairs of rows, by differences of the source in `dtype`."""
        if self.source.dtype == torch.float64:
            dtype = torch.float64
        # Squares of float32 numbers stay inside float64; scaling by a power of two is exact after the sum as before it.
        roomy = dtype == torch.float64 and self.source.dtype != torch.float64
        step = _PAIRS if on_cpu(first.device) else 1 << 16
        out = torch.empty(len(first), dtype=dtype, device=first.device)
        for start in range(0, len(first), step):
            part = slice(start, start + step)
            gap = self.source.index_select(0, first[part]).to(dtype)
            gap.sub_(self.source.index_select(0, second[part]))
            if not roomy:
                gap.mul_(self.scale)
            torch.linalg.vector_norm(gap, dim=1, out=out[part])
        return out.double() * self.scale if roomy else out.double()


def far_row(columns: torch.Tensor) -> torch.Tensor:
    """The right operand of padding: farther from everything than any bound."""
    row = columns.new_zeros(columns.shape[1])
    row[-2], row[-1] = FAR, 1.0
    return row


def rows_of(columns: torch.Tensor) -> torch.Tensor:
    """Left operand of prepared rows: -2 x, 1, |x|^2, so that rows @ columns.T is |x|^2 + |y|^2 - 2 x.y."""
    out = columns * -2.0
    out[..., -2] = 1.0
    out[..., -1] = columns[..., -2]
    return out
