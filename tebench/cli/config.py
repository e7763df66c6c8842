"""From dataclasses and metrics to Hydra's options, and from what Hydra composed to checked settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tebench.base.errors import InputError
from tebench.benchmark.options import build, defaults
from tebench.benchmark.settings import ALL, PROPOSED, SEVERAL, Settings, Shared
from tebench.cli import jobs
from tebench.metrics.registry import Metric, load


def store() -> None:
    """Register the shared options, every job and every metric with Hydra.

    Plain values, no typed nodes: a wrong value is refused by `build` and the metric, in their words instead of Hydra's.
    """
    from hydra.core.config_store import ConfigStore

    known = ConfigStore.instance()
    known.store(name="shared", node=defaults(Shared))
    for name in jobs.names():
        known.store(group="job", name=name, node={"name": name, **defaults(jobs.options_of(name))})
    for metric in load().values():
        known.store(group="metric", name=metric.name, node=_metric_node(metric))
    for name in (ALL, SEVERAL):
        known.store(group="metric", name=name, node={"name": name, "names": [], "options": {}})
    known.store(group="metric", name=PROPOSED, node={"name": PROPOSED})


def _metric_node(metric: Metric) -> dict[str, Any]:
    """A value that is not stated is the preset's, of the metric or of a part of it, else the default.

    As an interpolation, so that a stated value replaces it, also one that equals the default. A seed is the run's.
    """
    node: dict[str, Any] = {"name": metric.name}
    for name, parameter in metric.parameters.items():
        value = _literal(parameter.default)
        for owner in (*metric.parts.values(), metric.name):
            if name in load()[owner].parameters:
                value = f"${{oc.select:preset.metrics.{owner}.{name},{value}}}"
        node[name] = None if name == "seed" else value if value.startswith("$") else parameter.default
    return node


def _literal(value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def checked(composed: Mapping) -> tuple[Settings, Any]:
    """(settings, options of the job) from the whole composed configuration, resolved to plain values.

    Raises InputError that names the first option that is wrong.
    """
    from tebench.cli.question import output_folder

    job = dict(composed["job"])
    name = job.pop("name")
    settings = Settings.of(composed)
    options = build(jobs.options_of(name), job, f"option of job {name}")
    if settings.output is None:
        settings = replace(settings, output=output_folder(settings, options))
    return settings, options


def plain(config) -> dict:
    """Hydra's configuration as plain values, interpolations resolved."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(f"configuration: {error}") from error


def compose(*arguments: str) -> tuple[str, Settings, Any]:
    """(job, settings, options) that a command line gives: `compose("rank", "dataset=FOLDER")`."""
    import hydra

    from tebench.cli.options import prepare

    ready = [argument for argument in prepare(list(arguments)) if not argument.startswith("-")]
    store()
    with hydra.initialize_config_module("tebench.conf", version_base="1.3"):
        composed = plain(hydra.compose("config", overrides=ready))
    return composed["job"]["name"], *checked(composed)
