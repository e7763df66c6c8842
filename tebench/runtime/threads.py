"""One thread for all arithmetic: the last bits of a sum depend on how many shared it, and workers side by side spin.

Results must not depend on the number of cores, so features (`extract`), cells (`compute`) and fine-tuned weights
(`execute_run`) are made inside `one_thread`; more processes, not more threads, make a grid faster. torch counts its
threads itself; numpy and scipy each bring a BLAS with a pool of its own, which no variable of the environment reaches
once it is loaded.
"""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager


@contextmanager
def one_thread():
    """Inside, torch and BLAS compute on one thread; the caller's settings return afterwards.

    The settings are the process's: two Python threads must not be inside at once.
    """
    import torch

    before = torch.get_num_threads()
    try:
        with _pools().limit(limits=1):
            torch.set_num_threads(1)
            yield
    finally:
        torch.set_num_threads(before)


def one_thread_for_good() -> None:
    """The same for the rest of the process: a worker's. A torch that is loaded later reads the environment."""
    os.environ["OMP_NUM_THREADS"] = "1"
    _pools().limit(limits=1)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@functools.cache
def _pools():
    """The thread pools of this process; a library that is loaded later would be missed, so scipy's BLAS is loaded."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
