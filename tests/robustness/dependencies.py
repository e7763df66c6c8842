"""Licences of all that tebench needs, and known vulnerabilities of its own requirements. By hand.

    python tests/robustness/dependencies.py            # licences, from the metadata of what is installed
    python tests/robustness/dependencies.py --audit    # and pip-audit, where it is installed, on the direct ones
    python tests/robustness/dependencies.py --offline  # and the wheel of safety-db, an old list that needs no service

Writes docs/dependencies.md. Without --audit and --offline the last results stay (dependencies.json).
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs"
KEPT = OUT / "robustness" / "dependencies.json"
# Of classifiers and of long texts that stand in a License field.
SHORT = (
    ("BSD 3-Clause", "BSD-3-Clause"), ("BSD-3-Clause", "BSD-3-Clause"), ("BSD License", "BSD"), ("MIT License", "MIT"),
    ("Apache Software License", "Apache-2.0"), ("Apache License", "Apache-2.0"), 
    ("Python Software Foundation", "PSF-2.0"),
    ("Mozilla Public License 2.0", "MPL-2.0"), ("GNU Lesser", "LGPL"), ("GNU General", "GPL"), ("ISC License", "ISC"),
)  # fmt: skip
COPYLEFT = re.compile(r"\bA?GPL|Affero|General Public License", re.I)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def groups() -> dict[str, list[str]]:
    """Requirements by group: "core" and the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"core": project["dependencies"], **project["optional-dependencies"]}


def closure(requirements: list[str]) -> tuple[set[str], set[str]]:
    """(installed packages that these need, directly or not, packages that are named and not installed)."""
    from packaging.requirements import Requirement

    found, absent, waiting = set(), set(), [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        name = canonical(one.name)
        if name == "tebench" or name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        try:
            known = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            absent.add(name)
            continue
        found.add(name)
        waiting += [Requirement(text) for text in known.requires or []]
    return found, absent


def licence(name: str) -> str:
    """As the package states it: an SPDX expression, else a classifier, else the first words of its text."""
    facts = metadata.metadata(name)
    if stated := facts.get("License-Expression"):
        return stated
    classifiers = [
        c.rpartition("::")[2].strip() for c in facts.get_all("Classifier") or [] if c.startswith("License ::")
    ]
    text = facts.get("License") or ""
    for words in (*classifiers, text):
        for start, short in SHORT:
            if start.lower() in words.lower():
                return short
    first = " ".join((text or ", ".join(classifiers)).split())
    return first[:60] or "not stated in its metadata"


def table() -> list[dict]:
    core = closure(groups()["core"])[0]
    direct = {
        group: {canonical(re.split(r"[\s<>=!~\[;]", text)[0]) for text in texts} for group, texts in groups().items()
    }
    rows = {}
    for group, texts in groups().items():
        found, absent = closure(texts)
        for name in sorted(found | absent):
            if group != "core" and name in core:
                continue
            row = rows.setdefault(name, {"package": name, "for": [], "direct": False})
            row["for"].append(group)
            row["direct"] |= name in direct[group]
            row["version"] = "not installed here" if name in absent else metadata.version(name)
            row["licence"] = "" if name in absent else licence(name)
    return sorted(rows.values(), key=lambda row: (row["for"] != ["core"], row["package"]))


def audit() -> dict:
    """What pip-audit knows of the installed versions of the direct requirements; it asks the package index."""
    names = sorted({row["package"] for row in table() if row["direct"] and row["licence"]})
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        pins = [f"{name}=={metadata.version(name).split('+')[0]}" for name in names]
        wanted.write_text("\n".join(pins) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", str(wanted), "-f", "json",
                   "--progress-spinner", "off"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {"when": time.strftime("%Y-%m-%d"), "failed": (done.stderr or done.stdout).strip()[-300:], "asked": pins}
    known = [
        {"package": one["name"], "version": one.get("version", ""), "id": v["id"], "fixed": v["fix_versions"]}
        for one in found for v in one.get("vulns", [])
    ]  # fmt: skip
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one]
    return {"when": time.strftime("%Y-%m-%d"), "asked": pins, "known": known, "skipped": skipped}


def offline() -> dict:
    """Versions installed here that lie in a range of safety-db, which pip brings as a file; nothing of it runs."""
    import zipfile

    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder,
                   "safety-db"]  # fmt: skip
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        listed = json.loads(zipfile.ZipFile(wheel).read("safety_db/insecure_full.json"))
    ranges = {canonical(name): found for name, found in listed.items() if not name.startswith("$")}
    installed = {row["package"]: row["version"] for row in table() if row["licence"]}
    known = []
    for name, version in installed.items():
        for one in ranges.get(name, []):
            for text in one["specs"]:
                try:
                    inside = SpecifierSet(text).contains(version.split("+")[0], prereleases=True)
                except InvalidSpecifier:
                    inside = True  # said rather than passed over
                if inside:
                    known.append({"package": name, "version": version, "id": one["id"], "range": text})
    return {"list": wheel.stem.split("-py")[0], "when": time.strftime("%Y-%m-%d"), "asked": len(installed),
            "listed": sorted(set(installed) & set(ranges)), "entries": len(ranges), "known": known}  # fmt: skip


def _offline_lines(found: dict | None) -> list[str]:
    if not found:
        return []
    said = ", ".join(f"{one['package']} {one['version']} ({one['id']}, {one['range']})" for one in found["known"])
    return [
        "",
        f"A substitute that needs no service, of {found['when']}: all {found['asked']} packages above against the list",
        f"`{found['list']}` of PyPI ({found['entries']} packages with known flaws), by the versions it names.",
        f"On it are {', '.join(found['listed']) or 'none'}; installed here in an affected version: {said or 'none'}.",
        "The number in the list's name is its date: of flaws that became known later it says nothing.",
    ]


def page(rows: list[dict], audited: dict | None, substitute: dict | None = None) -> str:
    heavy = [row["package"] for row in rows if COPYLEFT.search(row["licence"])]
    lines = [
        "# Dependencies and their licences", "",
        "Made by `python tests/robustness/dependencies.py` from the metadata of what is installed; not edited",
        f"by hand. Python {platform.python_version()} on {platform.system()}. Core: needed by all; the other",
        "names are the extras of pyproject.toml. Bold: named there; the rest is what those need. Images and weights of",
        "other people, their hashes and licences: `tebench assets`.", "",
        "| package | version here | licence | for |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        name = f"**{row['package']}**" if row["direct"] else row["package"]
        lines.append(f"| {name} | {row['version']} | {row['licence']} | {', '.join(row['for'])} |")
    lines += ["", f"GPL or AGPL among them: {', '.join(heavy) or 'none'}.", "", "## Known vulnerabilities", ""]
    if audited is None:
        lines.append("Not asked yet: `python tests/robustness/dependencies.py --audit`.")
    elif "failed" in audited:
        lines.append(f"pip-audit was tried on {audited['when']} and gave no answer: `{audited['failed']}`")
    elif len(audited["skipped"]) == len(audited["asked"]):
        lines += [
            f"pip-audit was run on {audited['when']} on the {len(audited['asked'])} direct requirements, and the",
            "package index in use served vulnerability data for none of them, so nothing is known either way. Run",
            "`python tests/robustness/dependencies.py --audit` where pypi.org itself answers.",
        ]
    else:
        n = len(audited["asked"]) - len(audited["skipped"])
        lines += [f"pip-audit, {audited['when']}: {n} of {len(audited['asked'])} direct requirements judged.", ""]
        lines += [
            f"* {one['package']} {one['version']}: {one['id']}, fixed in {', '.join(one['fixed']) or 'no version yet'}"
            for one in audited["known"]
        ] or ["None known of these."]
        lines += ["", *(f"* not judged: {one}" for one in audited["skipped"])]
    lines += _offline_lines(substitute)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--audit", action="store_true")
    parser.add_argument("--offline", action="store_true")
    asked = parser.parse_args()
    found = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    found |= {"audit": audit()} if asked.audit else {}
    found |= {"offline": offline()} if asked.offline else {}
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (OUT / "dependencies.md").write_text(page(table(), found.get("audit"), found.get("offline")), encoding="utf-8")
    print(OUT / "dependencies.md")


if __name__ == "__main__":
    main()
