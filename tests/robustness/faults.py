"""Faults: killed, doubled, starved and damaged runs, each followed by a rerun. By hand; needs root for the small disks.

    python tests/robustness/faults.py [kills] [commands] [processes] [disks] [flips] [weights] [clocks]

Writes docs/robustness/faults.md from the parts that were run; a part that is not named keeps its last figures
(docs/robustness/faults.json). All worlds are tiny: what is tried is the handling of files, not the arithmetic.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import fault_commands  # noqa: E402
import fault_flips  # noqa: E402
import fault_rooms as rooms  # noqa: E402

OUT = HERE.parent.parent / "docs" / "robustness"
KILLS, CUTS, COMMANDS = 20, 5, 8


def kills(folder, calm, outcomes) -> list[dict]:
    table = []
    for name, room in rooms.ROOMS.items():
        tries = rooms.moments_of_kill(name, KILLS, outcomes[name])
        sizes = [path.stat().st_size for path in (calm[name] / "cache").rglob("*") if path.is_file()]
        rng = random.Random(f"cuts of {name}")
        tries += [{"cut_at": rng.randrange(1, sorted(sizes)[-3])} for _ in range(CUTS)]
        results = []
        for index, how in enumerate(tries):
            results.append(rooms.kill_and_rerun(room, folder / f"kill-{name}-{index}", calm, **how))
            shutil.rmtree(folder / f"kill-{name}-{index}")
        table.append(
            {
                "room": name,
                "kill -9 at a change of the disk": sum("kill_at" in how for how in tries),
                "kill -9 at a time": sum("kill_after" in how for how in tries),
                "ended inside a write": sum("cut_at" in how for how in tries),
                "died": sum(result["first"] == "killed" for result in results),
                "reruns that failed": sum(result["second"] != "done" for result in results),
                "results kept": sum(result["kept"] for result in results),
                "kept results written again": sum(len(result["lost"]) for result in results),
                "files that differ": sum(len(result["differ"]) for result in results),
                "left behind": sum(len(result["left"]) for result in results),
                "problems": [r for r in results if r["second"] != "done" or r["lost"] or r["differ"] or r["left"]],
            }
        )
    return table


def commands(folder, *_) -> list[dict]:
    return fault_commands.campaign(folder / "commands", COMMANDS)


def weights(folder, calm, _) -> list[dict]:
    return fault_flips.campaign(folder, calm)


def processes(folder, calm, _) -> list[dict]:
    table = []
    for name, room in rooms.ROOMS.items():
        for count in (2, 8):
            place = rooms.start_of(room, folder / f"many-{name}-{count}", calm)
            children = [rooms.Child(room.work, place) for _ in range(count)]
            ended = [child.finish() for child in children]
            here, there = rooms.content(place), rooms.content(calm[name])
            table.append(
                {
                    "room": name, "processes": count, "done": sum(one.status == "done" for one in ended),
                    "files that differ": sum(here.get(n) != there.get(n) for n in {*here, *there}),
                    "left behind": len(rooms.leftovers(place)),
                    "problems": [one.said for one in ended if one.status != "done"],
                }
            )  # fmt: skip
    return table


def disks(folder, calm, _) -> list[dict]:
    """A tmpfs of several sizes, then the same one enlarged; and one made read-only half way, then writable again."""
    table = []
    for name, room in rooms.ROOMS.items():
        ample = folder / f"disk-{name}-ample"
        _mounted(ample, 256 * 1024)
        try:
            place = _fill(room, ample, calm)
            begun = _used(ample)
            assert rooms.run(room, place).status == "done"
            needed = _used(ample) - begun
        finally:
            subprocess.run(["umount", "-l", str(ample)], check=True)
        row = Counter()
        problems = []
        for share in (0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9):
            disk = folder / f"disk-{name}-{share}"
            _mounted(disk, max(8, begun + round(share * needed)))  # size=0 would mean no limit
            try:
                place = _fill(room, disk, calm)
                first = rooms.run(room, place)
                subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
                _settle("full", row, problems, room, place, first, calm)
            finally:
                subprocess.run(["umount", "-l", str(disk)], check=True)
        for kill in (3, 30):
            disk = folder / f"readonly-{name}-{kill}"
            _mounted(disk, 256 * 1024)
            try:
                place = _fill(room, disk, calm)
                rooms.run(room, place, kill_at=kill)
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
                first = rooms.run(room, place)
                subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
                _settle("read-only", row, problems, room, place, first, calm)
            finally:
                subprocess.run(["umount", "-l", str(disk)], check=True)
        table.append({"room": name, **row, "problems": problems})
    return table


def _mounted(disk, kilobytes):
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)], check=True)


def _used(disk) -> int:
    """Kilobytes."""
    held = os.statvfs(disk)
    return (held.f_blocks - held.f_bfree) * held.f_frsize // 1024


def _fill(room, disk, calm):
    place = disk / "world"
    try:
        return rooms.start_of(room, place, calm)
    except shutil.Error as error:
        raise SystemExit(f"{disk} is too small for what {room.name} starts from: {error}") from error


def _settle(kind, row, problems, room, place, first, calm):
    again = rooms.run(room, place)
    here, there = rooms.content(place), rooms.content(calm[room.name])
    differ = [n for n in {*here, *there} if here.get(n) != there.get(n)]
    row[f"{kind}: runs"] += 1
    row[f"{kind}: stopped with a clear error"] += first.status == "error"
    row[f"{kind}: went through"] += first.status == "done"
    row[f"{kind}: resumed to the same bytes"] += again.status == "done" and not differ
    row[f"{kind}: left behind"] += len(rooms.leftovers(place))
    if first.status == "crash" or again.status != "done" or differ:
        problems.append([kind, first.status, first.said[-1500:], again.status, again.said[-1500:], differ])


def flips(folder, calm, _) -> list[dict]:
    """One byte of one file altered; the rerun must name the file, or end in the same bytes without needing it."""
    table = []
    for name, room in rooms.ROOMS.items():
        kinds, problems = {}, []
        files = [path for path in sorted((calm[name] / "cache").rglob("*")) if path.is_file()]
        files = [path for path in files if path.suffix not in (".lock", ".csv")]
        for number, original in enumerate(files):
            rng = random.Random(f"flip {name} {number}")
            place = folder / f"flip-{name}-{number}"
            shutil.copytree(calm[name], place)
            path = place / original.relative_to(calm[name])
            data = bytearray(path.read_bytes())
            at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
            data[at] ^= bit
            path.write_bytes(data)
            if path.name.startswith("moments-"):  # read only where a cell that needs them is lacking
                for cell in path.parent.glob("*.json"):
                    cell.unlink()
            again = rooms.run(room, place)
            here, there = rooms.content(place), rooms.content(calm[name])
            same = again.status == "done" and {n: here.get(n) for n in there} == there
            kind = path.name if path.name.split(".")[0] in ("features", "sample", "manifest") else (
                "moments" if path.name.startswith("moments-") else path.parts[path.parts.index("cache") + 1]
            )  # fmt: skip
            row = kinds.setdefault(kind, Counter())
            row["flips"] += 1
            named = str(path) in again.said or str(path.parent) in again.said
            row["named"] += named
            row["rebuilt to the same bytes"] += same
            if not (same and named):
                problems.append([str(path.relative_to(place)), at, bit, again.status, again.said[-600:]])
            shutil.rmtree(place)
        table += [{"room": name, "file": kind, **row, "problems": []} for kind, row in sorted(kinds.items())]
        table[-1]["problems"] = problems
    return table


def clocks(folder, calm, _) -> list[dict]:
    """Other times of files, a clock that jumps, and other locales, time zones and hash seeds."""
    table = []

    def compare(what, name, place, status, said=""):
        here, there = rooms.content(place), rooms.content(calm[name])
        differ = [n for n in {*here, *there} if here.get(n) != there.get(n)]
        left = rooms.leftovers(place)
        table.append({"what": what, "room": name, "status": status, "files that differ": len(differ),
                      "left behind": len(left),
                      "problems": [said[-800:], differ] if differ or status != "done" else []})  # fmt: skip

    for name, room in rooms.ROOMS.items():
        for what, moment in (("files of 1980, half a run", 315532800), ("files of 2090, half a run", 3786912000)):
            place = rooms.start_of(room, folder / f"{what[:13]}-{name}", calm)
            rooms.run(room, place, kill_at=60)
            for path in place.rglob("*"):
                os.utime(path, (moment, moment))
            ended = rooms.run(room, place)
            compare(what, name, place, ended.status, ended.said)
        place = rooms.start_of(room, folder / f"jumps-{name}", calm)
        ended = rooms.run(room, place, setup=_jumping_clock)
        compare("a clock that jumps by days, back and forth", name, place, ended.status, ended.said)
    for what, changes in (
        ("LC_ALL=C without UTF-8 mode, TZ=Pacific/Kiritimati", {"LC_ALL": "C", "TZ": "Pacific/Kiritimati"}),
        ("LC_ALL=POSIX, TZ=America/St_Johns", {"LC_ALL": "POSIX", "TZ": "America/St_Johns"}),
    ):
        strict = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": str(len(what))}
        place = folder / f"locale-{changes['LC_ALL']}"
        done = subprocess.run([sys.executable, __file__, "--calm", str(place)], env={**os.environ, **strict, **changes},
                              capture_output=True, text=True, check=False)  # fmt: skip
        for name in rooms.ROOMS:
            compare(what, name, place / f"calm-{name}", "done" if done.returncode == 0 else "crash", done.stderr)
    return table


def _jumping_clock():
    jump = random.Random("clock")
    true = time.time
    time.time = lambda: true() + jump.uniform(-10, 10) * 86400


PARTS = {
    "kills": (kills, "Killed runs", """
Each run is killed, then run again to the end and compared with an undisturbed one.
A kill at a change of the disk comes just before a seeded one of its file operations (open for writing, rename, remove,
make folder); a kill at a time after a seeded share of its CPU time. A run that ended inside a write was stopped by the
system half way through a file. `kept results written again` counts finished features, cells and rows that the rerun
made anew. Times and memory inside the files are left out of the comparison."""),
    "commands": (commands, "Killed command lines", """
`python -m tebench ...` with two worker processes, on real encoders and one real task, with tiny sampling and a tiny
protocol; kill -9 of the process that was started, or (half of the times) of all its processes at once; then the
same command again. Half of the kills at a seeded share of its CPU time, half once so many files stand in the cache.
`workers left behind`: processes that still run two minutes after the kill; `ended before`: the run was faster."""),
    "processes": (processes, "Several processes on one cache", "All are started at once on the same empty cache."),
    "disks": (disks, "Full and read-only disks", """
A tmpfs that holds what the room starts from and 2 % to 90 % of what it
writes, then enlarged; and a tmpfs made read-only after a killed run, then writable. `went through`: the disk sufficed,
or nothing had to be written. Resumed: by a plain rerun, without `retry=true`."""),
    "flips": (flips, "One flipped bit", """
In every file of a finished cache, one at a time, then a rerun. Moments are read
where a cell lacks, so there the cells are removed too."""),
    "weights": (weights, "One flipped bit in weight files, and in what killed runs leave", """
One random bit at a time. Refused: by an error. Another encoder: a file of which nobody stated a hash, and that carries
none, is read under another fingerprint, so that nothing computed before is mixed with it; extraction warns where there
are features of the same name (in an archive these are bits of padding or of fields that nothing checks). Without
meaning: blanks, and words that nothing reads."""),
    "clocks": (clocks, "Clocks, locales and time zones", "Results are compared with those of an undisturbed run."),
}  # fmt: skip


def page(figures: dict) -> str:
    lines = [
        "# Faults", "",
        "Made by `python tests/robustness/faults.py`; not edited by hand. Three rooms of a tiny world (three cases,",
        "two or three tiny encoders): extraction, scoring (five metrics and their moments), fine-tuning.", "",
    ]  # fmt: skip
    for name, (_, title, note) in PARTS.items():
        if name not in figures:
            continue
        table = figures[name]["rows"]
        first = [key for key in ("what", "command", "room", "file", "processes") if key in table[0]]
        columns = list(dict.fromkeys([*first, *(key for row in table for key in row if key != "problems")]))
        lines += [f"## {title}", note.strip(), "", f"Run on {figures[name]['when']}.", ""]
        lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        lines += ["| " + " | ".join(str(row.get(column, 0)) for column in columns) + " |" for row in table]
        problems = [f"* {row.get('room', '')}: `{json.dumps(p)[:400]}`" for row in table for p in row["problems"]]
        lines += ["", "Problems:" if problems else "No problem was met.", *problems, ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    rooms.install(setattr)
    if arguments[:1] == ["--calm"]:
        rooms.calm_runs(Path(arguments[1]))
        return
    chosen = arguments or list(PARTS)
    OUT.mkdir(exist_ok=True)
    kept = OUT / "faults.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    folder = Path(tempfile.mkdtemp(prefix="tebench-faults-"))
    try:
        calm, outcomes = rooms.calm_runs(folder)
        for name in chosen:
            rows = PARTS[name][0](folder, calm, outcomes)
            figures[name] = {"when": time.strftime("%Y-%m-%d"), "rows": rows}
            plain = json.loads(json.dumps(figures).replace(str(folder), "FOLDER"))
            kept.write_text(json.dumps(plain, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            (OUT / "faults.md").write_text(page(plain), encoding="utf-8")
            bad = sum(bool(row["problems"]) for row in rows)
            print(f"{name}: {len(rows)} rows, {bad} with problems", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
