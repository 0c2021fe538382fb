"""What symbols and classes are called. Of somebody's own data, by the data."""

from __future__ import annotations

from engine.parameters import class_count
from engine.reber import SYMBOLS
from engine.spec import CopyTask, DigitsTask, ModelSpec, OwnTask, ReberTask, Task, TemporalOrderTask
from engine.task_facts import form


def labels_of(task: Task, model: ModelSpec) -> tuple[str, ...]:
    """Of the classes that an answer is one of, or the next symbols; () for numbers. Raises DataError where somebody's
    own data are not there."""
    from engine.tasks import own

    if model.loss == "mse":
        return ()
    if isinstance(task, OwnTask):
        return own.labels(task)
    match task:
        case ReberTask() | CopyTask():
            return read_labels_of(task)
        case TemporalOrderTask():
            return ("AA", "AB", "BA", "BB")
        case DigitsTask():
            return tuple(str(digit) for digit in range(10))
    assert form(task).shape in ("value", "class", "tag")
    return ("no", "yes") if class_count(model, task) in (0, 2) else tuple(map(str, range(class_count(model, task))))


def read_labels_of(task: Task) -> tuple[str, ...]:
    """Of the symbols that are read; () for numbers, and where they have no names. Raises DataError where somebody's
    own data are not there."""
    from engine.tasks import own

    if isinstance(task, OwnTask):
        return own.symbol_labels(task)
    match task:
        case ReberTask():
            return tuple(SYMBOLS)
        case TemporalOrderTask():
            return ("a", "b", "c", "d", "A", "B")
        case CopyTask():
            return ("blank", *(str(symbol) for symbol in range(1, 9)), "marker")
    return ()


def column_labels_of(task: Task) -> tuple[str, ...]:
    """Of the numbers that are read a step; () for symbols, and where they have no names. Raises DataError where
    somebody's own data are not there."""
    from engine.tasks import own

    return own.columns(task)
