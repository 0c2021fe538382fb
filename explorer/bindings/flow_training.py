"""The past of the training on the stage: handed over as it grows, and travelled to."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings.parts import Parts
from explorer.bindings.tracks import TracksBinding
from explorer.bindings.travel import TravelBinding
from explorer.pace import Pace
from explorer.stage.past import Past
from explorer.training.axes import last_iteration


class FlowTrainingBinding(QObject):
    def __init__(self, parts: Parts, tracks: TracksBinding, travel: TravelBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._document, self._book = parts.document, parts.book
        self._window, self._stage, self._tracks = parts.window, parts.window.stage, tracks
        self._opened = True
        """Nothing of the document has been traced yet: tracks have not had their heights."""
        self._pace = Pace(self._show, lambda: self._stage.past_cost, self)
        self._book.changed.connect(self._pace.ask)
        parts.runner.runningChanged.connect(self._show)
        parts.document.stateChanged.connect(self._tracks_changed)
        self._stage.iterationPicked.connect(travel.to)

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_opened(self) -> None:
        self._opened = True
        self._show()

    def show_traced(self) -> None:
        if self._opened:
            self._opened = False
            self._window.bring_past_in_sight()

    def show_view(self) -> None:
        if self._stage.past.shown != self._document.view.iteration:
            self._show()

    @Slot()
    def _tracks_changed(self) -> None:
        """A track may be the first that shows it."""
        if self._stage.shows_past and self._stage.past.log is not self._book.log:
            self._show()

    @Slot()
    def _show(self) -> None:
        self._pace.shown()
        if not self._stage.shows_past:
            return
        log, shown = self._book.log, self._document.view.iteration
        done = max(self._book.next, log.next or 0, shown)  # as the curves in the drawer
        trains = self._document.state.recorded is None
        self._stage.set_past(Past(log, shown, last_iteration(done), trains))
        self._tracks.tables.refresh()
