"""The model dock: what the network is, what-ifs on top, and which sample and unit of it are looked at."""

from __future__ import annotations

from msgspec.structs import replace
from PySide6.QtCore import QObject, Slot

from engine.requests import Excerpt
from engine.spec import Experiment, WhatIf
from explorer.bindings.parts import Parts
from explorer.dock.assembly import Assembly
from explorer.document.tracks import ATTENTION, with_attention


class ModelBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._dock, self._stage, self._document = parts.window.dock, parts.window.stage, parts.document
        dock = self._dock
        parts.document.stateChanged.connect(self.show_model)
        dock.experimentEdited.connect(self._edit_experiment)
        dock.assembled.connect(self._assemble)
        dock.whatIfDragged.connect(self._drag_what_if)
        dock.whatIfEdited.connect(self._edit_what_if)
        dock.samplePicked.connect(self._pick_sample)
        dock.unitPicked.connect(self.pick_unit)

    # -- data down ----------------------------------------------------------------------------------------------------

    @Slot()
    def show_model(self) -> None:
        d = self._document
        if d.experiment is not None:
            batch, layers = d.experiment.task.batch_size, d.experiment.model.layers
            units = layers[-1].hidden_size if layers else 1
            self._dock.set_locked("")
            self._dock.set_state(d.experiment, d.state.what_if, d.view.sample, batch, d.view.unit, units)

    def show_excerpt(self, excerpt: Excerpt) -> None:
        if self._document.experiment is None:
            self._dock.show_recorded(excerpt, "A recorded trace: everything can be looked at, nothing recomputed.")
        else:
            self.show_model()

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _edit_experiment(self, experiment: Experiment) -> None:
        self._stage.set_prompt("")  # it asked about another experiment
        self._document.edit_experiment(experiment)

    @Slot(object)
    def _assemble(self, assembly: Assembly) -> None:
        self._stage.set_prompt("")
        self._document.edit_experiment(assembly.experiment, assembly.words, assembly.places)

    def read_by_attention(self) -> None:
        """The read-out takes all steps, each weighed; the weights come on the stage as a track (in the same edit)."""
        experiment = self._document.experiment
        if experiment is None:
            return
        if experiment.model.readout.at == "attention":
            self._show_attention()
            return
        readout = replace(experiment.model.readout, at="attention")
        self._edit_experiment(replace(experiment, model=replace(experiment.model, readout=readout)))
        self._show_attention()

    def _show_attention(self) -> None:
        d = self._document
        if ATTENTION not in d.state.tracks:
            d.edit_tracks(with_attention(d.state.tracks), "new track")
        self._stage.handling.select(ATTENTION, reveal=True)

    @Slot(object)
    def _drag_what_if(self, what_if: WhatIf) -> None:
        self._document.drag_what_if(what_if)

    @Slot(object)
    def _edit_what_if(self, what_if: WhatIf) -> None:
        self._document.edit_what_if(what_if)

    @Slot(int)
    def _pick_sample(self, sample: int) -> None:
        self._document.look(sample=sample)

    @Slot(object)
    def pick_unit(self, unit: int | None) -> None:
        self._document.look(unit=unit)
        self.show_model()
