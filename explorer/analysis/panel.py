"""The analysis panel: four sections about the trace on screen. What is closed is not computed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFontMetricsF, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.analysis_requests import MOST_FLOW_STEPS, Which
from engine.quantities import quantities
from explorer.analysis import flow_sums, words
from explorer.analysis.chains import (
    Choice,
    FlowChoice,
    FlowResult,
    HistogramChoice,
    Result,
    SpectrumChoice,
    SpectrumResult,
    WeightsChoice,
    WeightsResult,
)
from explorer.analysis.desk import Standing
from explorer.analysis.eigen_view import EigenView
from explorer.analysis.flow_sums import CURVES
from explorer.analysis.flow_view import FlowView
from explorer.analysis.histogram_view import HistogramView
from explorer.analysis.section import Choice as ChoiceBox
from explorer.analysis.section import Section, Words
from explorer.analysis.spectrum_view import SpectrumView
from explorer.analysis.subject import Subject
from explorer.analysis.tables import table_of
from explorer.stage.scales import DEFAULT_DECADES
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets.elided import section_label

SECTIONS = ("flow", "weights", "spectrum", "histogram")
NOTHING = (
    "What a trace is as a whole will be here: which loss reaches which step, eigenvalues and singular values, and how "
    "large the gradients are."
)
_MARKS = "A click or Enter marks both steps on the stage."
_DOTS = "● inside, ▲ outside, ◆ on the unit circle. Point at one, or use the arrow keys, for its exact value."
_SIGMAS = "Of each step's Jacobian, and of the product back from the last step. −∞: a dead direction."
_BARS = "Two bars a decade of |·|, in the stage's colours; at the sides what is no number on its scale."


class AnalysisPanel(QWidget):
    """Told the subject, results and standings; tells what is open and chosen."""

    questionsChanged = Signal(dict)
    """A Choice for each section that is open, by name."""
    cancelRequested = Signal(str)
    againRequested = Signal(str)
    openChanged = Signal(tuple)
    """The names of the sections that are open now."""
    pairPicked = Signal(int, int)
    """Loss step t and source step k, from 1."""
    pairDropped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Analysis")
        self._subject: Subject | None = None
        self._decades = DEFAULT_DECADES
        self._weights: WeightsResult | None = None
        self._back_to = 1
        self._followed = ""
        self.flow = FlowView()
        self.eigen = EigenView()
        self.spectrum = SpectrumView()
        self.histogram = HistogramView()
        self.sections = {
            "flow": Section("Flow matrix", self.flow, _MARKS),
            "weights": Section("Eigenvalues of Wₕₕ", self.eigen, _DOTS),
            "spectrum": Section("Singular values", self.spectrum, _SIGMAS),
            "histogram": Section("Gradient magnitudes", self.histogram, _BARS),
        }
        self.layer = ChoiceBox("Layer that is analysed")
        self.which = ChoiceBox("Steps of the flow matrix", [("thinned", "evenly spaced"), ("last", "the last steps")])
        self.curve = ChoiceBox("Curve beside the flow matrix", list(CURVES.items()))
        self.block = ChoiceBox("Block of W_hh")
        self.key = ChoiceBox("Gradient of the histogram")
        self._build()
        for name, section in self.sections.items():
            section.setObjectName(name)
            section.opened.connect(self._opened)
            section.cancelRequested.connect(self._cancel)
            section.againRequested.connect(self._again)
            section.set_table(None)
        for box in (self.layer, self.which, self.key):
            box.chosen.connect(self._ask)
        self.layer.chosen.connect(self._fill_keys)
        self.curve.chosen.connect(self.flow.set_curve)
        self.block.chosen.connect(self._show_weights)
        self.flow.pairPicked.connect(self.pairPicked)
        self.flow.pairDropped.connect(self.pairDropped)
        theming.notifier().changed.connect(self._restyle)
        self._restyle()

    def _build(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(PAD, GAP, GAP, TIGHT)
        head.setSpacing(GAP)
        head.addWidget(section_label("Analysis"), 1)
        head.addWidget(self.layer, 2)
        self._choices = QGridLayout()
        self._choices.setSpacing(TIGHT)
        self._choices.addWidget(self.which, 0, 0)
        self._choices.addWidget(self.curve, 0, 1)
        for place in (0, 1):
            self._choices.setColumnStretch(place, 1)
        self.sections["flow"].controls.addLayout(self._choices)
        self.whole = QPushButton("Whole matrix")
        self.whole.setCheckable(True)
        self.whole.setProperty("role", "small")
        self.whole.setAccessibleName("Whole flow matrix")
        # As wide as it is when it is on, in bold.
        bold = QFontMetricsF(theming.small(bold=True))
        self.whole.setMinimumWidth(round(bold.horizontalAdvance(self.whole.text())) + 22)
        self.whole.setToolTip("Show what the tape has not reached yet, too")
        self.whole.toggled.connect(self._show_whole)
        self._choices.addWidget(self.whole, 0, 2)
        self._placed = 0, True
        self.weights_words = Words("Eigenvalues of Wₕₕ")
        beside = QVBoxLayout()
        beside.setSpacing(GAP)
        beside.addWidget(self.block)
        beside.addWidget(self.weights_words)
        beside.addStretch(1)
        picture = self.sections["weights"].picture
        picture.addLayout(beside, 1)
        picture.setStretch(0, 100)  # the plane is as large as there is room for
        self.sections["histogram"].controls.addWidget(self.key, 1)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, PAD)
        column.setSpacing(0)
        for section in self.sections.values():
            rule = QFrame()
            rule.setProperty("role", "rule")
            rule.setFixedHeight(1)
            column.addWidget(rule)
            column.addWidget(section)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Always there: a bar that comes and goes with the height of wrapped text changes that height, without end.
        self.area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.area.verticalScrollBar().rangeChanged.connect(self._show_bar)
        self._show_bar(0, 0)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(inside)
        inside.setAutoFillBackground(False)
        self.area.viewport().setAutoFillBackground(False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(head)
        outer.addWidget(self.area, 1)
        self.nothing = QLabel(NOTHING)
        self.nothing.setWordWrap(True)
        self.nothing.setProperty("role", "muted")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.nothing.setContentsMargins(PAD, 0, PAD, PAD)
        self.nothing.hide()
        outer.addWidget(self.nothing, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.layer.hide()
        self.which.hide()

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_subject(self, subject: Subject | None) -> None:
        """The trace on screen; None: another document is on its way."""
        self._subject = subject
        if subject is None:
            self._followed = ""
            self.layer.hide()
            return
        layers = [(one.key, one.words) for one in subject.layers]
        known = self.layer.currentData() in [key for key, _ in layers]
        followed, self._followed = self._followed, subject.layer
        follows = subject.layer != followed and subject.layer in [key for key, _ in layers]
        self.layer.set_choices(layers)
        if follows:  # the layer that was chosen for the cell panel; until then, one that was chosen here stays
            self.layer.set_value(subject.layer)
        elif not known:
            # That which the read-out reads, forward; only of a recorded trace may there be no other than a reverse one.
            forward = [key for key, _ in layers if not key.endswith("_reverse")] or [layers[-1][0]]
            self.layer.set_value(forward[-1])
        self.layer.setVisible(len(layers) > 1)
        long = subject.steps > MOST_FLOW_STEPS
        self.which.setVisible(long)
        self.which.set_choices(
            [
                ("thinned", f"every {flow_sums.ordinal(-(-subject.steps // MOST_FLOW_STEPS))} step"),
                ("last", f"the last {MOST_FLOW_STEPS} steps"),
            ]
        )
        self._place_choices()
        self._fill_keys()
        self._ask()

    def set_empty(self, empty: bool) -> None:
        """There is nothing to analyse yet: what will be here."""
        if empty == self.nothing.isHidden():
            self.nothing.setVisible(empty)
            self.area.setVisible(not empty)

    def set_decades(self, low: int, high: int) -> None:
        """The stage's gradient scale."""
        self._decades = (low, high)
        self.flow.set_decades(low, high)
        self._ask()

    def set_pair(self, pair: tuple[int, int] | None) -> None:
        """The pair that is marked on the stage."""
        self.flow.set_picked(pair)

    def set_reached(self, back_to: int) -> None:
        """The earliest step whose gradients the tape has come back to: what is measured of those before it is not
        given away."""
        whole = self._tells
        self._back_to = back_to
        self.flow.set_reached(back_to)
        if self._tells != whole:
            self._say_half_life()

    @property
    def _tells(self) -> bool:
        """Whether what rests on the whole way back is said."""
        return self._back_to <= 1 or self.whole.isChecked()

    @Slot(bool)
    def _show_whole(self, whole: bool) -> None:
        self.flow.set_whole(whole)
        self._say_half_life()

    def set_open(self, names: tuple[str, ...]) -> None:
        for name, section in self.sections.items():
            section.set_open(name in names)

    def open_sections(self) -> tuple[str, ...]:
        return tuple(name for name, section in self.sections.items() if section.is_open)

    @Slot(str, object)
    def show_standing(self, name: str, standing: Standing) -> None:
        self.sections[name].set_standing(standing)

    @Slot(str, object)
    def show_result(self, name: str, result: Result | None) -> None:
        """None: there is nothing of this document yet."""
        section = self.sections[name]
        section.set_table(None if result is None else table_of(result, self.block.currentIndex()))
        if isinstance(result, FlowResult) or name == "flow":
            assert result is None or isinstance(result, FlowResult)
            self.flow.set_result(result)
            section.words.set_words("" if result is None else self._extent(result))
            section.set_hint(_MARKS if result is None else self._flow_hint(result))
        elif isinstance(result, WeightsResult) or name == "weights":
            assert result is None or isinstance(result, WeightsResult)
            self._weights = result
            self._show_weights()
        elif isinstance(result, SpectrumResult) or name == "spectrum":
            assert result is None or isinstance(result, SpectrumResult)
            self.spectrum.set_result(result)
            section.words.set_words("" if result is None else _spectrum_words(result))
        else:
            self.histogram.set_result(result)
            section.words.set_words("" if result is None else words.histogram(result))

    def _extent(self, result: FlowResult) -> str:
        said = [flow_sums.extent_words(result)]
        if self._subject is not None and self._subject.truncated:
            said.append("The whole gradient of each loss: truncation is not applied here.")
        return " ".join(part for part in said if part)

    def _flow_hint(self, result: FlowResult) -> str:
        batch = self._subject.batch_size if self._subject is not None else 1
        one = "One loss, so one row" if result.total_losses == 1 else ""
        mean = f"{'mean' if one else 'Mean'} over {batch:,} samples" if batch > 1 else ""
        said = ", ".join(part for part in (one, mean) if part)
        return f"{said}. {_MARKS}" if said else _MARKS

    @Slot()
    def _show_weights(self) -> None:
        result = self._weights
        section = self.sections["weights"]
        if result is None:
            self.eigen.set_part(None)
            self.weights_words.set_words("")
            section.words.set_words("")
            self.block.hide()
            return
        self.block.set_choices([(n, f"block of {name}") for n, name in enumerate(result.blocks)])
        self.block.setVisible(len(result.blocks) > 1)
        number = max(0, self.block.currentIndex())
        part = result.parts[number] if number < len(result.parts) else None
        self.eigen.set_part(part)
        self.weights_words.set_words("" if part is None else words.radius(part))
        self._say_half_life()
        section.set_table(None if part is None else table_of(result, number))

    def _say_half_life(self) -> None:
        slope = None if self._weights is None else self._weights.slope
        said = (
            "" if slope is None else words.sentence(words.half_life(slope)) if self._tells else words.NO_HALF_LIFE_YET
        )
        self.sections["weights"].words.set_words(said)

    # -- tells --------------------------------------------------------------------------------------------------------

    @Slot()
    def _fill_keys(self) -> None:
        if self._subject is None:
            return
        layer = next(one for one in self._subject.layers if one.key == self.layer.currentData())
        kinds = {"state": 0, "preactivation": 1}
        found = sorted(quantities(layer.cell), key=lambda q: kinds.get(q.kind, 2))
        self.key.set_choices([(f"grads.{q.symbol}", f"∂L/∂{q.symbol} · {q.title.lower()}") for q in found])

    def questions(self) -> dict[str, Choice]:
        """Of what is open, and of nothing while the panel is not to be seen."""
        if self._subject is None or not self.isVisible():
            return {}
        layer = self.layer.currentData()
        self.flow.set_reverse(layer.endswith("_reverse"))
        which: Which = self.which.currentData() if self._subject.steps > MOST_FLOW_STEPS else "thinned"
        choices: dict[str, Choice] = {
            "flow": FlowChoice(layer, which),
            "weights": WeightsChoice(layer),
            "spectrum": SpectrumChoice(layer),
            "histogram": HistogramChoice(layer, self.key.currentData() or "grads.h", *self._decades),
        }
        return {name: choices[name] for name in self.open_sections()}

    @Slot(int, int)
    def _show_bar(self, low: int, high: int) -> None:
        """Its handle is not to be seen where there is nothing to scroll."""
        self.area.verticalScrollBar().setEnabled(high > low)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.flow.set_room(self.width())
        self._place_choices()

    def _place_choices(self) -> None:
        """Both choices and the button in one line where all their words have room, else in two."""
        parts = [one.whole_width() for one in (self.which, self.curve) if not one.isHidden()]
        parts.append(self.whole.sizeHint().width())
        room = self.width() - self.area.verticalScrollBar().sizeHint().width() - PAD - GAP
        row = 0 if sum(parts) + TIGHT * (len(parts) - 1) <= room else 1
        beside = row == 0 and len(parts) > 2
        if (row, beside) == self._placed:
            return
        self._placed = row, beside
        for one in (self.which, self.curve, self.whole):
            self._choices.removeWidget(one)
        self._choices.addWidget(self.which, 0, 0, 1, 1 if beside else 3)
        self._choices.addWidget(self.curve, row, 1 if beside else 0, 1, 1 if beside else 2)
        self._choices.addWidget(self.whole, row, 2)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._ask()

    @Slot()
    def _ask(self) -> None:
        self.questionsChanged.emit(self.questions())

    @Slot()
    def _opened(self) -> None:
        self.openChanged.emit(self.open_sections())
        self._ask()

    @Slot()
    def _cancel(self) -> None:
        self.cancelRequested.emit(self.sender().objectName())

    @Slot()
    def _again(self) -> None:
        self.againRequested.emit(self.sender().objectName())

    @Slot()
    def _restyle(self) -> None:
        self.setAutoFillBackground(True)
        palette = self.palette()
        palette.setColor(self.backgroundRole(), theming.current().surface)
        self.setPalette(palette)


def _spectrum_words(result: SpectrumResult) -> str:
    parts = [words.extent(result), words.singular(result), words.lyapunov(result)]
    if result.slope is not None:
        parts.append(words.bound(result.slope))
    return "\n".join(part for part in parts if part)
