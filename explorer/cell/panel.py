"""The cell panel: the cell at the cursor as a circuit, its equations with their numbers, and what clipping did."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QAction, QFontMetricsF, QGuiApplication, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from engine.quantities import CELL_TITLES
from engine.requests import Excerpt
from engine.tape import Moment, Phase, Tape
from engine.within import Within
from explorer.cell.circuit import CircuitView
from explorer.cell.clip_card import ClipCard
from explorer.cell.equations_view import EquationsView, Shown
from explorer.cell.layer_picker import LayerPicker, title_of
from explorer.cell.line import Line
from explorer.cell.numbers_view import NumbersView
from explorer.cell.reach import Reached, inside_of, reached_at
from explorer.cell.readings import Readings
from explorer.cell.routes_view import RoutesView
from explorer.cell.unit_picker import UnitPicker
from explorer.theme import current as theme
from explorer.theme.tokens import GAP, PAD, TIGHT

_NBSP = "\u00a0"
NOTHING = (
    "The cell at the playhead will be here: a circuit, its equations with the numbers filled in, and where the "
    "gradient goes.\n\nAdd a layer to the model: its cell is computed at once."
)


class CellPanel(QWidget):
    """Told an excerpt once and a position of the tape often; asks for a unit with `unitPicked` (int, or None for all),
    for a layer with `layerPicked`.

    The numbers are those of the excerpt's unit: until the answer for another unit is there, they stay what they are
    and say whose they are.
    """

    unitPicked = Signal(object)
    layerPicked = Signal(str)
    copied = Signal(str)
    """What went to the clipboard, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cell")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumWidth(280)
        self._excerpt: Excerpt | None = None
        self._tape: Tape | None = None
        self._position = 0
        self._within: Within | None = None
        self._readings = Readings(None)
        self._visible: tuple[bool, bool, bool] | None = None
        """What `_set_visible` was told last; None: nothing is there."""

        self._heading = Line("section", self)
        self._heading.set_text("CELL")
        self._sample = Line("muted", self)
        self._operation = Line("muted", self)
        self._layer = LayerPicker(self)
        self._layer.picked.connect(self.layerPicked)
        self._unit = UnitPicker(self)
        self._unit.picked.connect(self.unitPicked)

        self._nothing = QLabel(NOTHING, self)
        self._nothing.setWordWrap(True)
        self._nothing.setProperty("role", "muted")
        self._nothing.hide()
        self._circuit = CircuitView(self)
        self._scale = Line("muted", self)
        self._what_if = Line("muted", self)
        self._padding = QLabel(self)
        self._padding.setWordWrap(True)
        self._padding.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._padding.setProperty("role", "muted")
        self._clip = ClipCard(self)
        self._clip.hide()
        self._cell_heading = Line("section", self)
        self._cell_heading.hide()
        self._cell_sample = Line("muted", self)
        self._cell_sample.hide()
        self._routes_heading = Line("section", self)
        self._routes = RoutesView(self)
        self._equations = EquationsView(self)

        head = QVBoxLayout()
        head.setContentsMargins(PAD, GAP, PAD, GAP)
        head.setSpacing(TIGHT)
        self._first, self._second = QHBoxLayout(), QHBoxLayout()
        titles = QVBoxLayout()
        titles.setSpacing(0)
        for label in (self._heading, self._sample, self._operation):  # one or the other of these two
            titles.addWidget(label)
        self._first.addLayout(titles, 1)
        self._first.addWidget(self._unit, 0, Qt.AlignmentFlag.AlignRight)
        self._second.addWidget(self._layer)
        self._second.addStretch(1)
        for row in (self._first, self._second):
            head.addLayout(row)

        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(PAD, 0, GAP, PAD)
        column.setSpacing(TIGHT)
        above: list[QWidget] = [self._nothing, self._padding, self._circuit, self._scale, self._what_if, self._clip]
        below: list[QWidget] = [
            self._cell_heading,
            self._cell_sample,
            self._routes_heading,
            self._routes,
            self._equations,
        ]
        for part in above:
            column.addWidget(part)
        column.addSpacing(GAP)
        for part in below:
            column.addWidget(part)
        column.addStretch(1)
        for view in (self._circuit, self._routes, self._equations):
            view.copied.connect(self.copied)
            view.ringMoved.connect(self._ring_moved)

        self._scroll = QScrollArea(self)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(self._inside)

        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(head)
        outer.addWidget(self._scroll, 1)

        copy = QAction("Copy the numbers", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        copy.triggered.connect(self.copy_numbers)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        theme.notifier().changed.connect(self._restyle)
        self._restyle()
        self._show()

    # -- told from above

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        """Show a trace; None: there is none yet."""
        self._excerpt = excerpt
        self._tape = None if excerpt is None else Tape(excerpt.steps)
        if excerpt is not None:
            self._unit.answered(excerpt.unit, excerpt.focus.hidden_size)
            self._layer.set_layers(excerpt.layers, excerpt.layer)
        else:
            self._layer.set_layers({}, "")
        self._second_row(excerpt is not None and len(excerpt.layers) > 1)
        self._readings = Readings(excerpt)
        self._circuit.set_excerpt(excerpt, self._readings)
        self._routes.set_excerpt(excerpt)
        self._equations.set_excerpt(excerpt, self._readings)
        self._clip.set_excerpt(excerpt)
        self._show()

    def set_empty(self, empty: bool) -> None:
        """The model has no layer yet: what will be here, and how to get it."""
        if empty == self._nothing.isHidden():
            self._nothing.setVisible(empty)
            self._unit.setVisible(not empty)

    def set_position(self, position: int, within: Within | None = None) -> None:
        """The tape stands here, and so far inside the step. Looks things up, computes nothing."""
        if (position, within) != (self._position, self._within):
            self._position, self._within = position, within
            self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_head()

    def _fit_head(self) -> None:
        """What does not fit beside each other in the head stands below each other: large text, a narrow panel."""
        metrics = QFontMetricsF(self._heading.font_of_look)
        room = self.width() - 2 * PAD - TIGHT
        heading = metrics.horizontalAdvance("LSTM CELL AT t =")
        for row, beside in ((self._first, heading), (self._second, self._layer.sizeHint().width())):
            narrow = beside + self._unit.sizeHint().width() > room and row.indexOf(self._unit) >= 0
            way = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
            if row.direction() != way:
                row.setDirection(way)

    def _second_row(self, several: bool) -> None:
        """With several layers there is a row of choosers; else the unit's stands beside the heading."""
        row = self._second if several else self._first
        if row.indexOf(self._unit) < 0:
            (self._first if several else self._second).removeWidget(self._unit)
            row.addWidget(self._unit, 0, Qt.AlignmentFlag.AlignRight)
        self._fit_head()

    def set_unit(self, unit: object) -> None:
        """What the selector shows: a unit's number, or None for all. Does not ask for it."""
        self._unit.set_unit(unit if isinstance(unit, int) else None)

    # -- what is on the screen

    @property
    def moment(self) -> Moment | None:
        if self._tape is None:
            return None
        return self._tape.moment(max(0, min(self._position, len(self._tape) - 1)))

    def shown(self) -> list[Shown]:
        """The equations with what stands under their symbols."""
        return self._equations.shown()

    @property
    def heading(self) -> str:
        return self._heading.text().replace(_NBSP, " ")

    @property
    def cell_heading(self) -> Line:
        """Names the cell where the heading is that of the parameters."""
        return self._cell_heading

    @property
    def sample_words(self) -> str:
        return self._sample.text()

    def set_gradient_decades(self, low: int, high: int) -> None:
        """The stage's gradient scale, where somebody has chosen another one: 10^low … 10^high."""
        self._circuit.set_gradient_decades(low, high)
        self._show()

    @property
    def units(self) -> UnitPicker:
        return self._unit

    @property
    def clip_card(self) -> ClipCard:
        return self._clip

    @property
    def circuit(self) -> CircuitView:
        return self._circuit

    @property
    def equations(self) -> EquationsView:
        return self._equations

    @property
    def layers(self) -> LayerPicker:
        return self._layer

    @property
    def routes(self) -> RoutesView:
        return self._routes

    @property
    def operation_words(self) -> str:
        """What was done last inside the step; "" where the tape stands at a whole step."""
        return self._operation.text()

    @property
    def padding_words(self) -> str:
        """ "" where the step is one of the sample's own."""
        return "" if self._padding.isHidden() else self._padding.text()

    def _show(self) -> None:
        moment, tape, excerpt = self.moment, self._tape, self._excerpt
        there = moment is not None
        self._unit.setEnabled(there)
        if moment is None or tape is None or excerpt is None:
            self._heading.set_text("CELL")
            self._sample.set_text("")
            for widget in self._of_cell():
                widget.hide()
            for widget in (self._clip, self._cell_heading, self._cell_sample, self._padding, self._operation):
                widget.hide()
            self._sample.show()
            self._visible = None
            return
        step, reached = reached_at(excerpt, tape.position(moment), self._within)
        # The letter t is small: a capital T is the number of steps.
        cell = f"{self._whose(excerpt)} AT t = {step}"
        at_card = moment.phase in (Phase.CLIP, Phase.UPDATE)
        self._heading.set_text("ALL PARAMETERS" if at_card else _together(cell))
        if at_card:
            self._cell_heading.set_text(cell)
        whose = f"sample {excerpt.sample + 1} of {excerpt.batch_size}" if excerpt.batch_size > 1 else "one sample"
        self._cell_sample.set_text(whose)
        if at_card and excerpt.batch_size > 1:
            whose = f"batch of {excerpt.batch_size} samples"
        elif step != moment.step:
            whose += f" · from T to 1, now at t = {step}"
        self._sample.set_text(whose)
        if at_card:
            self._clip.set_phase(moment.phase)
        padding = step > excerpt.length
        done = "" if padding else str(self._readings.interventions(step))
        self._set_visible(at_card=at_card, padding=padding, what_if=bool(done))
        if padding:
            self._padding.setText(
                f"Padding: sample {excerpt.sample + 1} ends at t = {excerpt.length}.\n"
                f"No layer has a step at t = {step}."
            )
        self._show_operation(excerpt, moment, reached)
        self._what_if.set_text(f"what-if: {done}" if done else "")
        self._scale.set_text(self._circuit.scale_text(backward=reached.backward))
        self._circuit.set_moment(step, reached)
        whole = reached.way is None or "back.h" in reached.keys
        self._routes.set_moment(step, reached=reached.backward and whole)
        self._routes_heading.set_text(_together(self._routes.title))
        self._equations.set_moment(step, reached)

    def _set_visible(self, *, at_card: bool, padding: bool, what_if: bool) -> None:
        now = at_card, padding, what_if
        if now == self._visible:
            return
        self._visible = now
        for widget in self._of_cell():
            widget.setVisible(not padding)
        self._padding.setVisible(padding)
        self._clip.setVisible(at_card)
        self._cell_heading.setVisible(at_card)
        self._cell_sample.setVisible(at_card)
        for widget in (self._circuit, self._scale):
            widget.setVisible(not at_card and not padding)
        self._what_if.setVisible(what_if)

    def _of_cell(self) -> tuple[QWidget, ...]:
        return (self._circuit, self._scale, self._what_if, self._routes_heading, self._routes, self._equations)

    def _whose(self, excerpt: Excerpt) -> str:
        """ "LSTM CELL" where there is one layer, else "LAYER 2 · LSTM ←"."""
        if len(excerpt.layers) == 1:
            return f"{CELL_TITLES[excerpt.focus.cell]} CELL"
        title = title_of(excerpt.focus)
        return title.replace("layer", "LAYER")

    def _show_operation(self, excerpt: Excerpt, moment: Moment, reached: Reached) -> None:
        # In the place of whose sample it is, so that the circuit stays where it is.
        self._operation.setVisible(reached.way is not None)
        self._sample.setVisible(reached.way is None)
        if reached.way is None:
            self._operation.set_text("")
            return
        inside = inside_of(excerpt)
        within = inside.fitted(self._within, reached.way)  # the picture may be of another stack than the place was
        done, every = inside.operations_done(within, reached.way), len(inside.operations(reached.way))
        current = inside.current(within, reached.way)
        if current is not None:
            words = f"{done} of {every}: {current.words(reached.way)}"
        else:
            words = "done in this step" if done == every else "its turn has not come in this step"
        self._operation.set_text(words, "forward" if moment.phase is Phase.FORWARD else "backward")

    @Slot(QRectF)
    def _ring_moved(self, box: QRectF) -> None:
        """The number with the ring comes into sight."""
        view = self.sender()
        if isinstance(view, NumbersView):
            middle = view.mapTo(self._inside, QPoint(round(box.center().x()), round(box.center().y())))
            self._scroll.ensureVisible(middle.x(), middle.y(), 0, round(box.height()) + PAD)

    @Slot()
    def copy_numbers(self) -> None:
        text = self.as_text()
        QGuiApplication.clipboard().setText(text)
        self.copied.emit("copied the numbers of this moment" if text else "there are no numbers yet")

    def as_text(self) -> str:
        """The moment's numbers, exact, as text: tabs between columns."""
        excerpt, moment = self._excerpt, self.moment
        if excerpt is None or moment is None:
            return ""
        whose = "over all units" if excerpt.unit is None else f"unit {excerpt.unit}"
        step, _ = reached_at(excerpt, self._position, self._within)
        layer = title_of(excerpt.focus) if len(excerpt.layers) > 1 else None
        cell = layer or CELL_TITLES[excerpt.focus.cell]
        head = f"{cell} · {moment} · t = {step} · {whose} · sample {excerpt.sample + 1} of {excerpt.batch_size}"
        parts = [f"{head} · {excerpt.dtype}"]
        if not self._clip.isHidden():
            parts.append(self._clip.as_text())
        if self.padding_words:
            parts.append(self.padding_words)
        else:
            parts.append(self._equations.as_text())
            if self._routes.rows:
                parts.append(self._routes.as_text())
        return "\n\n".join(parts) + "\n"

    @Slot()
    def _restyle(self) -> None:
        t = theme.current()
        self.setAutoFillBackground(True)
        palette = self.palette()
        palette.setColor(self.backgroundRole(), t.surface)
        self.setPalette(palette)
        self._scroll.viewport().setAutoFillBackground(False)
        self._inside.setAutoFillBackground(False)


def _together(heading: str) -> str:
    """Where a heading breaks, "t = 13" and "13 → 12" stay whole."""
    return heading.replace("t = ", f"t{_NBSP}={_NBSP}").replace(" → ", f"{_NBSP}→{_NBSP}")
