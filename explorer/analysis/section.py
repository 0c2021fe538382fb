"""One section of the panel: a header that opens it, how far it is, its picture or its table, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QKeyEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.desk import Standing
from explorer.analysis.plot import Plot
from explorer.analysis.tables import Table
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets import popup
from explorer.widgets.icons import renderer

if TYPE_CHECKING:
    from explorer.analysis.table_view import TableView

HEADER = 30
_TABLE, _PICTURE = "Table", "Picture"


class SectionHeader(QAbstractButton):
    """Opens and closes: a click, Space or Enter; ← closes, → opens. Says at the right how far the section is."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._state, self._tone = title, "", "muted"
        self._progress: float | None = None
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(title)
        self.setFixedHeight(HEADER)

    def sizeHint(self) -> QSize:
        return QSize(200, HEADER)

    def set_state(self, words: str, tone: str = "muted", progress: float | None = None) -> None:
        self._state, self._tone, self._progress = words, tone, progress
        self.setAccessibleDescription(words)
        self.setToolTip(words if len(words) > 24 else "")
        self.update()

    @property
    def state(self) -> str:
        return self._state

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            if self.isChecked() != (event.key() == Qt.Key.Key_Right):
                self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse():
            painter.fillRect(self.rect(), QColor(theme.raised))
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        arrow = "chevron-down" if self.isChecked() else "chevron-right"
        renderer(arrow, theme.muted).render(painter, QRectF(PAD - 4, HEADER / 2 - 6, 12, 12))
        left = PAD + 12
        font = theming.font(bold=True)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        wide = QFontMetricsF(font).horizontalAdvance(self._title)
        vertical = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(left, 0, wide + 2, HEADER), vertical | Qt.AlignmentFlag.AlignLeft, self._title)
        room = QRectF(left + wide + GAP, 0, self.width() - left - wide - 2 * GAP, HEADER)
        small = theming.small()
        painter.setFont(small)
        painter.setPen(QColor(getattr(theme, self._tone)))
        shown = QFontMetricsF(small).elidedText(self._state, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, vertical | Qt.AlignmentFlag.AlignRight, shown)
        if self._progress is not None:
            painter.fillRect(QRectF(0, HEADER - 2, self.width(), 2), QColor(theme.line))
            painter.fillRect(QRectF(0, HEADER - 2, self._progress * self.width(), 2), QColor(theme.accent))


_SPARE = 4
"""Pixels beside the words of a drop-down that its style takes for itself."""


class Choice(QComboBox):
    """One of a few. The wheel never turns it, so that the panel is scrolled over it."""

    chosen = Signal(object)

    def __init__(self, name: str, choices: Sequence[tuple[Any, str]] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.view().setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_choices(choices)
        self.activated.connect(self._activated)

    def set_choices(self, choices: Sequence[tuple[Any, str]]) -> None:
        """What is chosen stays, where it is among them."""
        if [(self.itemData(n), self.itemText(n)) for n in range(self.count())] == list(choices):
            return
        before = self.currentData()
        self.clear()
        for value, text in choices:
            self.addItem(text, value)
        self.setCurrentIndex(max(0, self.findData(before)))

    def set_value(self, value: object) -> None:
        self.setCurrentIndex(max(0, self.findData(value)))

    def whole_width(self) -> int:
        """That it has room for all of its words in, beside others that share a line with it."""
        around = self.sizeHint().width() - self.minimumContentsLength() * self.fontMetrics().horizontalAdvance("X")
        return around + self._longest()

    def _longest(self) -> int:
        metrics = self.fontMetrics()
        return max((metrics.horizontalAdvance(self.itemText(n)) for n in range(self.count())), default=0)

    def least_width(self) -> int:
        """In which none of its words is cut."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.rect = QRect(0, 0, 200, 28)  # of any size; its own may not be known yet
        field = QStyle.SubControl.SC_ComboBoxEditField
        inside = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self)
        return option.rect.width() - inside.width() + _SPARE + self._longest()

    def showPopup(self) -> None:
        popup.widen(self)
        super().showPopup()
        popup.place(self)

    @Slot(int)
    def _activated(self, index: int) -> None:
        self.chosen.emit(self.itemData(index))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        at = QRectF(self.width() - 19, self.height() / 2 - 5.5, 11, 11)
        renderer("chevron-down", theming.current().muted).render(painter, at)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class Words(QLabel):
    """Wrapped small text that can be selected and copied."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setWordWrap(True)
        self.setFont(theming.small())
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.set_words("")

    def set_words(self, text: str) -> None:
        self.setText(text)
        self.setAccessibleName(f"{self._name}: {text}" if text else self._name)
        self.setVisible(bool(text))


class Section(QWidget):
    opened = Signal(bool)
    cancelRequested = Signal()
    againRequested = Signal()

    def __init__(self, title: str, plot: Plot[Any], hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = plot
        self._hint = hint
        self._table: Table | None = None
        self.header = SectionHeader(title)
        self.header.toggled.connect(self._toggled)
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self._button_clicked)
        self._again = False
        # Beside the title, where they are to be seen in a low window too.
        self.table_button = QPushButton(_TABLE)
        self.table_button.setCheckable(True)
        self.table_button.toggled.connect(self._show_table)
        self.copy_button = QPushButton("Copy")
        self.copy_button.clicked.connect(self.copy)
        self.copy_button.setToolTip("Copy the numbers as CSV")
        self.copy_button.setAccessibleName(f"{title}: copy as CSV")
        self._name_table_button(False)

        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(TIGHT)
        head.addWidget(self.header, 1)
        for one in (self.button, self.table_button, self.copy_button):
            one.setProperty("role", "small")
            head.addWidget(one)
            one.hide()
        head.addSpacing(TIGHT)

        self.controls = QHBoxLayout()
        self.controls.setSpacing(TIGHT)
        self.picture = QHBoxLayout()
        self.picture.setSpacing(PAD)
        self.picture.addWidget(plot, 1, Qt.AlignmentFlag.AlignTop)
        self.readout = QLabel(hint)
        self.readout.setProperty("role", "muted")
        self.readout.setWordWrap(True)
        self.readout.setFont(theming.small())
        self.readout.setFixedHeight(2 * LINE)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        plot.said.connect(self._said)
        pictured = QWidget()
        column = QVBoxLayout(pictured)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.addLayout(self.picture)
        column.addWidget(self.readout)
        self._pictured = pictured
        self.table: TableView | None = None
        """Made when it is first asked for."""
        self.words = Words(title)
        self.body = QWidget()
        self._inside = inside = QVBoxLayout(self.body)
        inside.setContentsMargins(PAD, TIGHT, GAP, PAD)
        inside.setSpacing(GAP)
        inside.addLayout(self.controls)
        inside.addWidget(pictured)
        inside.addWidget(self.words)
        self.body.hide()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(head)
        outer.addWidget(self.body)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        theming.notifier().changed.connect(self._restyle)

    # -- open and closed ----------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.header.isChecked()

    def set_open(self, is_open: bool) -> None:
        self.header.setChecked(is_open)

    @Slot(bool)
    def _toggled(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        for one in (self.table_button, self.copy_button):
            one.setVisible(is_open)
        if not is_open:
            self.button.hide()
            self.header.set_state("")
        self.opened.emit(is_open)

    # -- how far it is ------------------------------------------------------------------------------------------------

    def set_standing(self, standing: Standing) -> None:
        words, tone, progress, button = "", "muted", None, ""
        if standing.kind in ("computing", "waiting"):
            share = standing.progress
            words = "computing…" if share is None else f"computing… {100 * share:.0f} %"
            progress = share or 0.0
            button = "Cancel"
            if standing.kind == "waiting":
                words, progress, button = "being renewed…" if standing.stale else "", None, ""
            elif standing.stale:
                words = words.replace("computing", "renewing")
        elif standing.kind == "resting":
            words = "old, until training rests" if standing.stale else "when training rests"
        elif standing.kind == "stopped":
            words = "stopped" if standing.progress is None else f"stopped at {100 * standing.progress:.0f} %"
            words = f"{words}, of the trace before" if standing.stale else words
            button = "Go on"
        elif standing.kind == "failed":
            words, tone, button = "failed", "exploding", "Again"
        elif standing.kind == "heavy":
            words, button = "takes minutes", "Compute"
        elif standing.stale:
            words = "of the trace before"
        if standing.stale and standing.kind in ("failed", "heavy"):
            words = f"{words}, of the trace before"
        self.header.set_state(words, tone, progress)
        self._again = button != "Cancel"
        self.button.setText(button)
        self.button.setAccessibleName(f"{self.header.accessibleName()}: {button.lower()}")
        self.button.setVisible(bool(button) and self.is_open)
        for one in (self.table_button, self.copy_button):
            one.setVisible(not button and self.is_open)  # in its place: there is not room for all
        if standing.sentence:
            self.words.set_words(standing.sentence)

    @Slot()
    def _button_clicked(self) -> None:
        if self._again:
            self.againRequested.emit()
        else:
            self.cancelRequested.emit()

    # -- picture and table --------------------------------------------------------------------------------------------

    def set_table(self, table: Table | None) -> None:
        self._table = table
        for one in (self.table_button, self.copy_button):
            one.setEnabled(table is not None)
        if table is not None and self.table is not None and self.table_button.isChecked():
            self.table.set_table(table)

    @Slot(bool)
    def _show_table(self, shown: bool) -> None:
        self._name_table_button(shown)
        if self.table is None:
            from explorer.analysis.table_view import TableView

            self.table = TableView(self.header.accessibleName())
            self._inside.insertWidget(self._inside.indexOf(self._pictured) + 1, self.table)
        if shown and self._table is not None:
            self.table.set_table(self._table)
        self.table.setVisible(shown)
        self._pictured.setVisible(not shown)

    def _name_table_button(self, shown: bool) -> None:
        words = "Show the picture" if shown else "Show as a table"
        self.table_button.setText(_PICTURE if shown else _TABLE)
        self.table_button.setToolTip(words)
        self.table_button.setAccessibleName(f"{self.header.accessibleName()}: {words.lower()}")

    @Slot()
    def copy(self) -> None:
        if self._table is not None:
            QGuiApplication.clipboard().setText(self._table.csv())

    def set_hint(self, hint: str) -> None:
        """What stands below the picture while nothing is pointed at."""
        shown = self.readout.text() == self._hint
        self._hint = hint
        if shown:
            self.readout.setText(hint)

    @Slot(str)
    def _said(self, words: str) -> None:
        self.readout.setText(words or self._hint)

    @Slot()
    def _restyle(self) -> None:
        for one in (self.readout, self.words):
            one.setFont(theming.small())
