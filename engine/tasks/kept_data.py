"""Somebody's own data as their task sees them: fetched by their hash, made ready, and remembered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from engine.data import store
from engine.data.datasets import Data
from engine.data.files import source_of
from engine.errors import DataError
from engine.spec import OwnTask

Own = TypeVar("Own", bound=OwnTask)
Kind = TypeVar("Kind", bound=Data)
Prepared = TypeVar("Prepared")


def data_of(task: OwnTask, kind: type[Kind], what: str, needs: str) -> Kind:
    """`what`: they should be, and what the task `needs`, in a sentence. Raises DataError where the data are not there,
    or of another kind."""
    data = store.get(task.data, task.name)
    if not isinstance(data, kind):
        raise DataError(f"The data of {source_of(task.name)} are {what}, and {needs}.")
    return data


def remembered(prepare: Callable[[Own], Prepared], most: int = 4) -> Callable[[Own], Prepared]:
    """The same for the tasks that were asked about last, as long as the store is in the same folder."""

    @lru_cache(maxsize=most)
    def made(_folder: str, task: Own) -> Prepared:
        return prepare(task)

    def asked(task: Own) -> Prepared:
        return made(str(store.folder()), task)

    return asked
