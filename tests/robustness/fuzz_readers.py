"""Every reader of files that may come from anyone, as a function of bytes; sound examples; and ways to spoil them.

A reader may take the bytes or refuse them with an error of tebench. Anything else it does is a defect.
"""

import fuzz_caches  # noqa: F401
import fuzz_images_and_weights  # noqa: F401
import fuzz_rows  # noqa: F401
from fuzz_registry import READERS, attempt  # noqa: F401
from fuzz_spoil import spoil  # noqa: F401
