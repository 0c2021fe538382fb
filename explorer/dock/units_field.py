"""Which units: "0, 3, 5-7"; empty: all of them."""

from __future__ import annotations

import re

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPaintEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from explorer.dock.fields import field_height, paint_refused
from explorer.widgets.typed import undone_here

_PART = re.compile(r"(\d{1,6})(?:[-–](\d{1,6}))?")
MOST = 4096


class UnitsField(QLineEdit):
    """`set_value` emits nothing; `edited` carries a tuple of units from 0, or None for all."""

    edited = Signal(object)
    refused = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: tuple[int, ...] | None = None
        self._invalid = False
        self.setAccessibleName(name)
        self.setPlaceholderText("all")
        self.setToolTip("Units from 0: 0, 3, 5-7. Empty: all of them.")
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setProperty("role", "quiet")
        self.setFixedHeight(field_height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.editingFinished.connect(self._commit)

    def minimumSizeHint(self) -> QSize:
        return QSize(30, field_height())

    def set_value(self, units: tuple[int, ...] | None) -> None:
        """What is being typed, or was refused, stays as long as the value does not change."""
        if units == self._value and self.is_typed():
            return
        self._write(units)

    def is_typed(self) -> bool:
        return self.isModified() or self._invalid

    def finish(self) -> None:
        self._commit()

    def restore(self) -> None:
        if self.is_typed():
            self._write(self._value)
            self.refused.emit("")

    def set_invalid(self, invalid: bool) -> None:
        self._invalid = invalid
        self.update()

    def is_invalid(self) -> bool:
        return self._invalid

    def _write(self, units: tuple[int, ...] | None) -> None:
        self._value, self._invalid = units, False
        self.setText("" if units is None else units_text(units))
        self.setModified(False)

    def _commit(self) -> None:
        if not self.isModified():
            return
        self.setModified(False)
        try:
            units = parsed_units(self.text())
        except ValueError as error:
            self.set_invalid(True)
            self.refused.emit(str(error))
            return
        self.set_invalid(False)
        if units == self._value:
            self._write(units)
            self.refused.emit("")
        else:
            self.edited.emit(units)

    def event(self, event: QEvent) -> bool:
        if (undone := undone_here(self, event)) is not None:
            return undone
        # Esc lets go of what was typed, before it means anything to the window.
        if (
            event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and self.is_typed()
        ):
            if event.type() is QEvent.Type.KeyPress:
                self.restore()
            event.accept()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._invalid:
            paint_refused(self)


def parsed_units(text: str) -> tuple[int, ...] | None:
    """Sorted, each once; None for an empty text. Raises ValueError with a sentence."""
    if not text.strip():
        return None
    found: set[int] = set()
    for part in re.split(r"[,;\s]+", text.strip().strip(",")):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is no unit; write units from 0 as in 0, 3, 5-7.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= MOST:
            raise ValueError(f"'{part}' is no stretch of units; write units from 0 as in 0, 3, 5-7.")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def units_text(units: tuple[int, ...]) -> str:
    """ "0, 3, 5-7"."""
    parts: list[list[int]] = []
    for unit in units:
        if parts and unit == parts[-1][-1] + 1:
            parts[-1].append(unit)
        else:
            parts.append([unit])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
