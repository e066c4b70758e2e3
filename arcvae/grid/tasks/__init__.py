"""Tasks in the sense of ARC, made of programs on objects: each is computed on codes and in pixels.

Example:
    >>> import arcvae
    >>> from arcvae.grid.tasks import make_task
    >>> task = make_task(arcvae.load("atomic-objects"), depth=2, objects=3, seed=0)
    >>> len(task.program), sorted(task.to_arc())
    (2, ['test', 'train'])
"""

from __future__ import annotations

from arcvae.grid.tasks.folder import read_tasks, replay_folder
from arcvae.grid.tasks.task import Task, replay
from arcvae.grid.tasks.writer import make_task

__all__ = ["Task", "make_task", "read_tasks", "replay", "replay_folder"]
