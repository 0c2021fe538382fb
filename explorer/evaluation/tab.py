"""The drawer's second tab: what has been learned, against what was to be learned."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.plot import Plot
from explorer.analysis.section import Choice
from explorer.analysis.table_view import TableView
from explorer.analysis.tables import Table
from explorer.evaluation.answers import Answers
from explorer.evaluation.answers_view import AnswersView
from explorer.evaluation.confusion_view import ConfusionView
from explorer.evaluation.controls import EvaluationControls
from explorer.evaluation.evaluator import Standing
from explorer.evaluation.forecasts_page import ForecastsPage
from explorer.evaluation.legend import Legends
from explorer.evaluation.picture_view import PictureView
from explorer.evaluation.scatter_view import ScatterView
from explorer.evaluation.series_view import SeriesView
from explorer.evaluation.tables import CONFUSION, SCATTER, SEQUENCE, WRITTEN, tables_of
from explorer.evaluation.text_view import TextView
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT

_MOST = 16_777_215
_LEAST_PICTURE = 240
"""Pixels beside the controls; with less room there is no picture, and nothing stands on anything."""
_LEAST_CONFUSION = 120
"""Pixels of it that a picture beside it leaves."""
_LIST = 176
"""Pixels of the sequences beside it, at least: heads and the likeliest answers have room."""
NOTHING = "Nothing has been evaluated yet."
_HINTS = {
    "series": "Point at a step, or use the arrow keys, for its exact numbers.",
    "numbers": "Each dot is a sequence, its prediction over its target. A click or Enter chooses it.",
    "symbols": "Point at a symbol, or use the arrow keys, for its likeliest alternatives. N: the next wrong one.",
    "tags": "Point at a step, or use the arrow keys, for its likeliest tags. N: the next wrong one.",
    "class": "Rows are the truth, columns the answers. Point at a cell or a sequence for what stands behind it.",
    CONFUSION: "Rows are the truth, columns the answers. Point at a cell, or use the arrow keys.",
}


class EvaluationTab(QWidget):
    """Told the answers and how far they are; what is shown of them is its own affair."""

    sequencePicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Evaluation")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._answers: Answers | None = None
        self._tables: dict[str, Table] = {}
        self._wanted = 0
        """The sequence that somebody has chosen; where fewer have come, the last of them is shown."""
        self.controls = EvaluationControls()
        self.legend = Legends(self)
        self.show_choice = Choice("What is shown of the answers")
        self.table_button = _small("Table")
        self.table_button.setCheckable(True)
        self.copy_button = _small("Copy")
        self.copy_button.setAccessibleName("Evaluation: copy as CSV")
        self.copy_button.setToolTip("Copy the numbers as CSV")
        self.text, self.series, self.scatter = TextView(), SeriesView(), ScatterView()
        self.confusion, self.answers = ConfusionView(), AnswersView()
        self.forecasts, self.picture_view = ForecastsPage(), PictureView()
        self.table = TableView("Evaluation")
        self.table.setMinimumHeight(60)
        self.table.setMaximumHeight(_MOST)
        self.nothing = QLabel(NOTHING)
        self.nothing.setProperty("role", "muted")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setWordWrap(True)
        self.text_area, self.answers_area = _scrolled(self.text), _scrolled(self.answers)
        self.classes = QWidget()
        beside = QHBoxLayout(self.classes)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(GAP)
        beside.addWidget(self.confusion, 9)
        beside.addWidget(self.picture_view)
        beside.addWidget(self.answers_area, 11)
        self.pages = QStackedWidget()
        for page in (
            self.nothing,
            self.text_area,
            self.series,
            self.scatter,
            self.forecasts,
            self.classes,
            self.table,
        ):
            self.pages.addWidget(page)
        self.readout = QLabel()
        self.readout.setProperty("role", "muted")
        self.readout.setTextFormat(Qt.TextFormat.PlainText)
        self.readout.setWordWrap(True)
        self.readout.setFixedHeight(2 * LINE)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._build()

        self.table_button.toggled.connect(self._show_page)
        self.copy_button.clicked.connect(self.copy)
        self.show_choice.chosen.connect(self._show_page)
        self.controls.sequencePicked.connect(self._pick)
        for view in (self.scatter, self.answers, self.forecasts.scatter):
            view.sequencePicked.connect(self._pick)
        for plot in self._plots():
            plot.said.connect(self._said)
        self.forecasts.roomChanged.connect(self._show_page)
        self.text.moved_to.connect(self._reveal_symbol)
        self.answers.moved_to.connect(self._reveal_sequence)
        theming.notifier().changed.connect(self._restyle)
        self._restyle()
        self.set_answers(None)

    def _build(self) -> None:
        self._line = line = QFrame()
        line.setProperty("role", "rule")
        line.setFixedWidth(1)
        head = QHBoxLayout()
        head.setSpacing(TIGHT)
        head.addWidget(self.legend.first, 1)
        for part in (self.show_choice, self.table_button, self.copy_button):
            head.addWidget(part)
        self.show_choice.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout()
        column.setContentsMargins(GAP, TIGHT, GAP, TIGHT)
        column.setSpacing(TIGHT)
        column.addLayout(head)
        column.addWidget(self.legend.second)
        column.addWidget(self.pages, 1)
        column.addWidget(self.readout)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self._beside = QWidget()
        self._beside.setLayout(column)
        row.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)
        row.addWidget(self.controls)
        row.addWidget(line)
        row.addWidget(self._beside, 1)
        row.addStretch(0)

    # -- data down ----------------------------------------------------------------------------------------------------

    @Slot(object)
    def set_answers(self, answers: Answers | None) -> None:
        if answers is None:
            self._wanted = 0
        self._answers = answers
        self.controls.set_answers(answers)
        self._show_sequence()

    @Slot(object)
    def set_standing(self, standing: Standing) -> None:
        self.controls.set_standing(standing)
        if self._answers is None:
            failed = standing.kind == "failed"
            self.nothing.setText(standing.sentence if failed else NOTHING)

    @property
    def shown(self) -> int:
        """The sequence that is shown, from 0."""
        return 0 if self._answers is None else min(self._wanted, self._answers.count - 1)

    @property
    def picture(self) -> QWidget:
        """What the arrow keys move about in."""
        page = self.pages.currentWidget()
        if page is self.text_area:
            return self.text
        if page is self.forecasts:
            return self.forecasts.scatter
        return page if page is not None and page is not self.classes else self.confusion

    def _show_sequence(self) -> None:
        a, n = self._answers, self.shown
        self.controls.set_sequence(n, *((0, 0) if a is None else (a.count, a.judged.sequences)))
        kind = None if a is None else a.kind
        of_class = kind in ("symbols", "tags", "class")
        self.text.set_answers(a if kind in ("symbols", "tags") else None, n)
        if kind != "series":
            self.series.set_answers(None, n)
        self.scatter.set_answers(a if kind == "numbers" else None, n)
        self.forecasts.set_answers(a if a is not None and kind == "series" and not a.every else None, n)
        self.answers.set_answers(a if kind == "class" else None, n)
        self.picture_view.set_answers(a if kind == "class" else None, n)
        confusion = a.judged.confusion if a is not None and of_class else None
        self.confusion.set_counts(confusion, () if a is None else a.judged.labels)
        self._tables = {} if a is None else tables_of(a, n)
        self._show_page()

    @Slot()
    def _show_page(self) -> None:
        a, tabled = self._answers, self.table_button.isChecked()
        names = list(self._tables)
        if a is not None and a.kind == "class" and not tabled and CONFUSION in names:
            names = [CONFUSION]  # beside it the sequences
        if not tabled and WRITTEN in names:
            names.remove(WRITTEN)  # in the picture it stands below the sequence
        chosen = self.show_choice.count() > 1
        self.show_choice.set_choices([(name, name) for name in names])
        if not chosen and names:  # of one there was no choice
            self.show_choice.set_value(names[0])
        self.show_choice.setVisible(len(names) > 1)
        self.show_choice.setFixedWidth(self.show_choice.least_width())
        name = self.show_choice.currentData()
        for button in (self.table_button, self.copy_button):
            button.setVisible(a is not None)
        words = "Show the picture" if tabled else "Show as a table"
        self.table_button.setText("Picture" if tabled else "Table")
        self.table_button.setToolTip(words)
        self.table_button.setAccessibleName(f"Evaluation: {words.lower()}")
        if a is None:
            self.pages.setCurrentWidget(self.nothing)
            self.legend.set_entries(())
            self._hint = ""
        elif tabled:
            self.pages.setCurrentWidget(self.table)
            self.table.set_table(self._tables[name])
            self.legend.set_entries(())
            self._hint = "Ctrl+C copies the selected rows, or all of them."
        else:
            self._show_picture(a, name)
        self.readout.setText(self._words_here() or self._hint)

    def _plots(self) -> tuple[Plot[Any], ...]:
        both = self.forecasts.scatter, self.forecasts.series
        return self.text, self.series, self.scatter, self.answers, self.confusion, *both

    def _words_here(self) -> str:
        """Of the place that the pointer or the keys are at."""
        for plot in self._plots():
            if plot.place is not None and plot.isVisibleTo(self):
                return plot.words_at(plot.place)
        return ""

    def _show_picture(self, a: Answers, name: str) -> None:
        self._hint = _HINTS[a.kind]
        confused = a.judged.confusion is not None
        if a.kind == "class" or name == CONFUSION:
            self.pages.setCurrentWidget(self.classes)
            self.confusion.setVisible(confused)
            self._place_confusion()
            self.answers_area.setVisible(a.kind == "class")
            self.legend.set_entries(self.confusion.legend() if confused else ())
            if a.kind != "class":
                self._hint = _HINTS[CONFUSION]
            return
        if name == SCATTER:
            self.pages.setCurrentWidget(self.forecasts)
            self.legend.set_entries(self.forecasts.legend())
            self._hint = _HINTS["numbers"]
        elif a.kind == "series":
            whole = a.whole if name != SEQUENCE else None
            self.series.set_answers(whole or a, 0 if whole else self.shown)
            self.pages.setCurrentWidget(self.series)
            self.legend.set_entries(self.series.legend())
        elif a.kind == "numbers":
            self.pages.setCurrentWidget(self.scatter)
            self.legend.set_entries(self.scatter.legend())
        else:
            self.pages.setCurrentWidget(self.text_area)
            self.legend.set_entries(self.text.legend())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() >= self.controls.width() + _LEAST_PICTURE
        for part in (self._line, self._beside):
            part.setVisible(room)
        self._place_confusion()

    def _place_confusion(self) -> None:
        """Beside the sequences it takes what it fills, as long as the list keeps its least width."""
        beside = self._answers is not None and self._answers.kind == "class"
        most = self.confusion.filled(self.pages.height()) if beside else _MOST
        room = self.pages.width() - GAP - _LIST
        picture = self.picture_view.width() + GAP
        self.picture_view.setVisible(beside and self.picture_view.is_there and room - picture >= _LEAST_CONFUSION)
        room -= 0 if self.picture_view.isHidden() else picture
        self.confusion.setMaximumWidth(most)
        self.confusion.setMinimumWidth(max(0, min(most, room)) if beside else 0)

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot(int)
    def _pick(self, n: int) -> None:
        self._wanted = n
        if self._answers is not None:
            if self._answers.kind == "series" and self.show_choice.currentData() != SCATTER:
                self.show_choice.set_value(SEQUENCE)
            self._show_sequence()
            self.sequencePicked.emit(n)

    @Slot()
    def copy(self) -> None:
        """The table that belongs to what is shown."""
        name = self.show_choice.currentData()
        if name in self._tables:
            QGuiApplication.clipboard().setText(self._tables[name].csv())

    def take_focus(self) -> None:
        self.picture.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot(str)
    def _said(self, words: str) -> None:
        self.readout.setText(words or self._hint)

    @Slot(QRectF)
    def _reveal_symbol(self, box: QRectF) -> None:
        self.text_area.ensureVisible(round(box.center().x()), round(box.center().y()), 0, round(box.height()) + 30)

    @Slot(QRectF)
    def _reveal_sequence(self, box: QRectF) -> None:
        self.answers_area.ensureVisible(0, round(box.center().y()), 0, round(box.height()))

    @Slot()
    def _restyle(self) -> None:
        self.readout.setFont(theming.small())


def _scrolled(content: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    # Always there: one that comes and goes with the height of the lines changes that height.
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
    return area


def _small(text: str) -> QPushButton:
    made = QPushButton(text)
    made.setProperty("role", "small")
    return made
