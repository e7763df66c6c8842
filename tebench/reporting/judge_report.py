"""Everything that judging a table leaves behind: text, CSV, figures and one page of HTML."""

from __future__ import annotations

from pathlib import Path

from tebench.base.storage import make_folder, write_text
from tebench.evaluation.judge import Judgement
from tebench.reporting import formats, judge_figures, judge_sections, sections, style

# The committed pages on published tables, by their place in the repository: for whatever links to them.
PAGES = {
    "docs/findings_openmind.md": "What OpenMind's table can show",
    "docs/judge_starter.md": "What the starter benchmark's ground truth can show",
}
FRAMES = ("spread", "static", "ceilings", "shares", "pairs", "differences", "influence", "claims", "rivals")


def write(folder: Path, judgement: Judgement, *, command: str) -> str:
    """Write all files into `folder`; the text for the terminal, with the list of files."""
    folder = make_folder(Path(folder))
    title, lead = judge_sections.title(judgement), judge_sections.lead(judgement, command)
    parts = judge_sections.sections(judgement)
    figures = folder / "figures"
    files = style.save(judge_figures.ladder(judgement), figures, judge_sections.LADDER)
    files += style.save(judge_figures.dice(judgement), figures, judge_sections.DICE)
    text = sections.terminal(title, [sections.Section("What was judged", lead), *parts])
    texts = {
        "judge.txt": text,
        "judge.md": sections.markdown(title, lead, parts, figures="figures"),
        "judge.html": sections.page(title, lead, parts, figures),
    }
    for name in FRAMES:
        frame = getattr(judgement, name)
        if frame is not None and len(frame):
            texts[f"{name}.csv"] = formats.csv_text(frame)
    for name, content in texts.items():
        write_text(folder / name, content)
    written = [folder / name for name in texts] + [path for path in files if path.suffix == ".png"]
    return text + "\nwritten:\n" + "\n".join(f"  {path}" for path in written)
