"""Headers of MetaImage files that crash ITK's reader are refused before it sees them."""

import numpy as np
import pytest
import raw_data

from tebench.base.errors import InputError
from tebench.tasks import metaimage
from tebench.tasks.reading import read

HEAD = b"NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_what_itk_writes_is_read(tmp_path, ending, dtype):
    made = raw_data.image().astype(dtype)
    raw_data.write(tmp_path / f"x{ending}", made)
    assert np.array_equal(read(tmp_path / f"x{ending}").data, made)


@pytest.mark.parametrize(
    "data, words",
    [
        (HEAD + b"ElementDataFile = " + b"\xff" * 3000, "malformed line"),  # found by fuzzing: a segmentation fault
        (HEAD + b"ElementDataFile = ../../etc/passwd\n", "expected LOCAL or a file beside it"),
        (HEAD + b"ElementDataFile = LIST\n", "expected LOCAL or a file beside it"),
        (HEAD + b"ElementDataFile = LOCAL\n1234567", "claims 8 bytes of data"),
        (HEAD + b"ElementDataFile = gone.raw\n", "is missing"),
        (HEAD + b"NDims = 3\nElementDataFile = LOCAL\n12345678", "malformed line"),
        (b"NDims = 3000\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n12345678", "NDims"),
        (b"NDims = 3\nDimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n12345678", "DimSize"),
        (b"NDims = 3\nDimSize = 2 2 -2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n12345678", "claims size"),
        (HEAD.replace(b"UCHAR", b"OTHER") + b"ElementDataFile = LOCAL\n12345678", "ElementType"),
        (HEAD + b"Offset = 0 0\nElementDataFile = LOCAL\n12345678", "Offset"),
        (HEAD + b"TransformMatrix = 1 0 nan\nElementDataFile = LOCAL\n12345678", "TransformMatrix"),
        (HEAD, "malformed line"),
    ],
)
def test_a_malformed_header_is_refused(tmp_path, data, words):
    (tmp_path / "x.mha").write_bytes(data)
    with pytest.raises(InputError, match=words):
        metaimage.check(tmp_path / "x.mha")
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.mha")
