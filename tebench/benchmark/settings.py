"""What one run is asked to do, composed and checked once: shared options, benchmark, metrics, sampling, protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.options import build, option
from tebench.metrics import presets
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import Metric, load

# Values of `metric=` that are no metric: a list, every registered one, and what the job itself proposes.
SEVERAL, ALL, PROPOSED = "several", "all", "proposed"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Options of several jobs; each job names those that it reads."""

    encoders: tuple[str, ...] | None = option(
        None, "narrow the pool: encoders=[deepbet,deepbrain], or checkpoint files and folders of your own"
    )
    leaked: Literal["keep", "drop"] = option(
        "keep", "drop: encoders that saw a test image of one of the tasks (docs/leakage.md) leave the pool"
    )
    tasks: tuple[str, ...] | None = option(None, "narrow the tasks: tasks=[lungs]")
    stages: str | None = option(
        None,
        "read other stages than the metrics' own policy: stages=encoder[-1], decoder[-2:], all, or joint (all encoder "
        "stages side by side)",
    )
    seed: Annotated[int, Interval(0)] = option(0, "sampling draw, random decoder and every other random choice")
    decoder_draws: Annotated[int, Interval(1)] = option(
        1, "random decoders over which metrics that read decoder stages are averaged; each reads every encoder anew"
    )
    retry: bool = option(
        False, "true: repeat what is recorded as failed; a disk, memory or download error is always repeated", how=True
    )
    output: str | None = option(
        None, "folder of tables and figures; null: outputs/BENCHMARK/METRIC-and-what-differs", how=True
    )
    # How and where a run computes, not what: every job takes these.
    plugins: tuple[str, ...] = option(
        (), "Python files that register metrics of your own: plugins=my_metric.py", empty=True, how=True
    )
    workers: Annotated[int, Interval(1)] = option(2, "worker processes, one torch thread each", how=True)
    device: str = option("cpu", "cpu, cuda or cuda:N", how=True)
    cache: str | None = option(
        None, "folder of features, scores and tasks; null: $TEBENCH_CACHE or the platform's cache folder", how=True
    )
    offline: bool = option(
        False, "true: only job=assets uses the network; a missing package stops with its command", how=True
    )
    progress: bool = option(True, "progress bars", how=True)
    verbose: bool = option(False, "true: log what is fetched, reused and rebuilt", how=True)

    def __post_init__(self):
        if self.stages is not None:
            from tebench.metrics.evaluate_one import check_policy

            check_policy(self.stages)
        if self.device.split(":")[0] not in ("cpu", "cuda"):
            raise InputError(f"device must be cpu, cuda or cuda:N, got {self.device!r}.")
        if self.device != "cpu":
            import torch

            if not torch.cuda.is_available():
                raise InputError(
                    f"device={self.device}: this machine or this build of torch has no CUDA. Use device=cpu."
                )


EVERY_JOB = ("plugins", "workers", "device", "cache", "offline", "progress", "verbose")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A file of conf/benchmark. A benchmark that ships nothing lists encoders and datasets with where to get them."""

    name: str
    title: str = ""
    tasks: tuple[str, ...]
    pool: str = ""
    window: tuple[int, int, int] | None = None
    ground_truth: str = ""
    protocol: str | None = None
    part_of: str | None = None
    data: str | None = None
    checkpoints: str | None = None
    max_cases: int | None = None
    windows: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, Mapping] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Mapping) -> Benchmark:
        """From the composed mapping; shapes are checked here, names by `tebench.benchmark.spec`."""
        known = {one.name for one in dataclasses.fields(cls)}
        for key in node:
            if key not in known:
                raise unknown_name(f"option of benchmark {node.get('name')}", key, known)
        tasks = [node["tasks"]] if isinstance(node.get("tasks"), str) else node.get("tasks")
        if not isinstance(tasks, list | tuple) or not tasks or not all(isinstance(task, str) for task in tasks):
            raise InputError(f"benchmark.tasks must be a list of at least one name, got {tasks!r}.")
        windows = {task: _window(one, f"benchmark.windows.{task}") for task, one in (node.get("windows") or {}).items()}
        most = node.get("max_cases")
        if most is not None and (type(most) is not int or most < 1):
            raise InputError(f"benchmark.max_cases must be a whole number >= 1 or null, got {most!r}.")
        window = _window(node.get("window"), "benchmark.window")
        return cls(**{**node, "tasks": tuple(tasks), "window": window, "windows": windows})


def _window(given, name: str) -> tuple[int, int, int] | None:
    if given is None:
        return None
    if isinstance(given, list | tuple) and len(given) == 3 and all(type(size) is int and size > 0 for size in given):
        return tuple(given)
    raise InputError(f"{name} must be three whole numbers such as [96,128,96], or null, got {given!r}.")


class Requested(NamedTuple):
    """A metric with all its parameters, but a `seed` that was not stated."""

    metric: Metric
    parameters: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings(Shared):
    """Shared options and the chosen file of every group. metrics: None where the job proposes them."""

    benchmark: Benchmark
    metrics: tuple[Requested, ...] | None
    sampling: Mapping[str, Any]
    protocol: Mapping[str, Any]
    preset_name: str
    preset: Mapping[str, dict]

    @classmethod
    def of(cls, composed: Mapping) -> Settings:
        """From the whole composed configuration, without its job."""
        given = {key: composed[key] for key in (one.name for one in dataclasses.fields(Shared))}
        preset = presets.checked(composed["preset"])
        return build(
            cls, given, benchmark=Benchmark.of(composed["benchmark"]), metrics=requested(composed["metric"], preset),
            sampling=composed["sampling"], protocol=composed["protocol"], preset_name=composed["preset"]["name"],
            preset=preset,
        )  # fmt: skip

    def completed(self, metric: Metric) -> Requested:
        """A metric that was not chosen on the command line, at its defaults under the preset."""
        return Requested(metric, presets.completed(metric, {}, self.preset))

    def record(self, job: Mapping[str, Any]) -> dict:
        """All of it as plain values, for the JSON beside a result."""
        chosen = None if self.metrics is None else {metric.name: given for metric, given in self.metrics}
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(Shared)}
        return {
            "job": dict(job), "benchmark": dataclasses.asdict(self.benchmark), "metric": chosen,
            "sampling": dict(self.sampling), "protocol": dict(self.protocol),
            "preset": {"name": self.preset_name, "metrics": dict(self.preset)}, **plain,
        }  # fmt: skip


def requested(node: Mapping, preset: Mapping[str, dict]) -> tuple[Requested, ...] | None:
    """The metrics that the composed `metric` node asks for; the preset lies between defaults and what is stated.

    The node of one metric takes a value that is not stated from the preset itself, by interpolation, so that all of it
    counts as stated; `metric.options` of several holds what the user wrote.
    """
    known, node = load(), dict(node)
    name = node.pop("name")
    if name == PROPOSED:
        return None
    if name not in (ALL, SEVERAL):
        if name not in known:
            raise unknown_metric(name, known)
        stated = {key: value for key, value in node.items() if key != "seed" or value is not None}
        return (Requested(known[name], presets.completed(known[name], stated, preset)),)
    names, options = node["names"] or list(known), node["options"]
    for other in names:
        if other not in known:
            raise unknown_metric(other, known)
    for other, given in options.items():
        if other not in names:
            raise unknown_name("metric in metric.options", other, names)
        if not isinstance(given, Mapping):
            raise InputError(f"metric.options.{other} must be a mapping of options, got {given!r}.")
    return tuple(Requested(known[n], presets.completed(known[n], dict(options.get(n, {})), preset)) for n in names)


def unknown_metric(name: str, known) -> InputError:
    """The error for a metric that is not registered: perhaps its file was not named."""
    from tebench.metrics.registry import plugins_loaded

    hint = "" if plugins_loaded() else f" A metric of your own needs its file: metric={name} plugins=FILE.py."
    return type(error := unknown_name("metric", name, known))(f"{error}{hint}")
