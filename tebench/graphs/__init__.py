"""Exact graphs on feature matrices: minimum spanning trees and nearest neighbours.

`emst` and `knn` read one point set, `small_trees` many small ones at once, `tree_of_matrix` dense weights.
`emst_with_labels`, `emst_min` and `tree_of_edges` combine trees.
Importing is light: torch is loaded on the first use of a name.
"""

from __future__ import annotations

VERSION = 1  # raise when a tree or neighbourhood would have another value; scores are then computed again
_HOMES = {
    "emst": "spanning_tree",
    "emst_min": "combined",
    "emst_with_labels": "combined",
    "knn": "neighbours",
    "small_trees": "small",
    "tree_of_edges": "boruvka",
    "tree_of_matrix": "prim",
}
__all__ = [
    "emst",
    "emst_min",
    "emst_with_labels",
    "knn",
    "small_trees",
    "tree_of_edges",
    "tree_of_matrix",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
