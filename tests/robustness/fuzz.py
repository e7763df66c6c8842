"""Fuzzing of every reader: structure-aware random inputs, and atheris (coverage-guided) where it is installed. By hand.

    python tests/robustness/fuzz.py [--inputs 1000] [--guided 2000] [READER ...]

Each reader runs in a process of its own with a limit on memory (2 GiB above what it began with) and on time (20 s an
input). A defect is any end but "taken" or an error of tebench; its input is kept below /tmp and named. Writes
docs/robustness/fuzzing.md; readers that are not named keep their last figures (fuzzing.json).
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
OUT = HERE.parent.parent / "docs" / "robustness"
SPARE, SECONDS = 2 * 2**30, 20
FOUND = Path(tempfile.gettempdir()) / "tebench-fuzz-found"


class HangError(BaseException):
    pass


def _alarm(*_):
    raise HangError(f"an input took more than {SECONDS} s")


def _limits() -> None:
    import logging

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (pages + SPARE, pages + SPARE))
    signal.signal(signal.SIGALRM, _alarm)


def random_inputs(name: str, count: int) -> dict:
    """The figures of one reader. Runs in a process of its own."""
    import fuzz_readers as fuzz

    one, rng = fuzz.READERS[name], random.Random(f"fuzz {name}")
    with tempfile.TemporaryDirectory(prefix="tebench-fuzz-") as folder:
        folder = Path(folder)
        sound = one.sound(folder / "sound")
        taken = sum(fuzz.attempt(one, data, folder) == "taken" for data in sound if data)
        _limits()
        tally = {"taken": 0, "refused": 0, "defects": [], "slowest": 0.0, "sound examples taken": taken}
        for _ in range(count):
            data = fuzz.spoil(rng, sound, one.kind)
            begin = time.process_time()
            try:
                signal.alarm(SECONDS * 20)  # of the clock on the wall; a loaded machine is slow
                tally[fuzz.attempt(one, data, folder)] += 1
            except (Exception, HangError) as error:
                signal.alarm(0)
                last = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__}: {str(error)[:150]}"
                tally["defects"].append([what, f"{last.filename}:{last.lineno}", _keep(name, data)])
            finally:
                signal.alarm(0)
            tally["slowest"] = max(tally["slowest"], time.process_time() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally | {"inputs": count, "peak MB": round(peak), "slowest": round(tally["slowest"], 2)}


def _keep(name: str, data: bytes) -> str:
    from tebench.base.storage import sha256_bytes

    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{''.join(c if c.isalnum() else '_' for c in name)}-{sha256_bytes(data)[:12]}"
    path.write_bytes(data)
    return str(path)


def guided(name: str, count: int) -> None:
    """The same reader under atheris: its inputs grow towards new branches of tebench's code. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tebench"]):
        import fuzz_readers as fuzz

        one = fuzz.READERS[name]
        folder = Path(tempfile.mkdtemp(prefix="tebench-fuzz-"))
        sound = [data for data in one.sound(folder / "sound") if data]
        for data in sound:
            fuzz.attempt(one, data, folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for index, data in enumerate(sound):
        (corpus / str(index)).write_bytes(data)
    _limits()

    def spoiled(data, most, seed):
        rng = random.Random(seed)
        made = fuzz.spoil(rng, [*sound, data], one.kind) if rng.random() < 0.5 and data else atheris.Mutate(data, most)
        return made[:most]

    def safely(data, most, seed):
        try:
            return spoiled(data, most, seed)
        except (ValueError, RecursionError, IndexError):  # `data` is no JSON any more
            return atheris.Mutate(data, most)

    atheris.Setup(
        [sys.argv[0], f"-runs={count}", f"-timeout={SECONDS * 20}", "-rss_limit_mb=3000", "-max_len=200000",
         "-verbosity=1", f"-artifact_prefix={FOUND}/", str(corpus)],
        lambda data: fuzz.attempt(one, data, folder), custom_mutator=safely,
    )  # fmt: skip
    FOUND.mkdir(exist_ok=True)
    atheris.Fuzz()


def page(figures: dict) -> str:
    lines = [
        "# Fuzzing of the readers", "",
        "Made by `python tests/robustness/fuzz.py`; not edited by hand. Every reader of files that may come",
        "from anyone gets sound files that were altered in structure (values of JSON, headers, cells of a table) or in",
        "bytes. It may take an input or refuse it with an error of tebench; anything else is a defect: another",
        f"exception, more than 2 GiB of memory above the start, more than {SECONDS} s. `guided`: runs of atheris,",
        "which steers inputs towards new branches. Defects that were found and mended stand as tests in",
        "`tests/robustness/test_fuzzed_readers.py` and `tests/tasks/test_metaimage.py`.", "",
        "| reader | inputs | taken | refused | defects | guided | guided defects | slowest, CPU s | peak MB |",
        "|" + " --- |" * 9,
    ]  # fmt: skip
    total = [0, 0, 0]
    for name, row in sorted(figures.items()):
        own = [row.get(key, 0) for key in ("inputs", "taken", "refused")]
        guide = row.get("guided", {})
        lines.append(
            f"| {name} | {own[0]} | {own[1]} | {own[2]} | {len(row.get('defects', []))} | {guide.get('runs', 0)} | "
            f"{len(guide.get('defects', []))} | {row.get('slowest', '')} | {row.get('peak MB', '')} |"
        )
        total[0] += own[0]
        total[1] += guide.get("runs", 0)
        total[2] += len(row.get("defects", [])) + len(guide.get("defects", []))
    lines += ["", f"In all {total[0]} random and {total[1]} guided inputs, {total[2]} defects left.", ""]
    for name, row in sorted(figures.items()):
        for what in {f"{one[0]} ({Path(one[1]).name})" for one in row.get("defects", [])}:
            lines.append(f"* {name}: `{what}`")
    return "\n".join(lines) + "\n"


def _child(arguments: list[str], seconds: int):
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--guided", type=int, default=2000)
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--atheris", action="store_true")
    asked = parser.parse_args()
    if asked.atheris:
        guided(asked.readers[0], asked.guided)
    if asked.one:
        print("RESULT " + json.dumps(random_inputs(asked.readers[0], asked.inputs)))
        return
    import fuzz_readers as fuzz

    OUT.mkdir(exist_ok=True)
    kept = OUT / "fuzzing.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in asked.readers or fuzz.READERS:
        row = figures.get(name, {})
        if asked.inputs:
            done = _child(["--one", name, "--inputs", str(asked.inputs)], 7200)
            lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
            died = [f"the process ended with {done.returncode}: {done.stderr[-300:]}", "", ""]
            row = (json.loads(lines[0]) if lines else {"inputs": 0, "defects": [died]}) | {
                "guided": row.get("guided", {})
            }
        if asked.guided:
            done = _child(["--atheris", name, "--guided", str(asked.guided)], 7200)
            runs = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("Done ")]
            defects = [] if runs else [done.stderr[-1500:]]
            row["guided"] = {"runs": int(runs[0]) if runs else 0, "defects": defects}
        figures[name] = row
        kept.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (OUT / "fuzzing.md").write_text(page(figures), encoding="utf-8")
        seen = {f"{one[0]} {one[1]}": one[2] for one in row["defects"]}
        print(name, row.get("inputs"), "inputs,", len(row["defects"]), "defects;", row["guided"], flush=True)
        for what, where in seen.items():
            print("   ", what, where, flush=True)


if __name__ == "__main__":
    main()
