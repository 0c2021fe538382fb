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
from explorer.dock.fields import NumberField, by
from explorer.dock.problems import INPUT, Problem, problem
from explorer.dock.rows import FieldRow, RowPair

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
        share = by(0.05, 0.0)
        return self.pair(
            self.row(
                "train_share",
                "train",
                NumberField("Share of the training part", step=share),
                "Share of the data that is learned from: what comes first",
            ),
            self.row(
                "validation_share",
                "validation",
                NumberField("Share of the validation part", step=share),
                "Share that is held back to judge by while it trains; what is left is the test part",
            ),
        )

    def batch_row(self) -> FieldRow:
        batch = NumberField("Batch size", whole=True, step=by(1, 1))
        return self.row("batch_size", "batch", batch, "Sequences at a time")


def task_problem(task: OwnTask) -> Problem | None:
    """That the numbers of a task are in their ranges."""
    try:
        check_task(task)
    except SpecError as error:
        return problem(error)
    return None


def wrong(field: str, sentence: str) -> Problem | None:
    return Problem(INPUT, field, sentence) if sentence else None
