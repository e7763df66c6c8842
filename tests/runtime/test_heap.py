"""What the heap keeps and has given out (glibc)."""

import subprocess
import sys

import numpy as np
import pytest

from tebench.runtime import heap
from tebench.runtime.meter import Meter

pytestmark = pytest.mark.skipif(heap.given_out() is None, reason="no glibc 2.33 or newer: nothing here has an effect")
MB = 2**20


def test_given_out_counts_what_is_allocated_and_not_freed_memory():
    start = heap.given_out()
    block = np.ones(50 * MB, np.uint8)
    assert heap.given_out() - start >= len(block)
    del block
    assert heap.given_out() - start < 5 * MB


def test_freed_memory_stays_inside_and_goes_back_afterwards():
    code = """
from pathlib import Path
import numpy as np
from tebench.runtime.heap import freed_memory_kept
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
def fill():
    blocks = [np.ones(2**20, np.uint8) for _ in range(300)]
start = resident()
with freed_memory_kept():
    with freed_memory_kept():
        pass
    fill()
    kept = resident()
print(kept - start, resident() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    kept, left = map(int, done.stdout.split())
    assert kept >= 250 > 50 >= left, done.stderr


def test_a_meter_of_allocated_memory_sees_what_kept_pages_hide_from_resident_memory():
    def peak(allocated):
        with Meter(allocated=allocated) as meter:
            block = np.ones(200 * MB, np.uint8)
            for _ in range(20):  # longer than the sampling interval
                block.sum()
        return meter.peak_mb

    with heap.freed_memory_kept():
        seen = [(peak(True), peak(False)) for _ in range(2)]
    assert all(195 < allocated < 210 for allocated, _ in seen)
    assert seen[1][1] < 50  # resident memory grew in the first round and stayed
