"""Binds document, controller, player and views: data down, intent up. Every connection between them is made here, one
file a part of the window; what several parts show is handed out here, in the order in which they stand on each other.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Excerpt
from engine.within import way_of
from explorer.bindings.analysis import AnalysisBinding
from explorer.bindings.cell import CellBinding
from explorer.bindings.comparisons import ComparisonsBinding
from explorer.bindings.evaluation import EvaluationBinding
from explorer.bindings.flow_training import FlowTrainingBinding
from explorer.bindings.model import ModelBinding
from explorer.bindings.own_data import OwnDataBinding
from explorer.bindings.parts import Parts
from explorer.bindings.pins import PinsBinding
from explorer.bindings.proof import ProofBinding
from explorer.bindings.run_away import RunAwayBinding
from explorer.bindings.stage import ADD_A_LAYER as ADD_A_LAYER
from explorer.bindings.stage import StageBinding
from explorer.bindings.tape import TapeBinding
from explorer.bindings.tracks import TracksBinding
from explorer.bindings.training import TrainingBinding
from explorer.bindings.travel import TravelBinding
from explorer.bindings.window import WindowBinding


class Bindings(QObject):
    """The bindings of one window; it keeps nothing but them."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        parts.document.opened.connect(self._show_document)
        self.tape = TapeBinding(parts, self)
        self.model = ModelBinding(parts, self)
        self.stage = StageBinding(parts, self.tape, self.model, self)
        self.tracks = TracksBinding(parts, self)
        self.tracks.tables.stepPicked.connect(self.tape.pick_step)
        self.pins = PinsBinding(parts, self)
        self.cell = CellBinding(parts, self.model, self)
        self.window = WindowBinding(parts, self)
        self.analysis = AnalysisBinding(parts, self)
        self.travel = TravelBinding(parts, self)
        self.comparisons = ComparisonsBinding(parts, self)
        self.training = TrainingBinding(parts, self.travel, self.comparisons, self)
        self.run_away = RunAwayBinding(parts, self.training, self.travel, self)
        self.own_data = OwnDataBinding(parts, self)
        self.flow_training = FlowTrainingBinding(parts, self.tracks, self.travel, self)
        self.evaluation = EvaluationBinding(parts, self)
        self.proof = ProofBinding(parts, self)
        parts.document.viewChanged.connect(self._show_view)
        parts.controller.excerptChanged.connect(self._show_excerpt)

    @Slot()
    def _show_document(self) -> None:
        """Another document has been opened."""
        self._parts.player.pause()
        self._parts.window.dock.restore()
        self.tracks.show_opened()
        self.stage.show_opened()
        self.tape.show_opened()
        self.model.show_model()
        self.stage.show_unfinished()
        self.pins.show_pins()
        self._show_view()
        self.window.show_opened()
        self.travel.show_opened()
        self.training.show_opened()
        self.run_away.show_opened()
        self.flow_training.show_opened()
        self.evaluation.show_opened()
        self.proof.show_opened()
        self.stage.show_time_range()
        self._parts.window.scroll_to_top()

    @Slot()
    def _show_view(self) -> None:
        view, inside = self._parts.document.view, self._parts.controller.inside
        way = way_of(self._parts.document.tape.moment(view.position).phase)
        within = inside.fitted(view.within, way)
        self.tape.show_view(within, way)
        self.stage.show_view(whole=way is None or inside.whole(within, way))
        self.tracks.show_view()
        self.window.show_view()
        self.analysis.show_view()
        self.training.show_view()
        self.flow_training.show_view()
        self.cell.show_view(within)

    @Slot(object)
    def _show_excerpt(self, excerpt: Excerpt | None) -> None:
        self.stage.show_excerpt(excerpt)
        self.cell.show_excerpt(excerpt)  # over the scale that the stage has chosen, as the analyses
        self.analysis.show_excerpt(excerpt)
        self.training.show_excerpt(excerpt)
        self.travel.show_excerpt()
        self.evaluation.show_excerpt(excerpt)
        self.proof.show_excerpt(excerpt)
        if excerpt is None:
            return
        self.pins.show_pins()
        if self.tape.show_excerpt(excerpt):
            self._show_view()
        self.window.show_excerpt(excerpt)
        self.model.show_excerpt(excerpt)
        self.flow_training.show_traced()
        self.stage.show_unfinished()
