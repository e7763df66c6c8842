"""`tebench --help` and `tebench JOB --help`, from the jobs' own words; no heavy import."""

from __future__ import annotations

from tebench.benchmark.conf import chosen_by_default, group_options
from tebench.benchmark.options import help_lines, spelled
from tebench.benchmark.settings import EVERY_JOB, PROPOSED, Shared
from tebench.cli import jobs
from tebench.metrics.registry import load

EXAMPLES = """\
Examples
  python -m tebench                                       GRTD + LBTC at a first look (benchmark=quick)
  python -m tebench benchmark=starter metric=all          every metric, 21 encoders, seven tasks
  python -m tebench metric=[grtd_lbtc,logme] tasks=lungs
  python -m tebench metric=[gbc,etran] preset=paper       with the settings of their papers
  python -m tebench metric=logme metric.max_iter=50 stages=encoder[-2:]
  python -m tebench rank dataset=DIR encoders=DIR minutes=10   own data, own checkpoints, no ground truth
  python -m tebench metric=mine plugins=mine.py           a metric of your own (see CONTRIBUTING.md)
  python -m tebench explain encoder=deepbet task=lungs    a job's name as first word is job=NAME
  python -m tebench -m metric=lbtc metric.size=8,16 seed=0,1   a sweep, one run each, one table at its end
  eval "$(tebench -sc install=bash)"                      tab completion (bash, zsh, fish)"""


def of(arguments: list[str]) -> str:
    """Help of the job that the arguments name, else of everything."""
    known = jobs.names()
    for word in arguments:
        name = word.removeprefix("job=")
        if name in known:
            return of_job(name)
        if word.startswith("job=") or not ("=" in word or word.startswith("-")):
            from tebench.base.errors import unknown_name

            raise unknown_name("job", name, known)
    return of_everything()


def of_everything() -> str:
    """Jobs, metrics, benchmarks, options, examples."""
    lines = [
        "tebench: which pre-trained encoder will fine-tune best on a 3D medical segmentation task,",
        "and how far each metric that claims to know can be trusted.",
        "",
        "Usage  python -m tebench [JOB] [benchmark=NAME] [metric=NAME|A,B|all] [option=value ...]",
        "",
        "Jobs (tebench JOB --help: its options and examples; without one: job=score)",
        *(f"  {name:<12} {jobs.summary(name)}" for name in jobs.names()),
        "",
        "Benchmarks",
        *(f"  benchmark={name:<10} {text}" for name, text in group_options("benchmark").items()),
        "",
        "Presets (settings of metrics, between their defaults and metric.OPTION=value)",
        *(f"  preset={name:<13} {text}" for name, text in group_options("preset").items()),
        "",
        *_metrics(),
        "",
        "Options",
        *help_lines(Shared),
        "",
        EXAMPLES,
        "",
        "More: --cfg job prints the configuration; -m sweeps.",
    ]
    return "\n".join(lines)


def of_job(name: str) -> str:
    """One job: what it does, examples, its own options, the shared ones that it reads."""
    options, reads = jobs.options_of(name), jobs.reads(name)
    usual = {**chosen_by_default(), **getattr(options, "USUAL", {})}
    lines = [f"tebench {name}: {jobs.summary(name)}", "", "Examples", *(f"  {one}" for one in jobs.examples(name))]
    if own := help_lines(options):
        lines += ["", "Options of this job", *own]
    groups = [group for group in ("benchmark", "sampling", "protocol", "preset") if group in reads]
    shared = help_lines(Shared, [key for key in reads if key not in EVERY_JOB])
    if groups or shared or "metric" in reads:
        lines += ["", "Options that it shares with other jobs", *shared]
        if "metric" in reads:
            chosen = "null" if usual["metric"] == PROPOSED else usual["metric"]
            lines.append(
                f"  {f'metric={chosen}':<34} NAME, A,B or all; metric.OPTION=value (tebench --help lists them)"
            )
        for group in groups:
            named = ", ".join(group_options(group))
            lines.append(f"  {f'{group}={usual[group]}':<34} out of {named}")
    lines += ["", "Options of every job", *help_lines(Shared, EVERY_JOB)]
    return "\n".join(lines)


def _metrics() -> list[str]:
    lines = ["Metrics (up: higher is better; options are set as metric.OPTION=value)"]
    for name, metric in load().items():
        options = ", ".join(f"{p.name}={spelled(p.default)}" for p in metric.parameters.values())
        lines.append(f"  {name:<20} {metric.direction:<5} {metric.title}" + (f"  [{options}]" if options else ""))
    return lines
