"""The analysis panel, the desk that asks for it, and the pair of steps that it marks on the stage."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Excerpt
from explorer.analysis.subject import subject_of
from explorer.bindings.parts import Parts


class AnalysisBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._desk, self._controller = parts, parts.desk, parts.controller
        self._panel, self._stage = parts.window.analysis, parts.window.stage
        panel, desk = self._panel, self._desk
        parts.controller.traceWanted.connect(desk.renew)
        parts.controller.failed.connect(desk.stay)
        panel.questionsChanged.connect(desk.set_questions)
        panel.cancelRequested.connect(desk.cancel)
        panel.againRequested.connect(desk.again)
        panel.pairPicked.connect(self._mark_pair)
        panel.pairDropped.connect(self.unmark)
        desk.resultChanged.connect(panel.show_result)
        desk.standingChanged.connect(panel.show_standing)

    def show_excerpt(self, excerpt: Excerpt | None) -> None:
        """What is analysed is what is on screen."""
        source, decades = self._controller.shown_source, self._stage.gradient_decades()
        subject = None
        if excerpt is not None and source is not None:
            subject = subject_of(self._controller.trace, source, self._parts.document.experiment, excerpt)
        self._desk.set_subject(subject)
        if self._controller.renewing:
            self._desk.renew()
        if decades is not None:
            self._panel.set_decades(*decades)
        self._panel.set_subject(subject)
        if excerpt is not None:
            self._panel.set_empty(False)
        marks = self._stage.marks.steps
        if excerpt is None or (marks is not None and max(marks) > excerpt.steps):
            self.unmark()

    def show_view(self) -> None:
        """What is about the way back is drawn as far as the tape has come, as on the stage."""
        self._panel.set_empty(bool(self._parts.document.state.unfinished) and self._controller.excerpt is None)
        now = self._stage.canvas.now
        if now is not None:
            self._panel.set_reached(now.backward)

    @Slot()
    def unmark(self) -> None:
        """No pair of steps is marked."""
        self._stage.set_marks(None, None)
        self._panel.set_pair(None)

    @Slot(int, int)
    def _mark_pair(self, loss_step: int, source_step: int) -> None:
        self._stage.set_marks(loss_step, source_step)
        self._parts.say(
            f"Marked: the loss at t = {loss_step:,}, and step k = {source_step:,}, to which it sends its gradient. "
            "Esc takes the marks away.",
            6000,
        )
