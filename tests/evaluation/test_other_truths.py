"""Other readings of the same runs: closed forms on a table made by hand."""

import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.evaluation import other_truths

ENCODERS = ("a", "b", "c", "d")
CLASSES = ("one", "two", "three")


def volumes(protocols=("short",), noise=0.02, seed=0) -> pd.DataFrame:
    """Dice = .4 + level of the encoder + noise; encoder a's seed 0 has lost class three."""
    rng = np.random.default_rng(seed)
    rows = []
    for protocol in protocols:
        for k, encoder in enumerate(ENCODERS):
            for s in range(3):
                for volume in ("test-template", "test-virtual-1"):
                    for name in CLASSES:
                        dice = 0.4 + 0.1 * k + noise * rng.standard_normal()
                        if encoder == "a" and s == 0 and name == "three":
                            dice = 0.001
                        rows.append((protocol, encoder, "t", s, volume, name, dice))
    return pd.DataFrame(rows, columns=list(other_truths.COLUMNS))


def test_every_reading_is_the_average_that_its_name_says():
    rows = volumes()
    found = other_truths.readings(rows, ENCODERS)
    cube = rows["dice"].to_numpy().reshape(4, 3, 2, 3)  # encoder, seed, volume, class
    by_class = cube.mean(2)
    assert list(found) == list(other_truths.TRUTHS)
    assert found["mean"] == pytest.approx(by_class.mean(-1))
    assert found["learnt"] == pytest.approx(by_class[..., :2].mean(-1))
    assert found["median"] == pytest.approx(np.median(by_class, axis=-1))
    assert found["real"] == pytest.approx(cube[:, :, 0].mean(-1))
    assert found["virtual"] == pytest.approx(cube[:, :, 1].mean(-1))
    in_run = by_class.mean(-1)
    in_run[0, 0] = by_class[0, 0, :2].mean()
    assert found["learnt in the run"] == pytest.approx(in_run)
    assert found["lost"][0, 0] == pytest.approx(2 / 3) and found["lost"].sum() == pytest.approx(12 - 1 / 3)


def test_share_of_lost_classes_adds_up_to_the_whole():
    rows = volumes()
    lost, classes, share = other_truths.lost_share(rows)
    assert (lost, classes) == (1, 3) and 0 < share < 1
    every = rows.assign(dice=np.where(rows["encoder"] == "a", 0.0, rows["dice"]))
    assert other_truths.lost_share(every)[::2] == (3, pytest.approx(1.0))
    assert other_truths.lost_share(rows[rows["class"] != "three"])[::2] == (0, 0.0)
    assert "learnt" not in other_truths.readings(every, ENCODERS)  # no class is left


def test_table_and_agreement():
    rows = volumes(("long", "short"), noise=0.05)
    found = other_truths.table(rows, ENCODERS).set_index(["protocol", "reading"])
    assert found.loc[("short", "mean"), "tau_w"] == pytest.approx(1)
    assert found.loc[("short", "mean"), "reliability"] > 0.8
    agreed = other_truths.agreement(rows, ENCODERS, "long", "short").iloc[0]
    two = [other_truths.readings(rows[rows["protocol"] == p], ENCODERS)["mean"] for p in ("long", "short")]
    kept = [found.loc[(p, "mean"), "reliability"] for p in ("long", "short")]
    r = np.corrcoef(two[0].mean(1), two[1].mean(1))[0, 1]
    assert agreed["r"] == pytest.approx(r) and agreed["disattenuated"] == pytest.approx(r / np.sqrt(np.prod(kept)))
    # A protocol that has fewer encoders is read over those.
    fewer = rows[(rows["protocol"] == "short") | (rows["encoder"] != "d")]
    assert len(other_truths.table(fewer, ENCODERS)) == len(found)
    assert len(other_truths.agreement(fewer, ENCODERS, "long", "short")) == 1


def test_unsound_volumes_are_refused():
    rows = volumes()
    with pytest.raises(InputError, match=r"column\(s\) dice absent"):
        other_truths.check(rows.drop(columns="dice"))
    with pytest.raises(InputError, match="more than one row"):
        other_truths.check(pd.concat([rows, rows]))
    with pytest.raises(InputError, match="fraction 0"):
        other_truths.check(rows.assign(dice=rows["dice"] * 100))
    with pytest.raises(InputError, match="no rows"):
        other_truths.check(rows.iloc[:0])
    with pytest.raises(InputError, match="not every encoder has every seed"):
        other_truths.readings(rows[(rows["encoder"] != "a") | (rows["seed"] > 0)], ENCODERS)
