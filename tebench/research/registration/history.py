"""The proof that a registration came first: git's order of commits.

Refused: a registration that changed after the commit that added it; a ground-truth row of a registered pair in any
commit that does not come after that commit; a registration without a commit whose ground truth exists.
"""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

from tebench.base.errors import InputError
from tebench.research.registration.record import Registration


def problems(path: Path, found: Registration, truths: Path) -> list[str]:
    """What speaks against the registration at `path`, in words; none where it is sound.

    truths: the folder of ground-truth files, all of whose rows count.
    Raises InputError where the order cannot be seen: no git repository, or a shallow copy of its history.
    """
    git = _Git(path)
    added = [git.added(file) for file in (path, path.with_suffix(".csv"))]
    if None in added:
        covered = [row for file in sorted(truths.glob("*.csv")) for row in _rows(file.read_text(encoding="utf-8"))]
        hit = [row for row in covered if found.covers(*row)]
        reasons = [f"it is not committed, and ground truth exists for {_named(hit)}"] if hit else []
        return reasons or ["it is not committed: commit it before the first run of its pairs"]
    reasons = []
    for file, commit in zip((path, path.with_suffix(".csv")), added, strict=True):
        if file.read_bytes() != git.content(commit, file):
            reasons.append(f"{file.name} is not what commit {commit[:12]} registered")
        later = [other for other in git.touching(file) if git.content(other, file) != git.content(commit, file)]
        if later:
            reasons.append(f"{file.name} was changed by commit {later[-1][:12]} after {commit[:12]} registered it")
    early: dict[tuple, str] = {}
    for commit in git.touching(truths):
        if git.comes_after(commit, added):
            continue
        for name in git.files(commit, truths):
            text = (git.content(commit, git.root / name) or b"").decode("utf-8")
            early.update(dict.fromkeys(filter(lambda row: found.covers(*row), _rows(text)), commit))
    if early:
        commits = sorted({commit[:12] for commit in early.values()})
        reasons.append(f"ground truth of {_named(sorted(early))} is in commit {', '.join(commits[:3])}, not after it")
    return reasons


def _rows(text: str) -> set[tuple[str, str, str]]:
    """(protocol, task, encoder) of the rows of a ground-truth file; none of a file with other columns."""
    reader = csv.DictReader(io.StringIO(text))
    if not {"protocol", "task", "encoder"} <= set(reader.fieldnames or ()):
        return set()
    return {(row["protocol"], row["task"], row["encoder"]) for row in reader}


def _named(rows) -> str:
    rows = sorted(rows)
    shown = ", ".join(" / ".join(row) for row in rows[:3])
    return shown if len(rows) <= 3 else f"{shown} and {len(rows) - 3} more pairs"


class _Git:
    """Read-only questions about the repository that holds a file."""

    def __init__(self, file: Path):
        self._folder = Path(file).resolve().parent
        try:
            self.root = Path(self._run("rev-parse", "--show-toplevel").decode().strip())
        except (InputError, OSError) as error:
            raise InputError(
                f"{file} is in no git repository, so nothing shows that it came before its ground truth. "
                "Check it in a clone."
            ) from error
        if self._run("rev-parse", "--is-shallow-repository").strip() == b"true":
            raise InputError(
                f"{self.root} is a shallow clone, which hides the order of commits. Run: git fetch --unshallow"
            )

    def added(self, file: Path) -> str | None:
        """The commit that added the file, the oldest if it came and went; None without one."""
        lines = self._run("log", "--diff-filter=A", "--format=%H", "--", str(Path(file).resolve())).split()
        return lines[-1].decode() if lines else None

    def touching(self, path: Path) -> list[str]:
        """Commits that changed a file or a folder, newest first, whatever branch they came from."""
        return self._run("log", "--full-history", "--format=%H", "--", str(Path(path).resolve())).decode().split()

    def content(self, commit: str, file: Path) -> bytes | None:
        """The file's bytes in a commit; None where it is not there."""
        try:
            return self._run("show", f"{commit}:{Path(file).resolve().relative_to(self.root).as_posix()}")
        except InputError:
            return None

    def files(self, commit: str, folder: Path) -> list[str]:
        """CSV files of a folder in a commit, relative to the repository."""
        inside = str(Path(folder).resolve().relative_to(self.root))
        listed = self._run("ls-tree", "--full-tree", "--name-only", commit, f"{inside}/").decode().splitlines()
        return [name for name in listed if name.endswith(".csv")]

    def comes_after(self, commit: str, others: list[str]) -> bool:
        """Whether every one of `others` is an ancestor of the commit and none is the commit itself."""
        return all(commit != other and self._is_ancestor(other, commit) for other in others)

    def _is_ancestor(self, old: str, new: str) -> bool:
        command = ["git", "-C", str(self._folder), "merge-base", "--is-ancestor", old, new]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _run(self, *arguments: str) -> bytes:
        made = subprocess.run(["git", "-C", str(self._folder), *arguments], capture_output=True, check=False)
        if made.returncode:
            raise InputError(f"git {arguments[0]}: {made.stderr.decode(errors='replace').strip()[:200]}")
        return made.stdout
