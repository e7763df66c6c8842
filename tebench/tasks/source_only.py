"""Label maps that encoders are pre-trained on and no task asks for; `load` opens these and the tasks alike.

A source has training cases only: Dice is never measured on it.
"""

from __future__ import annotations

from tebench.base.errors import unknown_name
from tebench.tasks import catalogue, starter
from tebench.tasks.base import Task
from tebench.tasks.recipe import TaskRecipe
from tebench.tasks.source import Atlas, Source

# ibsr numbers, left and right. Coarser than the task `subcortex`: its five structures lie in two classes.
_ANATOMY = {
    "cerebral cortex": (3, 42),
    "cerebral white matter": (2, 41),
    "ventricles": (4, 5, 14, 15, 24, 43, 44),
    "deep grey matter": (10, 11, 12, 13, 26, 28, 49, 50, 51, 52, 58, 60),
    "hippocampus and amygdala": (17, 18, 53, 54),
    "cerebellar cortex": (8, 47),
    "cerebellar white matter": (7, 46),
    "brain stem": (16,),
}

ANATOMY = TaskRecipe(
    name="anatomy",
    title="Coarse anatomy of the brain on T1 MRI (a source, no task)",
    classes=tuple(_ANATOMY),
    train=(
        Source(
            "deepmriprep",
            "deepmriprep/data/templates/Template_05mm_bet.nii.gz",
            Atlas("deepmriprep", "deepmriprep/data/templates/ibsr.nii.gz", _ANATOMY),
        ),
    ),
    test=(),
    n_virtual=0,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: eight coarse classes of the ibsr atlas, left and right merged",
        "source": "deepmriprep Template_05mm_bet with its ibsr atlas",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated",
        "label_origin": "atlas",
        "note": f"{starter.AVERAGES}, without skull",
    },
)

RECIPES = (ANATOMY,)


def names() -> list[str]:
    """Every label map that a supervised pre-training can name: the tasks, then those of this file."""
    return [*catalogue.names(), *(recipe.name for recipe in RECIPES)]


def load(name: str) -> Task:
    """The task or source called `name`; its packages are fetched when the first case is loaded."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe.task()
    if name not in catalogue.names():
        raise unknown_name("label map", name, names())
    return catalogue.load(name)


def real_cases(task: Task) -> list[str]:
    """Ids of the training cases that are no virtual subjects."""
    return [case_id for case_id in task.cases if "virtual" not in case_id]
