"""The left column of the evaluation tab: judge, which part, which sequence; and what came of it, in words."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.training_requests import USUAL_BATCHES, USUAL_SEQUENCES
from explorer.analysis.section import Choice
from explorer.evaluation import words
from explorer.evaluation.answers import Answers
from explorer.evaluation.evaluator import Standing
from explorer.evaluation.extent import Extent
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.numbers import short
from explorer.widgets.stepper import Stepper
from explorer.widgets.wrapped import WrappedLabel, height_of, lines_needed

WIDTH = 248
JUDGE, STOP = "Evaluate", "Stop"
_BLINK_MS = 150
"""What is answered sooner does not flicker."""
_MOST_LINES = 8
_SETTINGS = 1
"""The place in the column, where that has room."""
_ROWS = ("iteration", "extent", "metric", "loss", "baseline")
_TIPS = {
    "iteration": "The iteration that has been evaluated",
    "extent": "The part of the data that has been evaluated, and how much of it",
    "metric": "Over everything that was evaluated",
    "loss": "The mean over all answers",
    "baseline": "The loss of answers that have learned nothing",
}
_AMOUNTS: tuple[tuple[int | None, str], ...] = (
    (None, "as usual"),
    (500, "500 sequences"),
    (5000, "5,000 sequences"),
)


class EvaluationControls(QScrollArea):
    judgeWanted = Signal()
    stopWanted = Signal()
    extentPicked = Signal(object)
    """Extent"""
    sequencePicked = Signal(int)
    """From 0."""
    automaticPicked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._standing = Standing("nothing")
        self._nothing = ""
        self.setFixedWidth(WIDTH)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has the focus
        self.setAccessibleName("What is evaluated")
        self.judge_button = QPushButton(JUDGE)
        self.judge_button.setProperty("role", "primary")
        self.part = Choice("Part of the data that is evaluated", words.PARTS)
        self.amount = Choice("How much of it is evaluated", _AMOUNTS)
        self.amount.setToolTip(
            f"As usual: {USUAL_BATCHES} batches of what is generated; of data held back {USUAL_SEQUENCES} sequences, "
            "or all where there are no more, evenly over the part. Otherwise so many sequences; of what is generated, "
            "the batches that have them"
        )
        self.sequence = Stepper("Sequence that is shown")
        self.automatic = QCheckBox("by itself")
        self.automatic.setChecked(True)
        self.automatic.setToolTip("Evaluate whenever the stage has come to rest at another iteration")
        self.automatic.setAccessibleName("Evaluate by itself when the stage rests")
        self.names = {name: ElidedLabel(name, tone="muted", least=66) for name in _ROWS}
        self.values = {name: ElidedLabel("–", least=40) for name in _ROWS}
        self._against = self._source = ""
        self.sentence = WrappedLabel(tone="muted", most=_MOST_LINES)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.sentence.setMinimumHeight(height_of(2))
        self.sentence.setMaximumHeight(height_of(_MOST_LINES))

        first = QHBoxLayout()
        first.setSpacing(TIGHT)
        first.addWidget(self.judge_button, 1)
        first.addWidget(self.part, 1)
        self._settings = QWidget()
        second = QHBoxLayout(self._settings)
        second.setContentsMargins(0, 0, 0, 0)
        second.setSpacing(TIGHT)
        second.addWidget(self.automatic, 1)
        second.addWidget(self.amount, 1)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        for row, name in enumerate(_ROWS):
            self.names[name].set_text(name, tip=_TIPS[name])
            grid.addWidget(self.names[name], row, 0)
            grid.addWidget(self.values[name], row, 1)
        inside = QWidget()
        self._column = column = QVBoxLayout(inside)
        column.setContentsMargins(PAD, GAP, PAD, 0)
        column.setSpacing(TIGHT)
        column.addLayout(first)
        column.addWidget(self._settings)
        column.addWidget(self.sequence)
        column.addLayout(grid)
        column.addWidget(self.sentence)
        column.addStretch(1)
        self.setWidget(inside)
        inside.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

        self._blink = QTimer(self)
        self._blink.setSingleShot(True)
        self._blink.setInterval(_BLINK_MS)
        self._blink.timeout.connect(self._show_standing)
        self.judge_button.clicked.connect(self._judge)
        self.part.chosen.connect(self._extent)
        self.amount.chosen.connect(self._extent)
        self.sequence.picked.connect(self._sequence)
        self.automatic.toggled.connect(self.automaticPicked)
        self.set_answers(None)

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_answers(self, answers: Answers | None) -> None:
        if answers is None:
            for label in self.values.values():
                label.set_text("–")
            for name, words_of in (("extent", "part"), ("metric", "metric"), ("loss", "loss")):
                self.names[name].set_text(words_of)
            self._against = self._source = ""
            self._show_standing()
            self.set_sequence(0, 0)
            return
        judged = answers.judged
        self.names["extent"].set_text(dict(words.PARTS)[judged.part])
        self.names["metric"].set_text(words.metric_name(judged))
        scaled = words.in_units(answers)
        self.names["loss"].set_text("scaled loss" if scaled else "loss", tip=scaled or _TIPS["loss"])
        self.values["iteration"].set_text(f"{answers.iteration:,}")
        self.values["extent"].set_text(words.extent(judged), tip=words.how_much(judged))
        self.values["metric"].set_text(
            ", ".join(part for part in (words.metric_value(judged), answers.counted) if part)
        )
        self.values["loss"].set_text(short(judged.loss, 4), tip=scaled)
        self.values["baseline"].set_text("not known" if judged.baseline is None else short(judged.baseline, 4))
        self.names["baseline"].set_text("baseline", tip=words.repeating(judged) or _TIPS["baseline"])
        self._against = " ".join(one for one in (words.against_both(judged), words.running_free(answers)) if one)
        self._source = words.whose_measure(judged)
        self._show_standing()

    def set_sequence(self, n: int, count: int, evaluated: int = 0) -> None:
        """From 0; of so many to look at. `evaluated`: all that were, of which these may be the first alone."""
        few = evaluated > count
        self.sequence.setEnabled(count > 1)
        self.sequence.set_words("sequence ", f" of the first {count:,}" if few else f" of {max(1, count):,}")
        said = f"{evaluated:,} sequences were evaluated; the first {count:,} of them can be looked at" if few else ""
        self.sequence.setToolTip(said)
        self.sequence.set_value(n + 1, 1, max(1, count))

    def set_nothing(self, sentence: str) -> None:
        """Why nothing can be judged."""
        if sentence != self._nothing:
            self._nothing = sentence
            self._show_standing()

    def set_standing(self, standing: Standing) -> None:
        began = standing.kind == "computing" and self._standing.kind != "computing"
        self._standing = standing
        if began:
            self._blink.start()
        elif not (standing.kind == "computing" and self._blink.isActive()):
            self._blink.stop()
            self._show_standing()

    @Slot()
    def _show_standing(self) -> None:
        standing = self._standing
        computing = standing.kind == "computing"
        self.judge_button.setText(STOP if computing else JUDGE)
        self.judge_button.setAccessibleName("Stop evaluating" if computing else JUDGE)
        self.judge_button.setToolTip(
            "Stop evaluating" if computing else "Evaluate the iteration on the stage (Ctrl+Shift+J)"
        )
        self.judge_button.setEnabled(standing.kind != "nothing")
        said = {
            "computing": "Being evaluated…",
            "failed": standing.sentence,
            "stopped": "Stopped. Evaluate begins anew.",
            "resting": "While training runs it evaluates only now and then. Evaluate does it now.",
            "waiting": "" if self.automatic.isChecked() else "The iteration on the stage has not been evaluated.",
            "nothing": self._nothing,
        }.get(standing.kind, "")
        if standing.stale and self._against and standing.kind in ("failed", "stopped", "waiting") and said:
            said = f"{said} The numbers are of what was evaluated before."
        tone = "muted" if standing.stale else "text"
        for label in self.values.values():
            label.set_text(label.text(), tone=tone)
        if standing.kind == "failed":
            tone = "exploding"
        tip = said or "\n".join(one for one in (self._against, self._source) if one)
        self.sentence.set_text(said or self._against, tone=tone, tip=tip)
        self._place_sentence()

    def _place_sentence(self) -> None:
        """In small letters where the column would be scrolled for it. Where it is scrolled all the same, the numbers
        come before what is seldom set."""
        said, width = self.sentence.text(), WIDTH - 2 * PAD
        self._column.activate()  # the rows above it are where they will be
        at_the_end = self._column.indexOf(self._settings) != _SETTINGS
        above = self._settings.height() + TIGHT if at_the_end else 0
        room = self.viewport().height() - self.sentence.y() - above
        for small, beside in ((False, 0), (True, 0), (True, self.verticalScrollBar().sizeHint().width())):
            lines = max(2, lines_needed(said, width - beside, _MOST_LINES, small=small))
            high = height_of(lines, small=small)
            if high <= room:
                break
        self.sentence.set_small(small)
        self.sentence.setMinimumHeight(high)
        if (high > room) is not at_the_end:
            self._column.removeWidget(self._settings)
            self._column.insertWidget(_SETTINGS if high <= room else self._column.count() - 1, self._settings)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_sentence()

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot()
    def _judge(self) -> None:
        if self.judge_button.text() == STOP:
            self.stopWanted.emit()
        else:
            self.judgeWanted.emit()

    @Slot()
    def _extent(self) -> None:
        self.extentPicked.emit(Extent(self.part.currentData(), self.amount.currentData()))

    @Slot(int)
    def _sequence(self, number: int) -> None:
        self.sequencePicked.emit(number - 1)
