"""All encoder stages of a voxel side by side, as if they were one stage: the hypercolumn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

JOINT = "joint"
_CHUNK = 65536  # rows whose squares are summed at once: tens of MB


class JointStage:
    """Rows of all encoder stages, each stage divided by its own root mean square over the whole sample.

    x = [x_1 / rms_1, .., x_L / rms_L], rms_l = sqrt(mean over rows of |x_l|^2): every stage has the same mass, however
    large its numbers and however many its channels; nothing is tuned. A stage of zeros stays zero.
    Rows are put together when they are read: n rows take 4 n sum_l D_l bytes (float32; 23,232 rows of 208 channels:
    19 MB), beside the stages' own memory-mapped matrices.
    After Hariharan et al. 2015, hypercolumns, arXiv 1411.5752.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, stages: list[np.ndarray]):
        self._stages = stages
        self._scales = [_inverse_rms(stage) for stage in stages]
        self.shape = (len(stages[0]), sum(stage.shape[1] for stage in stages))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        parts = [stage[rows] * scale for stage, scale in zip(self._stages, self._scales, strict=True)]
        return np.concatenate(parts, axis=-1)


class WithJoint(Mapping):
    """A feature set's stages, and `joint` beside them by name; iteration gives the stages that the encoder has."""

    def __init__(self, stages: Mapping[str, np.ndarray]):
        self._stages, self._joint = stages, None

    def __getitem__(self, name: str):
        if name != JOINT:
            return self._stages[name]
        if self._joint is None:
            self._joint = JointStage([self._stages[s] for s in self._stages if s.split(".")[0] == "encoder"])
        return self._joint

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)


def _inverse_rms(stage: np.ndarray) -> np.float32:
    total = 0.0
    for start in range(0, len(stage), _CHUNK):
        part = np.asarray(stage[start : start + _CHUNK], np.float64).ravel()
        total += part @ part
    return np.float32(np.sqrt(len(stage) / total)) if total > 0 else np.float32(1)
