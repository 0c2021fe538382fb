"""How a file is read: what was detected, each of it to be chosen otherwise."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from engine.data.decoding import ENCODINGS
from engine.data.preview import TABLE_ENDINGS, ArraysPreview, As, Preview, TablePreview, TextPreview
from engine.data.table import DETECTED, TableOptions
from explorer.dock.fields import ChoiceField
from explorer.dock.rows import FieldRow
from explorer.theme.tokens import PAD, ROOM, TIGHT

_FIELD = 164
"""Logical pixels of a field with its word."""
_MOST_COLUMNS = 3
DETECT = "as detected"
_AS = [("table", "table"), ("text", "text")]
_DELIMITERS = [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar"), (" ", "spaces")]
_HEADER = [("yes", "first row"), ("no", "none")]
_DECIMALS = [(".", "1.5"), (",", "1,5")]
_THOUSANDS = [("", "1000"), (",", "1,000"), (".", "1.000"), (" ", "1 000"), ("'", "1'000")]
_DATES = [("day", "day first"), ("month", "month first")]


class Encodings(ChoiceField):
    """Says of what region an encoding is in its list alone."""

    def currentText(self) -> str:
        return super().currentText().partition(" (")[0]

    def showPopup(self) -> None:
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + ROOM)
        super().showPopup()


class AsRead(QWidget):
    """`changed`: somebody has chosen otherwise, and the file is to be read anew with `options` and `as_`.

    As many fields stand side by side as have room, so that no word of them is cut."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.options: TableOptions = DETECTED
        self.as_: As | None = None
        self.rows: dict[str, FieldRow] = {}
        self._grid = grid = QGridLayout(self)
        grid.setContentsMargins(0, TIGHT, 0, TIGHT)
        grid.setHorizontalSpacing(PAD)
        grid.setVerticalSpacing(2)
        self._stands: tuple[int, tuple[str, ...]] = (0, ())
        """How many columns there are, and which fields are shown."""
        fields = (
            ("as_", "read as", "What the file is read as", _AS),
            ("encoding", "encoding", "Encoding of the text", list(ENCODINGS.items())),
            ("delimiter", "columns by", "Sign between the columns", _DELIMITERS),
            ("header", "heading", "Heading", _HEADER),
            ("decimal", "decimals", "Sign before the decimals", _DECIMALS),
            ("thousands", "thousands", "Sign between the thousands", _THOUSANDS),
            ("dates", "dates", "Order of dates", _DATES),
        )
        for name, label, says, choices in fields:
            field = Encodings(says, choices) if name == "encoding" else ChoiceField(says, choices)
            row = FieldRow(name, label, field, parent=self)
            row.edited.connect(self._take)
            self.rows[name] = row
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        return QSize(_FIELD, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """Row by row, those that are shown."""
        columns = min(_MOST_COLUMNS, max(1, (self.width() + PAD) // (_FIELD + PAD)))
        shown = tuple(name for name, row in self.rows.items() if not row.isHidden())
        if (columns, shown) == self._stands:
            return
        self._stands = columns, shown
        for row in self.rows.values():
            self._grid.removeWidget(row)
        for at, name in enumerate(shown):
            self._grid.addWidget(self.rows[name], at // columns, at % columns)
        for column in range(_MOST_COLUMNS):
            self._grid.setColumnStretch(column, int(column < columns))
        self.updateGeometry()

    def forget(self) -> None:
        """Another file: everything is detected."""
        self.options, self.as_ = DETECTED, None

    def show_preview(self, preview: Preview) -> None:
        self.rows["as_"].setVisible(not isinstance(preview, ArraysPreview))
        self.rows["as_"].set_value(preview.kind)
        of_table = isinstance(preview, TablePreview)
        # Once chosen it can be chosen back, whatever has come of it.
        dates = isinstance(preview, TablePreview) and (preview.day_or_month or self.options.day_first is not None)
        self.rows["encoding"].setVisible(not isinstance(preview, ArraysPreview))
        if isinstance(preview, TextPreview):
            self.rows["encoding"].set_value(preview.codec)
        for name in ("delimiter", "header", "decimal", "thousands"):
            self.rows[name].setVisible(of_table)
        self.rows["dates"].setVisible(dates)
        if isinstance(preview, TablePreview):
            o = preview.options
            self.rows["encoding"].set_value(o.encoding)
            self.rows["delimiter"].set_value(o.delimiter)
            self.rows["header"].set_value("yes" if o.header else "no")
            self.rows["decimal"].set_value(o.decimal)
            self.rows["thousands"].set_value(o.thousands)
            self.rows["dates"].set_value("day" if o.day_first else "month")
        self._arrange()

    def show_failure(self, path: str) -> None:
        """Nothing was detected; what somebody has chosen stays, and can be chosen otherwise."""
        o = self.options
        given = {"decimal": o.decimal, "thousands": o.thousands, "dates": o.day_first}
        kind = self.as_ or ("table" if os.path.splitext(path)[1].lower() in TABLE_ENDINGS else "text")
        always = ("as_", "encoding", "delimiter", "header") if kind == "table" else ("as_", "encoding")
        for name, row in self.rows.items():
            row.setVisible(name in always or given.get(name) is not None)
        self._arrange()
        self.rows["as_"].set_value(kind)
        self.rows["encoding"].set_value(o.encoding)
        self.rows["delimiter"].set_value(o.delimiter)
        self.rows["header"].set_value(None if o.header is None else "yes" if o.header else "no")
        self.rows["decimal"].set_value(o.decimal)
        self.rows["thousands"].set_value(o.thousands)

    def set_missing(self, missing: tuple[str, ...] | None) -> None:
        """Which cells count as missing; None: those that usually do."""
        self.options = replace(self.options, missing=missing)
        self.changed.emit()

    def _take(self, name: str, value: Any) -> None:
        if name == "as_":
            self.as_ = value
        else:
            given = {key: getattr(self.options, key) for key in self.options.__dataclass_fields__}
            key, wanted = {
                "header": ("header", value == "yes"),
                "dates": ("day_first", value == "day"),
            }.get(name, (name, value))
            self.options = TableOptions(**{**given, key: wanted})
        self.changed.emit()
