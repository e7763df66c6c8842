"""Every task by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tebench.base.errors import InputError, unknown_name
from tebench.tasks.base import Task

if TYPE_CHECKING:
    from tebench.tasks.recipe import TaskRecipe

_OPENED: dict[str, Task] = {}  # data sets of the user's, known to this process only


def names() -> list[str]:
    """Names of the tasks that `load` knows, in a fixed order.

    >>> names()[:2]
    ['subcortex', 'tissues']
    """
    return [recipe.name for recipe in recipes()]


def recipes() -> tuple[TaskRecipe, ...]:
    """The built-in tasks' recipes."""
    from tebench.tasks import starter

    return starter.RECIPES


def load(name: str) -> Task:
    """The task called `name`; its packages are fetched when the first case is loaded."""
    if name in _OPENED:
        return _OPENED[name]
    for recipe in recipes():
        if recipe.name == name:
            return recipe.task()
    raise unknown_name("task", name, names())


def add(task: Task) -> None:
    """Let `load` know an opened data set by its name; `names` does not list it, since no other process knows it."""
    if task.name in names():
        raise InputError(f"task name {task.name!r} is taken by a built-in task; rename the data set's folder.")
    _OPENED[task.name] = task
