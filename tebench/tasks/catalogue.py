"""Every task by name."""

from __future__ import annotations

from tebench.errors import InputError, unknown_name
from tebench.tasks.base import Task

_OPENED: dict[str, Task] = {}  # data sets of the user's, known to this process only


def names() -> list[str]:
    """Names of the tasks that `load` knows, in a fixed order.

    >>> names()[:2]
    ['subcortical', 'tissue']
    """
    from tebench.tasks.starter import RECIPES

    return [recipe.name for recipe in RECIPES]


def load(name: str) -> Task:
    """The task called `name`; its packages are fetched when the first case is loaded."""
    if name in _OPENED:
        return _OPENED[name]
    from tebench.tasks.starter import RECIPES

    for recipe in RECIPES:
        if recipe.name == name:
            return recipe.task()
    raise unknown_name("task", name, names())


def add(task: Task) -> None:
    """Let `load` know an opened data set by its name; `names` does not list it, since no other process knows it."""
    if task.name in names():
        raise InputError(f"task name {task.name!r} is taken by a built-in task; rename the data set's folder.")
    _OPENED[task.name] = task
