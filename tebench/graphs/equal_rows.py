"""Exactly equal rows: found by hashing, so that they cost nothing in the all-pairs work."""

from __future__ import annotations

import torch

_ROWS = 1024


def distinct_rows(source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(indices of one row of each value, ascending; (E, 2) pairs that tie every other row to an equal one)."""
    device = source.device
    hashes = _hashes(source)
    sorted_hashes, order = torch.sort(hashes, stable=True)
    same = (sorted_hashes[1:] == sorted_hashes[:-1]).nonzero().squeeze(1)
    if len(same):
        equal = [
            (source[order[part]] == source[order[part + 1]]).all(1) for part in same.split(_ROWS)
        ]  # a collision of hashes is no equality
        same = same[torch.cat(equal)]
    first = torch.ones(len(source), dtype=torch.bool, device=device)
    first[same + 1] = False
    # Every run of equal rows hangs on its first member: a star, whose leader is the smallest index.
    leader = torch.cummax(torch.where(first, torch.arange(len(source), device=device), 0), 0).values
    pairs = torch.stack([order[leader[same + 1]], order[same + 1]], 1)
    kept = torch.zeros_like(first)
    kept[order[first]] = True
    return kept.nonzero().squeeze(1), pairs


def _hashes(source: torch.Tensor) -> torch.Tensor:
    """One integer a row from its bits: wrapping integer sums do not depend on their order, as float sums do."""
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[source.element_size()]
    generator = torch.Generator().manual_seed(1)
    factors = torch.randint(-(2**31), 2**31 - 1, (source.shape[1],), generator=generator) | 1
    kind = torch.int64 if bits == torch.int64 else torch.int32
    factors = factors.to(source.device, kind)
    return torch.cat(
        # Adding zero turns -0.0 into 0.0, which equals it but has other bits.
        [((part + 0.0).contiguous().view(bits).to(kind) * factors).sum(1, dtype=kind) for part in source.split(_ROWS)]
    )
