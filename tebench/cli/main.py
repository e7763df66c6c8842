"""The command line: help, then Hydra composes the configuration, then one job runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tebench.base.errors import TebenchError


def main() -> None:
    """Entry point of `tebench` and `python -m tebench`."""
    arguments, folder = sys.argv[1:], None
    if "--version" in arguments:
        from tebench.base.version import __version__

        print(f"tebench {__version__}")
        return
    try:
        if {"-h", "--help"} & set(arguments):
            _help(arguments)
            return
        if {"-sc", "--shell-completion"} & set(arguments):
            from tebench.cli import completion

            if completion.answered(arguments):
                return
        else:
            from tebench.cli import sweep, sweep_table
            from tebench.cli.options import prepare

            sys.argv[1:] = prepare(arguments)
            if sweep.asked(arguments):
                sys.argv[1:], folder = sweep_table.in_folder(sweep.prepare(sys.argv[1:]))
        from tebench.cli.config import store

        store()
    except TebenchError as error:
        _stop(error)
    import hydra

    # So that an error arrives here as it was raised; without it Hydra prints its own story and exits.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _start(hydra.main(version_base="1.3", config_path="pkg://tebench.conf", config_name="config")(_run), folder)


def _help(arguments: list[str]) -> None:
    """Print the help, with the metrics of plugins=[...] among the others; a reader that goes early is no error."""
    from tebench.cli import help_text
    from tebench.cli.options import load_named_plugins

    load_named_plugins([word for word in arguments if "=" in word])
    try:
        print(help_text.of(arguments), flush=True)
    except BrokenPipeError:
        _unheard()


def _unheard() -> None:
    """Nobody reads on (`tebench ... | head`): what is still buffered goes nowhere, without a traceback at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _start(start: Callable[[], None], folder: Path | None) -> None:
    """Start one run, or a sweep, which has a folder; one line for what a user can mend.

    Exit code 1 when a member of a sweep failed.
    """
    from hydra.errors import HydraException

    from tebench.cli import sweep

    try:
        start()
        _conclude(folder)
    except KeyboardInterrupt:
        _interrupted()
    except HydraException as error:
        _stop("\n".join(str(part) for part in (error, error.__cause__) if part))
    except Exception as error:
        text = sweep.explain(error)
        if text is None:
            raise
        _conclude(folder)
        print(f"tebench: {text}", file=sys.stderr)
        sys.exit(1)


def _conclude(folder: Path | None) -> None:
    """What a sweep's members found, in one table."""
    if folder is not None:
        from tebench.cli import sweep_table

        if table := sweep_table.text(folder):
            print(table)


def _run(config) -> None:
    from tebench.cli import sweep

    if sweep.is_member():
        sweep.run_member(lambda: _job(config))
        return
    try:
        _job(config)
    except TebenchError as error:
        _stop(error)
    except KeyboardInterrupt:
        _interrupted()
    except BrokenPipeError:
        _unheard()


def _job(config) -> None:
    from tebench.cli import config as configuration
    from tebench.cli import jobs, sweep, sweep_table
    from tebench.metrics.registry import load_plugins

    composed = configuration.plain(config)
    plugins = composed["plugins"] or []
    # A launcher may run this in a process that never saw the command line.
    load_plugins([plugins] if isinstance(plugins, str) else plugins)
    settings, options = configuration.checked(composed)
    _start_logging(settings.verbose)
    with offline(settings.offline):
        jobs.module(composed["job"]["name"]).run(settings, options)
    if sweep.is_member() and composed["job"]["name"] == "score" and settings.output:
        sweep_table.note(settings.output, [metric.name for metric, _ in settings.metrics or ()])


@contextlib.contextmanager
def offline(wanted: bool):
    """The switch is in the environment, which worker processes inherit; members of a sweep may share one process."""
    from tebench.assets.fetch import OFFLINE

    before = os.environ.get(OFFLINE)
    if wanted:
        os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(OFFLINE, None)
        else:
            os.environ[OFFLINE] = before


def _interrupted() -> None:
    print("\ninterrupted; finished work is kept, run the same command to go on.", file=sys.stderr)
    sys.exit(130)


def _start_logging(verbose: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("tebench").setLevel(logging.INFO if verbose else logging.WARNING)
    # What is fetched, how large and under which licence is always reported.
    logging.getLogger("tebench.assets").setLevel(logging.INFO)


def _stop(error: Exception | str) -> None:
    print(f"tebench: {error}", file=sys.stderr)
    sys.exit(2)
