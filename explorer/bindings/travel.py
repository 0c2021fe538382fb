"""Travelling along a training: another iteration is wished for, and the whole stage goes there."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from explorer.bindings.parts import Parts
from explorer.widgets.numbers import short

_PATIENCE_MS = 250
"""A picture that takes longer gives way to the newer wish of somebody who drags."""


class TravelBinding(QObject):
    markerMoved = Signal()
    """The marker of the iteration that is wished for stands elsewhere, or there is none any more."""
    followsChanged = Signal()
    """Whether the stage goes along with a training that runs."""

    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._controller = parts, parts.document, parts.controller
        self._book, self._runner = parts.book, parts.runner
        self._curves = parts.window.drawer.training.curves
        self.wish: int | None = None
        """The iteration that is on its way to the stage; None: where one is."""
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._go)
        parts.player.playingChanged.connect(self._playing_changed)
        parts.controller.failed.connect(self.forget)
        parts.controller.refused.connect(self.forget)
        parts.controller.crossing.connect(self._crossing)
        parts.window.drawer.reason.bestWanted.connect(self.to_best)
        self._curves.travelWanted.connect(self._on_curves)

    def show_opened(self) -> None:
        """Another document: no wish of the old one."""
        self.wish = None
        self._patience.stop()

    def show_excerpt(self) -> None:
        if self.wish is not None:
            if self.wish == self._document.view.iteration:
                self.forget()
            elif not self._controller.waiting:
                self._go()

    @Slot(int)
    def to(self, iteration: int) -> None:
        """Show another iteration, the tape where it is. While somebody drags, a picture comes to its end before the
        next is asked for, unless it takes long: the latest wish wins, and none but it waits."""
        if not self._controller.can_go_on or self._refuses(iteration):
            return
        self._parts.player.pause()
        self._runner.set_follows(iteration >= self._book.next)
        self.followsChanged.emit()
        if self._runner.running and self._runner.follows:
            self.forget()
            self._runner.follow()
            return
        self.wish = iteration
        self.markerMoved.emit()
        if self._controller.waiting:
            if not self._patience.isActive():
                self._patience.start()
        else:
            self._go()

    def _refuses(self, iteration: int) -> bool:
        """Whether an iteration cannot be gone back to, and says so."""
        why = self._document.state.out_of_reach(iteration)
        if why:
            self.forget()
            self.markerMoved.emit()  # the marker, which has gone ahead, comes back
            self._parts.say(why, 10_000)
        return bool(why)

    @Slot(int)
    def _on_curves(self, iteration: int) -> None:
        """Their right end is the newest iteration, though it may have been drawn a moment ago."""
        self.to(self._book.next if iteration >= self._curves.count else iteration)

    def ask(self) -> None:
        from explorer.training.iteration_dialog import IterationDialog

        state, shown = self._document.state, self._document.view.iteration
        dialog = IterationDialog(shown, state.furthest, self._book.best, state.out_of_reach, self._parts.window)
        dialog.accepted.connect(self._to_typed)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def _to_typed(self) -> None:
        from explorer.training.iteration_dialog import IterationDialog

        dialog = self.sender()
        if isinstance(dialog, IterationDialog):
            self.to(dialog.number)

    @Slot()
    def to_best(self) -> None:
        best = self._book.best
        if best is None:
            self._parts.say(f"No iteration has been evaluated yet; {self._evaluated()}.", 6000)
            return
        if self._refuses(best.iteration):
            return
        self.to(best.iteration)
        self._parts.say(
            f"Iteration {best.iteration:,}: the least validation loss, {short(best.loss, 3)}, of "
            f"{len(self._book.evaluations):,} evaluation{'s' if len(self._book.evaluations) != 1 else ''}.",
            6000,
        )

    def _evaluated(self) -> str:
        experiment = self._document.experiment
        every = 1 if experiment is None else experiment.training.evaluate_every
        return "training does after each" if every == 1 else f"training does every {every:,}"

    @Slot()
    def _go(self) -> None:
        self._patience.stop()
        if self.wish is not None:
            self._controller.go_to_iteration(self.wish, self._document.view.position)
            if self.wish == self._document.view.iteration and not self._controller.waiting:
                self.forget()

    @Slot()
    def forget(self) -> None:
        """Where one is, one stays."""
        self._patience.stop()
        if self.wish is not None:
            self.wish = None
            self.markerMoved.emit()

    @Slot(bool)
    def _playing_changed(self, playing: bool) -> None:
        """Somebody who plays the tape of an iteration is not taken away from it."""
        if playing and self._runner.running:
            self._runner.set_follows(False)
            self.followsChanged.emit()

    @Slot(int)
    def _crossing(self, iteration: int) -> None:
        """Somebody steps over the end of the tape while training runs: he is not taken away from where he goes."""
        if self._runner.running:
            self._runner.set_follows(iteration >= self._book.next)
            self.followsChanged.emit()
