"""The number of threads of a process changes no result."""

import numpy as np
import scipy.linalg  # noqa: F401 - its BLAS is there before threads are counted
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from tebench.metrics import registry
from tebench.runtime.threads import one_thread
from tebench.scoring.compute import compute
from tebench.scoring.request import Request


def _threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


def test_one_thread_inside_and_the_callers_setting_afterwards():
    with threadpool_limits(2):
        torch.set_num_threads(2)
        with one_thread():
            assert torch.get_num_threads() == 1 and _threads() == {1}
        assert torch.get_num_threads() == 2 and _threads() == {2}
    torch.set_num_threads(1)


class _View:
    """As `FeatureView.value`: a decomposition whose last bits depend on the threads of BLAS."""

    features = np.random.default_rng(0).normal(size=(500, 320))

    def value(self, *_):
        return float(np.linalg.svd(self.features, compute_uv=False).sum()), {}


def test_a_cell_does_not_depend_on_the_threads_around_it():
    request = Request.make(registry.load()["random"], {}, None, 0)
    header = {"facts": {}, "feature_hash": "0", "label_hash": "0"}
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.add(compute(request, "task", "encoder", header, _View()).score)
    assert len(found) == 1
