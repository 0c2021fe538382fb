"""Rows that the input card and the data dialog both have."""

from __future__ import annotations

from collections.abc import Callable

from explorer.dock.fields import NumberField, by
from explorer.dock.rows import FieldRow

MakeRow = Callable[[str, str, NumberField, str], FieldRow]
"""(name, label, field, tip), as `Rows.row` and `StackCard.row` have it."""


def split_rows(row: MakeRow, validation: str = "validation") -> tuple[FieldRow, FieldRow]:
    """The shares of the training and of the validation part. `validation`: its label."""
    share = by(0.05, 0.0)
    return (
        row(
            "train_share",
            "train",
            NumberField("Share of the training part", step=share),
            "Share of the data that is learned from: what comes first",
        ),
        row(
            "validation_share",
            validation,
            NumberField("Share of the validation part", step=share),
            "Share that is held back to judge by while it trains; what is left is the test part",
        ),
    )


def batch_row(row: MakeRow) -> FieldRow:
    return row("batch_size", "batch", NumberField("Batch size", whole=True, step=by(1, 1)), "Sequences at a time")
