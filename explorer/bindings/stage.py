"""The stage as a whole: its picture, the playhead over it, what it says meanwhile, and clicks on its steps."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication

from engine.requests import Excerpt
from explorer.bindings.model import ModelBinding
from explorer.bindings.parts import Parts
from explorer.bindings.tape import TapeBinding
from explorer.cell.reach import own_step

ADD_A_LAYER = "Add a layer: + RNN, + LSTM or + GRU"
WHAT_COMES = (
    "The unrolled network, its states, gates and gradients will stand here below each other, over one axis of time."
)


class StageBinding(QObject):
    def __init__(self, parts: Parts, tape: TapeBinding, model: ModelBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._stage, self._tape, self._say = parts.window.stage, tape, parts.say
        self._document, self._controller = parts.document, parts.controller
        self._unfinished = False
        self._followed = self._prompted_at = -1
        parts.controller.pictures.draw = self._stage.draw_ahead
        parts.document.stateChanged.connect(self.show_unfinished)
        parts.controller.progressChanged.connect(self._show_progress)
        self._stage.stepPicked.connect(tape.pick_step)
        self._stage.pickTakenBack.connect(tape.scrub)
        self._stage.cellPicked.connect(self._pick_cell)
        self._stage.unitPicked.connect(model.pick_unit)
        self._stage.time_range.changed.connect(self._time_range_changed)

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_opened(self) -> None:
        self._prompted_at = self._document.view.position
        self._stage.set_message("Computing the trace…")

    def show_time_range(self) -> None:
        if self._document.view.time_range is not None:
            self._stage.time_range.set(*self._document.view.time_range)

    def show_excerpt(self, excerpt: Excerpt | None) -> None:
        self._stage.set_excerpt(excerpt)
        if excerpt is not None:
            self._stage.set_message("")
            self._unfinished = False

    @Slot()
    def show_unfinished(self) -> None:
        """What cannot be traced yet says so on the stage; until it can, the picture is the one before."""
        state, there = self._document.state, self._controller.excerpt is not None
        if state.unfinished:
            empty = state.cell is None
            said = ADD_A_LAYER if empty else "This model cannot be traced yet: the model's card says why."
            more = f"\n{WHAT_COMES}" if empty else ""
            self._stage.set_message(f"{said} The picture is the one before." if there else f"{said}{more}")
        elif self._unfinished:
            self._stage.set_message("" if there else "Computing the trace…")
        self._unfinished = bool(state.unfinished)

    def show_view(self, *, whole: bool) -> None:
        """`whole`: the step under the playhead has been gone through to its end."""
        self._stage.set_position(self._document.view.position, whole=whole)
        if self._document.view.position != self._prompted_at:
            self._stage.set_prompt("")  # whatever has moved the tape: the prompt is being answered
        self._follow_playhead()

    def _follow_playhead(self) -> None:
        """Where only a stretch of time is on screen, it turns a page when the playhead leaves it: only then, so that
        somebody can look elsewhere."""
        if self._document.view.position == self._followed:
            return
        self._followed = self._document.view.position
        stage, t = self._stage, self._document.tape.moment(self._document.view.position).step
        first, last = stage.time_range.shown
        if self._controller.excerpt is not None and not first <= t <= last:
            stage.time_range.pan_to(t if t > last else max(1, t - (last - first)))

    @Slot(int, int)
    def _show_progress(self, done: int, total: int) -> None:
        self._stage.set_progress(done, total)
        if total:
            self._stage.set_message(f"Training: iteration {done} of {total}")

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot(str, int)
    def _pick_cell(self, layer: str, t: int) -> None:
        """A click on a cell: it is the cell of the cell panel, and the tape goes where that layer is at step t (a
        reverse layer is there when a forward one is at T + 1 − t)."""
        excerpt = self._controller.excerpt
        if excerpt is not None and layer in excerpt.layers:
            self._document.look(layer=layer)
            self._tape.pick_step(own_step(t, excerpt.steps, reverse=excerpt.layers[layer].reverse))

    def copy(self) -> None:
        """The value that is pointed at or selected, to the clipboard."""
        text, words = self._stage.handling.to_copy()
        if text:
            QGuiApplication.clipboard().setText(text)
        self._say(words, 6000)

    @Slot(int, int)
    def _time_range_changed(self, first: int, last: int) -> None:
        whole = (first, last) == (1, self._document.tape.steps)
        self._document.look(time_range=None if whole else (first, last))
