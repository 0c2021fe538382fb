"""The open document: one place that changes the state, every edit one undoable command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from engine.requests import Weights
from engine.spec import Experiment, WhatIf
from engine.tape import Tape
from explorer.document.state import State, View
from explorer.document.tracks import suited


class _Change(QUndoCommand):
    """From one state to another. On undo it takes along what was trained in between, so that redo loses nothing."""

    def __init__(self, document: Document, words: str, before: State, after: State) -> None:
        super().__init__(words)
        self._document, self._before, self._after = document, before, after

    def redo(self) -> None:
        self._document._become(self._after)

    def undo(self) -> None:
        self._after = self._document.state
        self._document._become(self._before)


class Document(QObject):
    """What is open. Views listen; the window asks it to change; nobody else keeps a copy."""

    stateChanged = Signal()
    """Experiment, what-if, tracks or weights: the picture has to be asked for again."""
    viewChanged = Signal()
    """Position, iteration, sample, unit, heights, zoom."""
    opened = Signal()
    """Another document stands here now: nothing of the old one is worth keeping."""
    dirtyChanged = Signal(bool)

    def __init__(self, state: State, view: View, title: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(500)
        self.undo_stack.cleanChanged.connect(self._clean_changed)
        self._state, self._view, self._steps = state, view, 0
        self._dragging: WhatIf | None = None
        self._learned = False
        self.title, self.path, self.preset = title, "", ""

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state as it is on screen: a what-if that is being dragged included."""
        return self._state if self._dragging is None else replace(self._state, what_if=self._dragging)

    @property
    def view(self) -> View:
        return self._view

    @property
    def experiment(self) -> Experiment | None:
        return self._state.experiment

    @property
    def dirty(self) -> bool:
        return self._learned or not self.undo_stack.isClean()

    @property
    def tape(self) -> Tape:
        """A recorded trace tells its length only once it has been opened; until then the tape has one step."""
        return Tape(self._state.experiment.task.steps if self._state.experiment else max(1, self._steps))

    # -- opening and saving -------------------------------------------------------------------------------------------

    def open(self, state: State, view: View, *, title: str, path: str = "", preset: str = "", steps: int = 0) -> None:
        """Put another document in place of this one. Nothing of it has failed by now: it was read whole before."""
        self._dragging, self._learned, self._steps = None, False, steps
        self._state, self._view = state, view
        self.title, self.path, self.preset = title, path, preset
        self.undo_stack.clear()
        self.opened.emit()
        self.dirtyChanged.emit(self.dirty)

    def saved(self, path: str, title: str) -> None:
        self.path, self.title, self._learned = path, title, False
        self.undo_stack.setClean()
        self.dirtyChanged.emit(self.dirty)

    # -- edits (undoable) ---------------------------------------------------------------------------------------------

    def edit_experiment(self, experiment: Experiment, words: str = "") -> None:
        if self._state.experiment is None or experiment == self._state.experiment:
            return
        after = self._state.with_experiment(experiment)
        after = replace(after, tracks=suited(after.tracks, self._state.experiment.layer.cell, experiment.layer.cell))
        self._push(words or f"change of {_difference(self._state.experiment, experiment)}", after)

    def drag_what_if(self, what_if: WhatIf) -> None:
        """Show a what-if while a slider is held; nothing is recorded until `edit_what_if`."""
        if self._state.experiment is None or what_if == self.state.what_if:
            return
        self._dragging = what_if
        self.stateChanged.emit()

    def edit_what_if(self, what_if: WhatIf) -> None:
        if self._state.experiment is None:
            return
        dragged, self._dragging = self._dragging, None
        if what_if != self._state.what_if:
            self._push("what-if", replace(self._state, what_if=what_if))
        elif dragged is not None and dragged != what_if:
            self.stateChanged.emit()

    def edit_tracks(self, tracks: tuple[str, ...], words: str) -> None:
        if tracks != self._state.tracks:
            self._push(words, replace(self._state, tracks=tracks))

    def _push(self, words: str, after: State) -> None:
        self._dragging = None
        self.undo_stack.push(_Change(self, words, self._state, after))

    def _become(self, state: State) -> None:
        self._dragging = None
        old, self._state = self._state, state
        self._fit_view(reset_iteration=state.history is not old.history)
        self.stateChanged.emit()

    # -- what training adds (kept, not undone) ------------------------------------------------------------------------

    def remember(self, iteration: int, weights: Weights, *, learned: bool) -> None:
        """Keep the weights of an iteration. `learned`: somebody would miss them if they were not saved."""
        self._state = self._state.remembering(iteration, weights)
        if learned and not self._learned:
            self._learned = True
            self.dirtyChanged.emit(True)

    # -- looking ------------------------------------------------------------------------------------------------------

    def look(self, **changes: Any) -> None:
        """Change the view: position, iteration, sample, unit, heights, time_range."""
        view = replace(self._view, **changes)
        if view != self._view:
            self._view = view
            self._fit_view()
            self.viewChanged.emit()

    def _fit_view(self, *, reset_iteration: bool = False) -> None:
        """Keep the view inside what there is: a shorter tape, a smaller batch, fewer units."""
        view, experiment = self._view, self._state.experiment
        position = min(max(0, view.position), len(self.tape) - 1)
        iteration, sample, unit, time_range = view.iteration, view.sample, view.unit, view.time_range
        if experiment is not None:
            if reset_iteration and iteration not in self._state.history:
                iteration = max(self._state.first, min(iteration, self._state.furthest))
            sample = min(sample, experiment.task.batch_size - 1)
            if unit is not None and unit >= experiment.layer.hidden_size:
                unit = None
        if time_range is not None and time_range[1] > self.tape.steps:
            time_range = None
        self._view = replace(
            view, position=position, iteration=iteration, sample=sample, unit=unit, time_range=time_range
        )

    def _clean_changed(self, _clean: bool) -> None:
        self.dirtyChanged.emit(self.dirty)


def _difference(old: Experiment, new: Experiment) -> str:
    """The name of the first field that differs, for the undo menu ("change of hidden size")."""
    a, b = _flat(msgspec.to_builtins(old)), _flat(msgspec.to_builtins(new))
    changed = [name for name in {**a, **b} if a.get(name) != b.get(name)]
    return changed[0].rpartition(".")[2].replace("_", " ") if changed else "the experiment"


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(data, (list, tuple)):
        data = dict(enumerate(data))
    if not isinstance(data, dict):
        return {prefix: data}
    return {name: leaf for key, part in data.items() for name, leaf in _flat(part, f"{prefix}.{key}").items()}
