import numpy as np
import pytest

import tebench
from tebench.base.errors import NotApplicable


def test_refused_with_the_reason():
    with pytest.raises(NotApplicable, match="no source images or labels are at hand"):
        tebench.score("otce", np.eye(4), [0, 1, 0, 1])
