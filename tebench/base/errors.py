"""The errors a user can cause and mend; the command line prints their message and exits with 2."""


class TebenchError(Exception):
    """Base of every error whose message is written for the user."""


class InputError(TebenchError, ValueError):
    """An argument, option, array or file is not what was expected."""


class UnknownNameError(InputError):
    """A name (metric, encoder, task, job ...) is not registered."""


class MetricError(InputError):
    """A metric broke its contract: no float, a non-finite one, or one outside its declared range."""


class AssetError(TebenchError):
    """A package could not be fetched, verified or unpacked."""


class WorkerKilledError(TebenchError):
    """A worker process ended under its job, mostly killed for lack of memory."""


class CacheError(TebenchError):
    """A cache file is missing, damaged or made from something else."""


class NotApplicable(TebenchError):  # noqa: N818 - no error: a metric says so
    """A metric has no value here, with the reason (never replaced by a number)."""


def unknown_name(kind: str, name: str, known) -> UnknownNameError:
    """The error for an unregistered name: lists the known ones and the nearest match."""
    import difflib

    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownNameError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}.")
