import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.baselines.mean_rank_elsewhere import mean_rank_elsewhere


@pytest.mark.reference("mean_rank_elsewhere", source="closed form: ranks by hand")
def test_by_hand_with_a_tie():
    dice = np.array([[0.9, 0.5, 0.7], [0.8, 0.6, 0.7], [0.1, 0.4, 0.9]])
    assert mean_rank_elsewhere(dice).tolist() == pytest.approx([(3 + 2 + 1.5) / 3, (2 + 3 + 1.5) / 3, (1 + 1 + 3) / 3])


def test_an_encoder_without_a_value_is_an_error():
    with pytest.raises(InputError, match=r"dice: expected a finite \(K, T\) table.*1 missing values"):
        mean_rank_elsewhere(np.array([[0.5, np.nan], [0.1, 0.2]]))
