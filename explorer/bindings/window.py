"""The window around the views: its title, the status line, and what went wrong."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Audit, Excerpt
from explorer.bindings.parts import Parts


class WindowBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._window, self._status, self._player = parts.window, parts.window.status, parts.player
        self._voice = parts.window.stage.banner.voice()
        self._audited = False
        self._document, self._controller, self._runner = parts.document, parts.controller, parts.runner
        parts.document.dirtyChanged.connect(self.show_saved)
        parts.controller.auditChanged.connect(self._show_audit)
        parts.runner.runningChanged.connect(self._show_checking)
        parts.controller.waitingChanged.connect(self._show_waiting)
        parts.controller.failed.connect(self._show_failure)
        parts.controller.recovered.connect(self._voice.take_back)

    def show_opened(self) -> None:
        self.show_saved()
        if self._controller.excerpt is None:
            self._audited = False
            self._status.clear(computing=not self._document.state.unfinished)

    def show_excerpt(self, excerpt: Excerpt) -> None:
        experiment = self._document.experiment
        self._status.set_truncated(experiment is not None and experiment.training.truncation is not None)
        self._status.set_excerpt(excerpt)
        self.show_view()

    def show_view(self) -> None:
        """The verdict is about the way back: it is said when the tape has come to the first step."""
        excerpt, now = self._controller.excerpt, self._window.stage.canvas.now
        if excerpt is not None and now is not None:
            verdict = excerpt.verdict
            told = min(verdict.first_step, verdict.subnormal_from or verdict.first_step)
            self._status.set_reached(now.backward <= told, now.loss, now.backward)

    @Slot()
    def show_saved(self) -> None:
        d = self._document
        self._window.setWindowTitle(f"{d.title or 'Untitled'}[*] – Gradient Flow Explorer")
        self._window.setWindowModified(d.dirty)
        if d.dirty:
            self._status.set_saved("not saved")
        elif not d.path:
            self._status.set_saved("")

    @Slot(object)
    def _show_audit(self, audit: Audit | None) -> None:
        self._audited = audit is not None
        self._status.set_audit(audit, "resting" if audit is None and self._runner.running else None)

    @Slot()
    def _show_checking(self) -> None:
        """What waits for training to rest says so."""
        if not self._audited and self._controller.excerpt is not None:
            self._show_audit(None)

    @Slot(bool)
    def _show_waiting(self, waiting: bool) -> None:
        """In place of the old picture's verdict and audit, which would be read as the new one's."""
        bar = self._window.statusBar()
        if waiting and self._runner.running:
            return  # pictures of it come and go
        if waiting and self._controller.excerpt is not None:
            bar.showMessage("Computing… the picture is still the one before. Esc stops it.")
        elif not waiting:
            bar.clearMessage()

    @Slot(str)
    def _show_failure(self, sentence: str) -> None:
        self._player.pause()
        self._voice.say(sentence)
        if self._controller.excerpt is None:
            self._status.clear(computing=False)
