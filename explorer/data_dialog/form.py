"""What the forms of the data dialog share: rows of fields over a mapping of values, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from engine.data_requests import Choices
from engine.errors import SpecError
from engine.spec import OwnTask, Split
from engine.task_checks import check_task
from explorer.dock.block import Rows
from explorer.dock.problems import INPUT, Problem, problem
from explorer.dock.rows import FieldRow, RowPair
from explorer.dock.shared_rows import batch_row, split_rows

NOWHERE = ""
"""The field of a problem that has no field of its own."""
NO_DATA = "0" * 64


class Form(Rows):
    """Holds what is chosen. `changed`: something was, and `problem`, `choices` and `summary` are new."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.values: dict[str, Any] = {}
        self.edited.connect(self._take)

    # -- for the dialog -----------------------------------------------------------------------------------------------

    def choices(self) -> Choices:
        raise NotImplementedError

    def problem(self) -> Problem | None:
        """What is known to be wrong; the engine looks again when the data are read."""
        raise NotImplementedError

    def summary(self) -> str:
        """What the choices come to."""
        raise NotImplementedError

    def refresh(self) -> None:
        """The fields as the values are."""
        self.fill(self.values)
        self.show_problem(self.problem())

    # -- for the forms ------------------------------------------------------------------------------------------------

    def _take(self, name: str, value: object) -> None:
        self.values[name] = value
        self.refresh()
        self.changed.emit()

    @property
    def split(self) -> Split:
        return Split(train=float(self.values["train_share"]), validation=float(self.values["validation_share"]))

    def split_rows(self) -> RowPair:
        return self.pair(*split_rows(self.row))

    def batch_row(self) -> FieldRow:
        return batch_row(self.row)


def task_problem(task: OwnTask) -> Problem | None:
    """That the numbers of a task are in their ranges."""
    try:
        check_task(task)
    except SpecError as error:
        return problem(error)
    return None


def wrong(field: str, sentence: str) -> Problem | None:
    return Problem(INPUT, field, sentence) if sentence else None
