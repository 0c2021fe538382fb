"""Somebody's own data as their task sees them: fetched by their hash, made ready, and remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

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


class Remembered(Generic[Own, Prepared]):
    """Called with a task, what it sees of its data; that of the tasks that were asked about last, as long as the store
    is in the same folder, is made once."""

    def __init__(self, prepare: Callable[[Own], Prepared], most: int = 4) -> None:
        self._prepare, self._most = prepare, most
        self._made: OrderedDict[tuple[str, Own], Prepared] = OrderedDict()

    def __call__(self, task: Own) -> Prepared:
        key = str(store.folder()), task
        if key not in self._made:
            self.keep(task, self._prepare(task))
        self._made.move_to_end(key)
        return self._made[key]

    def keep(self, task: Own, made: Prepared) -> None:
        """It has been made already."""
        self._made[str(store.folder()), task] = made
        while len(self._made) > self._most:
            self._made.popitem(last=False)
