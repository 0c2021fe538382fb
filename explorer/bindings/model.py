"""The model dock: what the network is, what-ifs on top, and which sample and unit of it are looked at."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Excerpt
from engine.spec import Experiment, WhatIf
from explorer.bindings.parts import Parts
from explorer.dock.assembly import Assembly


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
