"""Sweeps (`-m`): what the launching process settles before Hydra starts, and how a member reports its failure.

Hydra's launchers run the members, on this machine or on a cluster; nothing here schedules. A member that fails stops
no other; the process that launched them exits with 1 and names the first. A member that is killed ends a sweep of
joblib, whose processes are one pool; members of a cluster are jobs of their own.
"""

from __future__ import annotations

import multiprocessing
import re
import sys
import traceback
from collections.abc import Callable

from tebench.base.errors import InputError, TebenchError
from tebench.runtime.interrupts import end_with_launcher

FLAGS = ("-m", "--multirun")
# A sweep over these cuts one grid into parts, and a part is no pool to rank.
_PARTS = ("encoders", "tasks")
_OWN_FOLDER = "'output=outputs/member-${hydra:job.num}'"
# These say which member wrote what, not what it computed.
_HARMLESS = ("workers", "progress", "verbose", "device")


class MemberError(TebenchError):
    """A member of a sweep ended with an error, reported where it ran."""


def asked(arguments: list[str]) -> bool:
    """Whether the command line asks for a sweep."""
    return bool(set(FLAGS) & set(arguments)) or any(a.upper() == "HYDRA.MODE=MULTIRUN" for a in arguments)


def prepare(arguments: list[str]) -> list[str]:
    """Members of one sweep must not write over each other's tables, nor rank a part of the pool: they keep scores only.

    >>> prepare(["-m", "tasks=[a],[b]"])[-1]
    'job.tables=false'
    >>> prepare(["-m", "seed=0,1", "output=out/${seed}"])[-1]
    'output=out/${seed}'
    """
    # Hydra's parser wants its flag before or after all overrides, not between them.
    flags = [a for a in arguments if a in FLAGS]
    arguments = [*flags, *(a for a in arguments if a not in FLAGS)]
    values = dict(a.split("=", 1) for a in arguments if "=" in a and not a.startswith("-"))
    jobs = values.get("job", "score").split(",")
    clash = [key for key in swept(arguments) if key not in _HARMLESS and not _apart(key, values.get("output"))]
    if jobs != ["score"] or not clash or "job.scores" in values:
        return arguments
    given = values.get("job.tables")
    if given is None:
        print(
            f"sweep over {', '.join(clash)}: members keep scores only, since each has a part of one table or would "
            f"write over the others'. job=collect builds the tables; or give each a folder of its own: {_OWN_FOLDER}.",
            file=sys.stderr,
        )
        return [*arguments, "job.tables=false"]
    if given.lower() == "true":
        raise InputError(
            f"tables=true in a sweep over {', '.join(clash)}: each member has a part of one table or would write over "
            f"the others'. Give each a folder of its own: {_OWN_FOLDER}."
        )
    return arguments


def swept(arguments: list[str]) -> list[str]:
    """Keys that the command line gives several values, as Hydra reads them."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, found = OverridesParser.create(), []
    for argument in arguments:
        if "=" not in argument or argument.startswith("-"):
            continue
        try:
            override = parser.parse_override(argument)
        except HydraException:
            continue  # Hydra will say what is wrong with it
        if override.is_sweep_override() and not override.key_or_group.startswith("hydra"):
            found.append(override.key_or_group)
    return found


def _apart(key: str, output: str | None) -> bool:
    """Whether the output folder tells the values of this key apart; the default one is named after all of them."""
    if output is None:
        return key not in _PARTS
    return key in re.findall(r"\$\{([\w.]+)", output) or "${hydra:job." in output


def is_member() -> bool:
    """Whether this process runs one member of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_member(job: Callable[[], None]) -> None:
    """Run the job; whatever goes wrong is said here and raised in a form that reaches the launching process."""
    from hydra.core.hydra_config import HydraConfig

    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # joblib's own start method; a process that a member starts does not know it and would end at once.
        multiprocessing.set_start_method("spawn", force=True)
        end_with_launcher()
    overrides = " ".join(HydraConfig.get().overrides.task)
    try:
        job()
    except SystemExit as error:
        if error.code in (1, 2):  # a job's own verdict, already said
            raise MemberError(f"[{overrides}] exit code {error.code}") from None
        if error.code not in (0, None):
            raise  # a launcher's: submitit ends a process so once it has put its job back into the queue
    except TebenchError as error:
        print(f"tebench: [{overrides}] {error}", file=sys.stderr)
        raise MemberError(f"[{overrides}] {error}") from None
    except Exception as error:
        traceback.print_exc()
        raise MemberError(f"[{overrides}] {type(error).__name__}: {error}") from None


def explain(error: Exception) -> str | None:
    """What the launching process says of an error that came out of a sweep; None for one that is not a sweep's."""
    if isinstance(error, MemberError):
        what = f"at least one member of the sweep failed, first {error}"
    elif type(error).__module__.startswith("submitit"):
        what = f"at least one member of the sweep ended without a result: {str(error).strip().splitlines()[0]}"
    elif type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool"):  # joblib's
        what = (
            "a member of the sweep was killed, perhaps for lack of memory, and the others ended with it: joblib stops"
        )
    else:
        return None
    return f"{what}\nFinished work is kept: the same command goes on from it; job=status shows the whole grid."
