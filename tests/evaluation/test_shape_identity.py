"""The order of shapes on other tasks of the same kind, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.design import Design
from tebench.evaluation.shape_identity import rows, shape_identity

KNOWN = {name: (name[0], name, 1.0) for name in ("a1", "a2", "b1", "b2", "b3")}
DESIGN = Design.of(KNOWN, KNOWN)
DICE = np.array([[5, 4, 3, 2, 1], [4, 5, 1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 5, 4, 3]]) / 10
CLASSES = (1, 2, 9, 30)


def test_it_is_the_mean_rank_of_the_shape_on_tasks_of_the_same_kind():
    found = shape_identity(DICE, DESIGN, CLASSES)
    # Task 0 (few classes) reads task 1 alone: ranks 4 5 | 1 2 3.
    assert found[0].tolist() == [4.5, 4.5, 2, 2, 2] and found[2].tolist() == [1.5, 1.5, 4, 4, 4]
    assert weighted_tau(found[0], DICE[0]) > 0.5 and weighted_tau(found[2], DICE[2]) > 0.5


def test_a_task_alone_in_its_kind_has_no_value():
    assert np.isnan(shape_identity(DICE[1:], DESIGN, CLASSES[1:])[0]).all()
    truth = pd.DataFrame(
        [
            {"task": f"t{t}", "encoder": e, "value": DICE[t, k] + 0.01 * s, "seed": s}
            for t in (1, 2, 3) for k, e in enumerate(DESIGN.encoders) for s in (-1, 1)
        ]
    )  # fmt: skip
    found = rows(truth, DESIGN, {f"t{t}": CLASSES[t] for t in range(4)})
    assert found.groupby("task")["status"].first().tolist() == ["not_applicable", "ok", "ok"]
    assert found.loc[found["task"] == "t2", "score"].tolist() == [1.5, 1.5, 4, 4, 4]
    with pytest.raises(InputError, match="n_foreground lacks t2, t3"):
        rows(truth, DESIGN, {"t1": 1})
    with pytest.raises(InputError, match="finite"):
        shape_identity(DICE[:, :3], DESIGN, CLASSES)
