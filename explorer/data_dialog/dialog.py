"""Somebody's own data: a file is looked at, its preview is shown, what becomes of it is chosen, and it is brought in.

Nothing of the document changes before `chosen`. Reading goes on in the engine's process, whatever the size of the file;
Cancel and Esc end it.
"""

from __future__ import annotations

import os
import time

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.data.array_columns import arrays_of
from engine.data.peeking import Lines
from engine.data.preview import ArraysPreview, Preview, TablePreview, TextPreview
from engine.data.usual import becomes
from engine.data_requests import LookAt
from explorer.data_dialog.as_read import AsRead
from explorer.data_dialog.failure import Failure, wrapped
from explorer.data_dialog.form import NOWHERE, Form
from explorer.data_dialog.misfits import Misfits
from explorer.data_dialog.preview_view import PreviewView
from explorer.data_dialog.reader import Reader
from explorer.data_dialog.sequences_form import SequencesForm
from explorer.data_dialog.series_form import SeriesForm
from explorer.data_dialog.text_form import TextForm
from explorer.data_dialog.waiting import Waiting
from explorer.data_dialog.words import found_words, noted
from explorer.dock.fields import Segments
from explorer.dock.rows import Sentence
from explorer.theme.tokens import GAP, PAD, ROOM, TIGHT
from explorer.widgets.elided import ElidedLabel, section_label
from explorer.widgets.frames import rule, scrolled

SIZE, LEAST = (980, 660), (640, 500)
FORM_WIDTH = 304
_TICK_MS = 200
FILTER = "Data (*.csv *.tsv *.tab *.psv *.txt *.npy *.npz)"
_BECOMES = [("series", "a series"), ("sequences", "sequences")]


class DataDialog(QDialog):
    """`steps` and `batch_size`: to begin with (engine.data.windows). `every`: its model answers at every step."""

    chosen = Signal(object)
    """The task over the data; the dialog is accepted."""

    def __init__(
        self,
        reader: Reader,
        path: str,
        steps: int,
        batch_size: int,
        every: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open data")
        self._reader, self._path = reader, path
        self._preview: Preview | None = None
        self._began = 0.0
        self._doing = self._consequence = ""
        self.title = ElidedLabel(bold=True)
        self.other = QPushButton("Another &file…")
        self.other.setAutoDefault(False)
        self.found = wrapped("What was detected")
        self.as_read = AsRead()
        self.misfits = Misfits()
        self.waiting = Waiting()
        self.preview = PreviewView()
        self.failure = Failure()
        self.notes = wrapped("What to look at")
        self.becomes = Segments("What it becomes", _BECOMES)
        self.series, self.text = SeriesForm(steps, batch_size, every), TextForm(steps, batch_size)
        self.sequences = SequencesForm(batch_size)
        self.forms = QStackedWidget()
        for form in (self.series, self.text, self.sequences):
            self.forms.addWidget(_in_scroll_area(form))
            form.changed.connect(self._show_choices)
        self.summary = wrapped("What the choices come to", role="")
        self.problem = Sentence("warning", "exploding")
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(120)
        self.progress.setAccessibleName("Reading")
        self.doing = ElidedLabel(tone="muted")
        self.cancel, self.use = QPushButton("Cancel"), QPushButton("&Use These Data")
        self.cancel.setAutoDefault(False)
        self.use.setProperty("role", "primary")
        self.use.setDefault(True)
        self._lay_out()
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self._say_doing)
        self.other.clicked.connect(self._choose_another)
        self.cancel.clicked.connect(self.reject)
        self.use.clicked.connect(self._bring)
        self.as_read.changed.connect(self._look)
        self.misfits.missingChosen.connect(self.as_read.set_missing)
        self.becomes.edited.connect(self._become)
        reader.looked.connect(self._show_preview)
        reader.peeked.connect(self._show_lines)
        reader.brought.connect(self._brought)
        reader.failed.connect(self._failed)
        reader.progressed.connect(self._progressed)
        room = self.screen().availableSize()
        self.setMinimumSize(min(LEAST[0], room.width()), min(LEAST[1], room.height()))
        self.resize(min(SIZE[0], room.width() - ROOM), min(SIZE[1], room.height() - 2 * ROOM))
        self.open_file(path)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.title, 1)
        head.addWidget(self.other)
        left = QVBoxLayout()
        left.setSpacing(TIGHT)
        left.addWidget(self.found)
        left.addWidget(self.as_read)
        left.addWidget(self.misfits)
        left.addWidget(self.waiting, 1)
        left.addWidget(self.failure, 1)
        left.addWidget(self.preview, 1)
        left.addWidget(self.notes)
        right = QVBoxLayout()
        right.setSpacing(TIGHT)
        right.addWidget(section_label("What becomes of it"))
        right.addWidget(self.becomes)
        right.addWidget(self.forms, 1)
        right.addWidget(self.problem)
        self.card = self._summary_card()
        right.addWidget(self.card)
        self.side = QWidget()
        self.side.setFixedWidth(FORM_WIDTH)
        self.side.setLayout(right)
        right.setContentsMargins(0, 0, 0, 0)
        middle = QHBoxLayout()
        middle.setSpacing(ROOM)
        middle.addLayout(left, 1)
        middle.addWidget(self.side)
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addWidget(self.progress)
        foot.addWidget(self.doing, 1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.use)
        column = QVBoxLayout(self)
        column.setContentsMargins(ROOM, PAD, ROOM, PAD)
        column.setSpacing(GAP)
        column.addLayout(head)
        column.addLayout(middle, 1)
        column.addWidget(rule())
        column.addLayout(foot)

    def _summary_card(self) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        column = QVBoxLayout(card)
        column.setContentsMargins(PAD, GAP, PAD, GAP)
        column.addWidget(self.summary)
        return card

    # -- looking ------------------------------------------------------------------------------------------------------

    def open_file(self, path: str) -> None:
        """In place of the one that is shown; everything about it is detected."""
        self._path = path
        self.title.set_text(os.path.basename(path), tip=path)
        self.as_read.forget()
        self._say("", "")
        for part in (self.as_read, self.preview, self.side):
            part.hide()  # they would speak of the file before, or of none
        self.waiting.begin(path)
        self._look()

    def set_consequence(self, sentence: str) -> None:
        """What using the data does besides, to be read before it is done."""
        self._consequence = sentence
        self._show_choices()

    @Slot()
    def _look(self) -> None:
        self._preview = None
        self._begin(f"Reading {os.path.basename(self._path)}")
        self._reader.look(LookAt(self._path, self.as_read.options, self.as_read.as_))

    @Slot(object)
    def _show_preview(self, preview: Preview) -> None:
        self._end()
        self.waiting.hide()
        self._preview = preview
        self.as_read.show_preview(preview)
        self._say(found_words(preview), "", noted(preview))
        self.preview.show_preview(preview)
        self._offer(preview)
        self._show_choices()
        if self.focusWidget() in (None, self.other, self.cancel):
            if isinstance(preview, TablePreview):
                self.becomes.button(self.becomes.value()).setFocus()
            else:
                self.side.setFocus()
                self.side.focusNextChild()

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        """Of looking, where there is no preview; else of bringing in, which leaves the preview as it is."""
        self._end()
        self.waiting.hide()
        if self._preview is None:
            self.preview.clear()
            self.as_read.show_failure(self._path)
            self._say("", sentence)
            self.other.setFocus()
            self._reader.peek(self._path, self.failure.around(), self.as_read.options.encoding)
        else:
            self.problem.set_text(sentence)
            self.use.setEnabled(True)
        self._show_enabled()

    @Slot(object)
    def _show_lines(self, lines: Lines) -> None:
        """What stands there, where there is nothing more to be seen."""
        self.failure.show_lines(lines)
        self.as_read.setVisible(bool(lines.texts))
        self._show_enabled()

    def _say(self, found: str, failure: str, notes: list[str] | None = None) -> None:
        self.found.setText(found)
        self.found.setVisible(bool(found))
        self.failure.say(failure)
        self.preview.setVisible(not failure)
        self.as_read.setVisible(not failure)
        self.other.setAccessibleDescription(failure)
        self.misfits.show_preview(None if failure else self._preview)
        self.notes.setText("\n".join(f"• {note}" for note in (notes or [])[:5]))
        self.notes.setVisible(bool(notes))

    # -- choosing -----------------------------------------------------------------------------------------------------

    @property
    def form(self) -> Form:
        return (self.series, self.text, self.sequences)[self.forms.currentIndex()]

    def _offer(self, preview: Preview) -> None:
        """The forms that fit, and the one that fits best first."""
        self.becomes.setVisible(isinstance(preview, TablePreview))
        if isinstance(preview, TextPreview):
            self.text.set_preview(preview)
            self.forms.setCurrentIndex(1)
        elif isinstance(preview, ArraysPreview):
            if arrays_of(preview).kind == "series":
                self.series.set_preview(preview)
                self.forms.setCurrentIndex(0)
            else:
                self.sequences.set_preview(preview)
                self.forms.setCurrentIndex(2)
        else:
            self.series.set_preview(preview)
            self.sequences.set_preview(preview)
            if self.becomes.value() is None:
                self._become(becomes(preview))
            else:
                self._become(self.becomes.value())

    @Slot(object)
    def _become(self, kind: str) -> None:
        self.becomes.set_value(kind)
        self.forms.setCurrentIndex(0 if kind == "series" else 2)
        self._show_choices()

    @Slot()
    def _show_choices(self) -> None:
        if self._preview is None:
            return
        found = self.form.problem()
        self.problem.set_text(found.sentence if found is not None and found.field == NOWHERE else "")
        said = (self.form.summary(), self._consequence) if found is None else ()
        self.summary.setText("\n".join(filter(None, said)))
        self.card.setVisible(found is None)
        if self.form is self.series:
            self.preview.mark(self.series.list.ticked(), self.series.values["target"])
        elif self.form is self.sequences:
            self.preview.mark(self.sequences.list.ticked(), self.sequences.values["answer"])
        self._show_enabled()

    def _show_enabled(self) -> None:
        busy, there = self._reader.reading, self._preview is not None
        self.as_read.setEnabled(not busy)
        self.misfits.setEnabled(not busy)
        self.side.setEnabled(there and not busy)
        self.side.setVisible(there)
        self.use.setEnabled(there and not busy and self.form.problem() is None)

    @Slot()
    def _choose_another(self) -> None:
        dialog = QFileDialog(self, "Open data", os.path.dirname(self._path), f"{FILTER};;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # -- bringing in --------------------------------------------------------------------------------------------------

    @Slot()
    def _bring(self) -> None:
        if self._preview is None or self._reader.reading or self.form.problem() is not None:
            return
        self.problem.set_text("")
        self._begin(f"Bringing {self._preview.name} in")
        self._reader.bring(self._preview, self.form.choices())

    @Slot(object)
    def _brought(self, task: object) -> None:
        self._end()
        self.accept()
        self.chosen.emit(task)

    def done(self, result: int) -> None:
        self._tick.stop()
        self._reader.let_go()
        super().done(result)

    # -- while it takes a while ---------------------------------------------------------------------------------------

    def _begin(self, doing: str) -> None:
        self._doing, self._began = doing, time.monotonic()
        self._tick.start()
        self.progress.setRange(0, 0)  # until it is known how far it is
        self.progress.setHidden(not self.waiting.isHidden())
        self._say_doing()
        self.side.setEnabled(False)
        self.as_read.setEnabled(False)
        self.misfits.setEnabled(False)
        self.use.setEnabled(False)

    def _end(self) -> None:
        self._tick.stop()
        self.progress.hide()
        self.doing.set_text("")
        self._show_enabled()

    @Slot(float)
    def _progressed(self, share: float) -> None:
        self.waiting.show_share(share)
        self.progress.setRange(0, 100)
        self.progress.setValue(round(100 * share))

    @Slot()
    def _say_doing(self) -> None:
        seconds = time.monotonic() - self._began
        if not self.waiting.isHidden():
            self.waiting.say(seconds)
            return
        self.doing.set_text(f"{self._doing}… {seconds:.0f} s" if seconds >= 1 else f"{self._doing}…")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Enter in a field says that the number is typed, not that everything is chosen; with Ctrl it says both.
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.setFocus()
            self._bring()
        elif enter and isinstance(self.focusWidget(), QLineEdit):
            event.accept()
        else:
            super().keyPressEvent(event)


def _in_scroll_area(form: Form) -> QScrollArea:
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, TIGHT, GAP, TIGHT)
    column.addWidget(form)
    column.addStretch(1)
    return scrolled(holder)
