"""The topology family of metrics, one file each.

`tebench.metrics()` is also the public function that lists all metrics, and importing this package puts it in
that function's place, so the package itself answers the call.
"""

from __future__ import annotations

import sys
import types


class _CallablePackage(types.ModuleType):
    def __call__(self) -> dict:
        """Every registered metric, by name, with its facts; see `tebench.metrics`."""
        from tebench.registry import load

        return load()


sys.modules[__name__].__class__ = _CallablePackage
