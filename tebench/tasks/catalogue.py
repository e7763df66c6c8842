"""Every task by name."""

from __future__ import annotations

from tebench.errors import unknown_name
from tebench.tasks.base import Task


def names() -> list[str]:
    """Names of the tasks that `load` knows, in a fixed order.

    >>> names()[:2]
    ['subcortical', 'tissue']
    """
    from tebench.tasks.starter import RECIPES

    return [recipe.name for recipe in RECIPES]


def load(name: str) -> Task:
    """The task called `name`; its packages are fetched when the first case is loaded."""
    from tebench.tasks.starter import RECIPES

    for recipe in RECIPES:
        if recipe.name == name:
            return recipe.task()
    raise unknown_name("task", name, names())
