"""The cell panel: the cell at the cursor as a circuit, its equations with their numbers, and what clipping did."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from engine.quantities import CELL_TITLES
from engine.requests import Excerpt
from engine.tape import Moment, Phase, Tape
from explorer.cell.circuit import CircuitView
from explorer.cell.clip_card import ClipCard
from explorer.cell.equations_view import EquationsView, Shown
from explorer.cell.unit_picker import UnitPicker
from explorer.theme import current as theme
from explorer.theme.tokens import GAP, PAD, TIGHT


class CellPanel(QWidget):
    """Told an excerpt once and a position of the tape often; asks for a unit with `unitPicked` (int, or None for all).

    The numbers are those of the excerpt's unit: until the answer for another unit is there, they stay what they are
    and say whose they are.
    """

    unitPicked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cell")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumWidth(280)
        self._excerpt: Excerpt | None = None
        self._tape: Tape | None = None
        self._position = 0

        self._heading = QLabel("CELL", self)
        self._heading.setProperty("role", "section")
        self._heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._sample = QLabel(self)
        self._sample.setProperty("role", "muted")
        self._sample.setFont(theme.small())
        self._sample.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._unit = UnitPicker(self)
        self._unit.picked.connect(self.unitPicked)

        self._circuit = CircuitView(self)
        self._scale = QLabel(self)
        self._scale.setProperty("role", "muted")
        self._scale.setFont(theme.small())
        self._clip = ClipCard(self)
        self._clip.hide()
        self._cell_heading = QLabel(self)
        self._cell_heading.setProperty("role", "section")
        self._cell_heading.hide()
        self._equations = EquationsView(self)

        head = QHBoxLayout()
        head.setContentsMargins(PAD, GAP, PAD, GAP)
        titles = QVBoxLayout()
        titles.setSpacing(0)
        titles.addWidget(self._heading)
        titles.addWidget(self._sample)
        head.addLayout(titles, 1)
        head.addWidget(self._unit)

        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(PAD, 0, GAP, PAD)
        column.setSpacing(TIGHT)
        column.addWidget(self._circuit)
        column.addWidget(self._scale)
        column.addWidget(self._clip)
        column.addSpacing(GAP)
        column.addWidget(self._cell_heading)
        column.addWidget(self._equations)
        column.addStretch(1)

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
        self._circuit.set_excerpt(excerpt)
        self._equations.set_excerpt(excerpt)
        self._clip.set_excerpt(excerpt)
        self._show()

    def set_position(self, position: int) -> None:
        """The tape stands here. Looks things up, computes nothing."""
        self._position = position
        self._show()

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
        return self._heading.text()

    @property
    def cell_heading(self) -> QLabel:
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

    def _show(self) -> None:
        moment, tape, excerpt = self.moment, self._tape, self._excerpt
        there = moment is not None
        self._unit.setEnabled(there)
        if moment is None or tape is None or excerpt is None:
            self._heading.setText("CELL")
            self._sample.setText("")
            for widget in (self._circuit, self._scale, self._clip, self._cell_heading):
                widget.hide()
            return
        position = tape.position(moment)
        forward = moment.step <= tape.forward_reached(position)
        backward = moment.step >= tape.backward_reached(position)
        # The letter t is small: a capital T is the number of steps.
        cell = f"{CELL_TITLES[excerpt.focus.cell]} CELL AT t = {moment.step}"
        at_card = moment.phase in (Phase.CLIP, Phase.UPDATE)
        self._heading.setText("ALL PARAMETERS" if at_card else cell)
        self._cell_heading.setText(cell)
        self._cell_heading.setVisible(at_card)
        whose = f"sample {excerpt.sample + 1} of {excerpt.batch_size}" if excerpt.batch_size > 1 else "one sample"
        self._sample.setText(f"batch of {excerpt.batch_size} samples" if at_card and excerpt.batch_size > 1 else whose)
        if at_card:
            self._clip.set_phase(moment.phase)
        self._clip.setVisible(at_card)
        self._circuit.setVisible(not at_card)
        self._scale.setVisible(not at_card)
        self._scale.setText(self._circuit.scale_text(backward=backward))
        self._circuit.set_moment(moment.step, forward=forward, backward=backward)
        self._equations.set_moment(moment.step, forward=forward, backward=backward)

    @Slot()
    def copy_numbers(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())

    def as_text(self) -> str:
        """The moment's numbers, exact, as text: tabs between columns."""
        excerpt, moment = self._excerpt, self.moment
        if excerpt is None or moment is None:
            return ""
        whose = "over all units" if excerpt.unit is None else f"unit {excerpt.unit}"
        head = f"{CELL_TITLES[excerpt.focus.cell]} · {moment} · t = {moment.step} · {whose} · sample {excerpt.sample}"
        parts = [f"{head} · {excerpt.dtype}"]
        if not self._clip.isHidden():
            parts.append(self._clip.as_text())
        parts.append(self._equations.as_text())
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
        self._scale.setFont(theme.small())
