"""The left column of the training tab: start and pause, so many iterations on, until a bound; and its numbers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from engine.task_facts import METRIC_NAMES, Metric
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, SMALL_PX, TIGHT
from explorer.training.summary import TrainButton
from explorer.training.words import LATELY, Figures
from explorer.widgets.elided import ElidedLabel

WIDTH = 280
_ROWS = {
    "newest": ("iteration", "The last one that training has come to: so many are done"),
    "shown": ("on the stage", "The iteration on the stage, and its loss as it was trained on"),
    "loss": ("loss", "Of the last iteration that was trained on, before its update; scaled: of the scaled numbers"),
    "lately": ("lately", LATELY),
    "baseline": (
        "baseline",
        "The loss of answers that have learned nothing; of series also that of the last value repeated",
    ),
    "gradient": (
        "grad norm",
        "Norm of the gradient of all parameters at the last iteration that was trained on; before → after clipping",
    ),
    "clipped": ("clipped", "Share of the last 100 iterations whose gradient was clipped"),
    "validation": ("validation", "The loss of the part that is held back, at the last evaluation"),
    "metric": ("metric", "Of the part that is held back, at the last evaluation; an RMSE in the units of the data"),
    "took": ("time", "How long an iteration takes, lately"),
}
"""What they are called, and what they are."""


class Controls(QWidget):
    trainToggled = Signal()
    advanceWanted = Signal(int)
    untilWanted = Signal(str)
    """As it was typed: an iteration, or a bound on an evaluation."""
    settingsWanted = Signal()
    """Where rate and clipping are set is to be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self._metric = _ROWS["metric"][0]
        """What the evaluations of the task will have, before there is one."""
        self.train_button = TrainButton()
        self.one_button = _small("one", "One iteration", "The next iteration (Ctrl+Alt+1)")
        self.ten_button = _small("ten", "Ten iterations", "The next ten iterations (Ctrl+Alt+0)")
        self.until_field = QLineEdit()
        self.until_field.setAccessibleName("Iteration or bound to train until")
        self.until_field.setClearButtonEnabled(False)
        self.until_button = _small("until", "Train until", "Train until the iteration or the bound beside it")
        self.values = {name: ElidedLabel(least=40) for name in _ROWS}
        self.names = {
            name: ElidedLabel(words, tone="muted", least=76) for name, (words, _) in _ROWS.items() if name != "took"
        }
        first = QHBoxLayout()
        first.setSpacing(TIGHT)
        first.addWidget(self.train_button, 1)
        first.addWidget(self.one_button)
        first.addWidget(self.ten_button)
        second = QHBoxLayout()
        second.setSpacing(TIGHT)
        second.addWidget(self.until_button)
        second.addWidget(self.until_field, 1)
        self.settings_button = QPushButton()
        self.settings_button.setProperty("role", "small")
        self.settings_button.setAccessibleName("Settings of the training")
        self.settings_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.settings_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        third = QHBoxLayout()
        third.setSpacing(GAP)
        third.addWidget(self.settings_button, 1)
        third.addWidget(self.values["took"])
        grid = QGridLayout()
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        for row, name in enumerate(self.names):
            self.names[name].set_text(_ROWS[name][0], tip=_ROWS[name][1])
            grid.addWidget(self.names[name], row, 0)
            grid.addWidget(self.values[name], row, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(PAD, GAP, GAP, TIGHT)
        column.setSpacing(TIGHT)
        column.addLayout(first)
        column.addLayout(second)
        column.addLayout(third)
        column.addLayout(grid)
        column.addStretch(1)

        self.settings_button.clicked.connect(self.settingsWanted)
        self.train_button.clicked.connect(self.trainToggled)
        self.one_button.clicked.connect(self._one)
        self.ten_button.clicked.connect(self._ten)
        self.until_button.clicked.connect(self._until)
        self.until_field.returnPressed.connect(self._until)

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_running(self, *, running: bool) -> None:
        self.train_button.set_running(running=running)

    def set_available(self, available: bool) -> None:
        for part in (self.train_button, self.one_button, self.ten_button, self.until_button, self.until_field):
            part.setEnabled(available)

    def set_metric(self, metric: Metric) -> None:
        """What a bound can be on, beside the loss."""
        self._metric = METRIC_NAMES[metric]
        example = "> 99 %" if metric == "accuracy" else "< 0.1"
        self.until_field.setPlaceholderText("500, or loss < 0.02")
        self.until_field.setToolTip(
            f"An iteration (500), or a bound on the validation part: loss < 0.02, {METRIC_NAMES[metric]} {example}"
        )

    def set_settings(self, words: str) -> None:
        """With what training goes on: "rate 0.003 · clip norm 1"."""
        self.settings_button.setText(words)
        self.settings_button.setAccessibleName(f"Settings of the training: {words}")
        self.settings_button.setToolTip(
            f"Training goes on with {words}. Goes to where they are set, in the model panel"
        )

    def forget_until(self) -> None:
        """Another document: what was typed was of the old one."""
        self.until_field.clear()

    def set_figures(self, figures: Figures) -> None:
        for name, label in self.values.items():
            label.set_text(getattr(figures, name), tip=_ROWS[name][1] if name == "took" else "")
        self.names["metric"].set_text(figures.metric_name or self._metric)
        self.names["loss"].set_text(figures.loss_name)

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot()
    def _one(self) -> None:
        self.advanceWanted.emit(1)

    @Slot()
    def _ten(self) -> None:
        self.advanceWanted.emit(10)

    @Slot()
    def _until(self) -> None:
        if self.until_field.text().strip():
            self.untilWanted.emit(self.until_field.text())
        else:
            self.until_field.setFocus(Qt.FocusReason.ShortcutFocusReason)


def _small(text: str, name: str, tip: str) -> QPushButton:
    made = QPushButton(text)
    made.setAccessibleName(name)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    made.setFixedWidth(QFontMetrics(theming.font()).horizontalAdvance(text) + 2 * PAD + SMALL_PX // 2)
    return made
