"""The tasks by name."""

from __future__ import annotations

from gandemo.errors import RecipeError
from gandemo.tasks.base import Batch, Pictures, Task
from gandemo.tasks.classify import Classify
from gandemo.tasks.colorize import Colorize
from gandemo.tasks.digits import Digits
from gandemo.tasks.enhance import Enhance
from gandemo.tasks.inpaint import Inpaint

__all__ = ["TASKS", "Batch", "Pictures", "Task", "task_of"]

TASKS: dict[str, Task] = {
    "digits": Digits(),
    "colorize": Colorize(),
    "enhance": Enhance(),
    "inpaint": Inpaint(),
    "classify": Classify(),
}


def task_of(name: str) -> Task:
    """The task of that name.

    Raises:
        RecipeError: there is none.
    """
    if name not in TASKS:
        raise RecipeError(f"there is no task {name!r}; valid: {', '.join(TASKS)}")
    return TASKS[name]
