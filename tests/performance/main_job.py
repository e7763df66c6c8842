"""Wall and CPU time of the main job, cold (assets, features, scores) and warm, in a cache of its own.

Run by hand: `python tests/performance/main_job.py`. Writes docs/performance/main_job.md.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def measure(cache: str, out: str) -> tuple[float, float]:
    """(wall, CPU) seconds of one run with everything it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "tebench", "metric=grtd_lbtc", f"output={out}", "progress=false"]
    subprocess.run(command, check=True, env={**os.environ, "TEBENCH_CACHE": cache}, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [(name, *measure(f"{folder}/cache", f"{folder}/out")) for name in ("cold", "warm", "warm again")]
    lines = [
        "# The main job: `python -m tebench metric=grtd_lbtc`", "",
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; "
        "written by `python tests/performance/main_job.py`.", "",
        "| run | wall s | CPU s |", "|---|---:|---:|",
        *(f"| {name} | {wall:.1f} | {cpu:.1f} |" for name, wall, cpu in rows),
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    (ROOT / "docs" / "performance").mkdir(parents=True, exist_ok=True)
    (ROOT / "docs" / "performance" / "main_job.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
