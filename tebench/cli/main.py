"""The command line: help, then Hydra composes the configuration, then one job runs."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys

from tebench.base.errors import InputError, TebenchError

EXAMPLES = """\
Examples
  python -m tebench                                       GRTD + LBTC at a first look (benchmark=quick)
  python -m tebench benchmark=starter metric=all          every metric, 21 encoders, seven tasks
  python -m tebench metric=[grtd_lbtc,logme] tasks=[lungs]
  python -m tebench metric=[gbc,etran] preset=paper       with the settings of their papers
  python -m tebench metric=logme metric.max_iter=50 stages=encoder[-2:]
  python -m tebench job=rank dataset=DIR encoders=[DIR] minutes=10   own data, own checkpoints, no ground truth
  python -m tebench metric=mine plugins=[mine.py]         a metric of your own (see CONTRIBUTING.md)
  python -m tebench explain encoder=deepbet task=lungs   a job's name as first word is job=NAME, its options are bare
  python -m tebench cite metric=grtd_lbtc task=lungs version=v1.0
  python -m tebench submit metric=mine plugins=[mine.py]  then: tebench validate FILE
  python -m tebench -m metric=lbtc seed=0,1,2 'output=outputs/draw-${seed}'   a sweep
  python -m tebench -m extract encoders=[deepbet],[deepbrain] tasks=[lungs],[lobes] hydra/launcher=joblib
  python -m tebench status                                what of the grid is done, running, failed, missing"""


def main() -> None:
    """Entry point of `tebench` and `python -m tebench`."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        _help(arguments)
        return
    if "--version" in arguments:
        from tebench.base.version import __version__

        print(f"tebench {__version__}")
        return
    try:
        from tebench.cli import sweep
        from tebench.cli.options import prepare, store_metrics

        sys.argv[1:] = prepare(arguments)
        if sweep.asked(arguments):
            sys.argv[1:] = sweep.prepare(sys.argv[1:])
        store_metrics()
    except TebenchError as error:
        _stop(error)
    import hydra

    start = hydra.main(version_base="1.3", config_path="pkg://tebench.conf", config_name="config")(_run)
    if sweep.asked(arguments):
        _sweep(start)
    else:
        start()


def _help(arguments: list[str]) -> None:
    """Print the help, with the metrics of plugins=[...] among the others; a reader that goes early is no error."""
    from tebench.cli.options import load_named_plugins

    try:
        load_named_plugins(arguments)
        print(help_text(), flush=True)
    except TebenchError as error:
        _stop(error)
    except BrokenPipeError:
        _unheard()


def _unheard() -> None:
    """Nobody reads on (`tebench ... | head`): what is still buffered goes nowhere, without a traceback at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sweep(start) -> None:
    """Start the sweep; one line for what a user can mend, exit code 1 when a member failed."""
    from hydra.errors import HydraException

    from tebench.cli import sweep

    # So that an error of a member arrives here as it was raised; without it Hydra prints its own story and exits.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        start()
    except KeyboardInterrupt:
        _interrupted()
    except HydraException as error:
        print("\n".join(str(part) for part in (error, error.__cause__) if part), file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        text = sweep.explain(error)
        if text is None:
            raise
        print(f"tebench: {text}", file=sys.stderr)
        sys.exit(1)


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
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from tebench.metrics.registry import load_plugins

    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(f"configuration: {error}") from error
    _start_logging(plain["verbose"])
    check(plain)
    load_plugins(plain["plugins"])  # a launcher may run this in a process that never saw the command line
    with offline(plain["offline"]):
        importlib.import_module(f"tebench.cli.jobs.{plain['job']['name']}").run(plain)


@contextlib.contextmanager
def offline(wanted: bool):
    """The switch lies in the environment, which worker processes inherit; members of a sweep may share one process."""
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


def check(config: dict) -> None:
    """Ranges that every job shares; the rest is checked by the room that reads it."""
    for key, low in (("seed", 0), ("workers", 1)):
        value = config[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise InputError(f"{key} must be a whole number >= {low}, got {value!r}.")
    for key in ("encoders", "tasks", "plugins"):
        value = config[key]
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise InputError(f"{key} must be a list of names such as {key}=[a,b], got {value!r}.")
    for key in ("encoders", "tasks"):
        if config[key] is not None and (not config[key] or len(set(config[key])) < len(config[key])):
            raise InputError(f"{key}={config[key]}: name at least one, and each once.")
    for key in ("progress", "verbose", "retry", "offline"):
        if not isinstance(config[key], bool):
            raise InputError(f"{key} must be true or false, got {config[key]!r}.")
    if config["stages"] is not None:
        from tebench.metrics.evaluate_one import check_policy

        check_policy(config["stages"])
    _check_benchmark(config["benchmark"])
    if not isinstance(config["device"], str) or config["device"].split(":")[0] not in ("cpu", "cuda"):
        raise InputError(f"device must be cpu, cuda or cuda:N, got {config['device']!r}.")
    if config["device"] != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"device={config['device']}: this machine or this build of torch has no CUDA. Use cpu.")


def _check_benchmark(benchmark: dict) -> None:
    """Shapes of what every benchmark states; names are checked by `tebench.benchmark.spec`."""
    tasks, window = benchmark["tasks"], benchmark["window"]
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, str) for task in tasks):
        raise InputError(f"benchmark.tasks must be a list of at least one name, got {tasks!r}.")
    if window is not None and not (
        isinstance(window, list) and len(window) == 3 and all(type(size) is int and size > 0 for size in window)
    ):
        raise InputError(f"benchmark.window must be three whole numbers such as [96,128,96], or null, got {window!r}.")


def _start_logging(verbose: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("tebench").setLevel(logging.INFO if verbose else logging.WARNING)
    # What is fetched, how large and under which licence is said always.
    logging.getLogger("tebench.assets").setLevel(logging.INFO)


def _stop(error: Exception) -> None:
    print(f"tebench: {error}", file=sys.stderr)
    sys.exit(2)


def help_text() -> str:
    """Everything a newcomer needs: jobs, metrics, benchmarks, options, examples; no heavy import."""
    from tebench.benchmark.conf import group_options
    from tebench.metrics.registry import load

    lines = [
        "tebench: which pre-trained encoder will fine-tune best on a 3D medical segmentation task,",
        "and how far each metric that claims to know can be trusted.",
        "",
        "Usage  python -m tebench [job=JOB] [benchmark=NAME] [metric=NAME|[A,B]|all] [option=value ...]",
        "",
        "Jobs",
        *(f"  job={name:<12} {text}" for name, text in group_options("job").items()),
        "",
        "Benchmarks",
        *(f"  benchmark={name:<10} {text}" for name, text in group_options("benchmark").items()),
        "",
        "Presets (settings of metrics, between their defaults and metric.OPTION=value)",
        *(f"  preset={name:<13} {text}" for name, text in group_options("preset").items()),
        "",
        "Metrics (up: higher is better; options are set as metric.OPTION=value)",
    ]
    for name, metric in load().items():
        options = ", ".join(f"{p.name}={_spell(p.default)}" for p in metric.parameters.values())
        lines.append(f"  {name:<20} {metric.direction:<5} {metric.title}" + (f"  [{options}]" if options else ""))
    lines += ["", "Options", *_option_lines(), "", EXAMPLES, "", "More: --cfg job prints the configuration; -m sweeps."]
    return "\n".join(lines)


def _spell(value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


def _option_lines() -> list[str]:
    """Top-level options with their comments, read from conf/config.yaml itself."""
    from importlib.resources import files

    text = (files("tebench.conf") / "config.yaml").read_text(encoding="utf-8")
    lines = []
    for line in text.splitlines():
        if line and not line[0].isspace() and line[0] != "#" and not line.startswith(("defaults", "hydra")):
            setting, _, comment = line.partition(" #")
            lines.append(f"  {setting.strip().replace(': ', '=', 1):<52}{comment}".rstrip())
    return lines
