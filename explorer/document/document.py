"""The open document: one place that changes the state, every edit one undoable command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from engine.history import Evaluation
from engine.requests import Weights
from engine.spec import Experiment, WhatIf
from engine.tape import Tape
from engine.tracks import read_layer
from engine.training_requests import Trained
from explorer.document.edit_words import difference, what_if_words
from explorer.document.put_away import PutAway
from explorer.document.state import Recipe, State, View
from explorer.document.tracks import with_attention
from explorer.document.tracks_of_layers import after_edit
from explorer.document.what_ifs import Places, followed_choice, followed_name

Step: TypeAlias = Literal["edit", "undo", "redo"]
WORTH_SAVING = 20
"""Iterations trained by hand from which on closing asks about them."""


class _Change(QUndoCommand):
    """From one state to another, and back. A step that changed what is trained brings the place in training back with
    it, and takes along what was trained in between, so that redo loses nothing, nor undo. Any other step (tracks, a
    what-if, when it is judged) leaves training and the place on stage as they are now."""

    def __init__(
        self, document: Document, words: str, before: State, after: State, places: Places | None = None
    ) -> None:
        super().__init__(words)
        self._document, self._before, self._after, self._places = document, before, after, places
        self._of_training = before.trains_otherwise(after)
        self._view, self._left = document.view, ""
        self._done = False
        self._redone: Step = "edit"
        if not self._of_training:
            self._before, self._after = before.without_training(), after.without_training()

    def redo(self) -> None:
        self._document.stepped = self._redone
        self._redone = "redo"
        self._done = True
        if self._of_training:
            self._before, after = self._document._state, self._after
            self._after = after.without_training()  # what will have become of it by then is taken along by undo
            self._document._become(after, places=self._places)
        else:
            self._document._become(self._after.with_training_of(self._document._state), places=self._places)
        self._left = self._document.view.layer

    def undo(self) -> None:
        self._document.stepped = "undo"
        self._done = False
        if self._of_training:
            self._after, before = self._document._state, self._before
            self._before = before.without_training()
            self._document._become(before, self._view_before())
        else:
            view = None if self._places is None else self._view_before()
            self._document._become(self._before.with_training_of(self._document._state), view)

    @property
    def put_away(self) -> State:
        """What undo or redo of this step would bring back."""
        return self._before if self._done else self._after

    def put_away_lighter(self, state: State) -> None:
        if self._done:
            self._before = state
        else:
            self._after = state

    def _view_before(self) -> View:
        view, now = self._view, self._document.view
        if self._places is not None and now.layer not in ("", self._left):  # another has been chosen since
            layer = followed_name(now.layer, {new: old for old, new in self._places.items()})
            if layer is not None:
                view = replace(view, layer=layer, unit=now.unit)
        return view


class Document(QObject):
    """What is open. Views listen; the window asks it to change; nobody else keeps a copy."""

    stateChanged = Signal()
    """Experiment, what-if, tracks or weights: the picture has to be asked for again."""
    viewChanged = Signal()
    """Position, iteration, sample, unit, heights, zoom."""
    opened = Signal()
    """Another document stands here now: nothing of the old one is worth keeping."""
    learned = Signal()
    """Training has gone on, or its past is another: records, evaluations, kept iterations."""
    dirtyChanged = Signal(bool)

    def __init__(self, state: State, view: View, title: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(500)
        self.undo_stack.indexChanged.connect(self._undo_moved)
        self._state, self._view, self._steps, self._clean = state, view, _steps_of(state), state.without_training()
        self._kept_for_undo = PutAway()
        self._dragging: WhatIf | None = None
        self._learned = False
        self._wish: int | None = None
        self.title, self.path, self.preset = title, "", ""
        self.stepped: Step = "edit"
        """What has brought the last change of the state."""

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state as it is on screen: a what-if that is being dragged included."""
        return self._state if self._dragging is None else replace(self._state, what_if=self._dragging)

    @property
    def dragging(self) -> bool:
        """A what-if is being dragged."""
        return self._dragging is not None

    @property
    def view(self) -> View:
        return self._view

    @property
    def wished_iteration(self) -> int:
        """The iteration to show; `view.iteration` is the one that is on screen."""
        return self.view.iteration if self._wish is None else self._wish

    @property
    def experiment(self) -> Experiment | None:
        return self._state.experiment

    @property
    def recipe(self) -> Recipe:
        """What the next iteration would be trained with: without a what-if that is only being dragged."""
        return self._state.recipe

    @property
    def dirty(self) -> bool:
        """Whether there is work that would be lost. In a demonstration a what-if alone is none: it can be set again in
        a moment, and the question would stand between one demonstration and the next."""
        if self._learned or self.undo_stack.isClean():
            return self._learned
        if self.preset and not self.path:
            return (self._state.experiment, self._state.tracks) != (self._clean.experiment, self._clean.tracks)
        return True

    @property
    def tape(self) -> Tape:
        """Of the trace that is on screen: after an edit of T it stays the old one until the new trace is there."""
        return Tape(self._steps)

    # -- opening and saving -------------------------------------------------------------------------------------------

    def open(
        self,
        state: State,
        view: View,
        *,
        title: str,
        path: str = "",
        preset: str = "",
        steps: int = 1,
        unsaved: bool = False,
    ) -> None:
        """Put another document in place of this one; it was read whole before. `steps` is asked of recorded traces.
        `unsaved`: there is work in it that no file has."""
        self._dragging, self._learned, self._steps = None, unsaved, _steps_of(state, steps)
        self._wish = None
        self._state, self._view, self._clean = state, view, state.without_training()
        self.title, self.path, self.preset = title, path, preset
        self.undo_stack.clear()
        self.opened.emit()
        self.dirtyChanged.emit(self.dirty)

    def saved(self, path: str, title: str, state: State | None = None) -> None:
        """`state`: that is in the file; None: as it is now. What has been done since is still to be saved."""
        self.path, self.title = path, title
        if state is None or state is self._state:
            self._learned, self._clean = False, self._state.without_training()
            self.undo_stack.setClean()
        self.dirtyChanged.emit(self.dirty)

    # -- edits (undoable) ---------------------------------------------------------------------------------------------

    def edit_experiment(self, experiment: Experiment, words: str = "", places: Places | None = None) -> None:
        """`words` for the undo menu; `places`: where each layer has gone, where an edit moved some."""
        before = self._state
        if before.experiment is None or experiment == before.experiment:
            return
        after = before.with_experiment(experiment, places)
        names: Mapping[str, str] = {}
        if after.cell is not None:
            names = after_edit(before.tracks, before.layers, after.layers, places)
            after = replace(after, tracks=tuple(names.values()))
        at = before.experiment.model.readout.at, experiment.model.readout.at
        if at[0] != "attention" == at[1]:  # chosen in order to see it
            after = replace(after, tracks=with_attention(after.tracks))
        self._take_along(names)
        self._push(words or f"change of {difference(before.experiment, experiment)}", after, places)

    def _take_along(self, names: Mapping[str, str]) -> None:
        """Tracks that are called otherwise now keep their heights and stay collapsed; the old names do too, for
        undo."""
        view = self._view
        moved = {new: view.heights[old] for old, new in names.items() if old in view.heights}
        collapsed = dict.fromkeys((*view.collapsed, *(names[one] for one in view.collapsed if one in names)))
        self._view = replace(view, heights={**view.heights, **moved}, collapsed=tuple(collapsed))

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
            self._push(what_if_words(self._state.what_if, what_if), replace(self._state, what_if=what_if))
        elif dragged is not None:  # also where it was dragged back: what was quick is asked for as a whole
            self.stateChanged.emit()

    def edit_tracks(self, tracks: tuple[str, ...], words: str) -> None:
        if tracks != self._state.tracks:
            self._push(words, replace(self._state, tracks=tracks))

    def _push(self, words: str, after: State, places: Places | None = None) -> None:
        self._dragging = None
        self.undo_stack.push(_Change(self, words, self._state, after, places))

    def _become(self, state: State, view: View | None = None, places: Places | None = None) -> None:
        """`view`: where somebody looked when it was last like this; its iteration, layer and unit come back with it.
        `places`: where each layer has gone; the one that is looked at is the same still."""
        self._dragging = None
        moved = state.history is not self._state.history or state.first != self._state.first
        relearned = moved or state.log is not self._state.log
        if places is not None:
            layer = followed_choice(self._view.layer, self._state.layers, state.layers, places)
            self._view = replace(self._view, layer=layer)
        self._state = state
        if view is not None:
            self._wish = view.iteration
            self._view = replace(self._view, layer=view.layer, unit=view.unit)
        elif moved and self.wished_iteration not in state.history:
            self._wish = state.first
        self._view = self._fitted(self._view)
        self.stateChanged.emit()
        if relearned:
            self.learned.emit()

    # -- what training adds (kept, not undone) ------------------------------------------------------------------------

    def remember(self, iteration: int, weights: Weights, recipe: Recipe | None = None) -> None:
        """Keep the weights of an iteration. A few can be computed again at any time; many are worth a question."""
        self._put_away(iteration, weights, recipe)
        self._state = self._state.remembering(iteration, weights, recipe, self._looked_at)
        if recipe is not None:
            self._worth_saving(iteration)
        self.learned.emit()

    def learn(self, trained: Trained, recipe: Recipe) -> None:
        """A chunk of training is done, with this recipe."""
        self._put_away(trained.iteration, trained.weights, recipe)
        self._state = self._state.learning(trained, recipe, self._looked_at)
        self._worth_saving(trained.iteration)
        self.learned.emit()

    def judge(self, evaluation: Evaluation) -> None:
        self._state = self._state.judging(evaluation)
        self.learned.emit()

    def train_anew_from(self, iteration: int) -> None:
        """What was trained after an iteration is let go, undoably: another future begins there."""
        self._push(f"training anew from iteration {iteration:,}", self._state.until(iteration))

    def _put_away(self, iteration: int, weights: Weights, recipe: Recipe | None) -> None:
        """Another future than the one that was known has been come to, by steps over the end of the tape."""
        if self._state.is_another(iteration, weights, recipe):
            self.train_anew_from(iteration - 1)

    @property
    def _looked_at(self) -> set[int]:
        return {self._view.iteration, self.wished_iteration}

    def _worth_saving(self, iteration: int) -> None:
        if not self._learned and iteration - self._state.first >= WORTH_SAVING:
            self._learned = True
            self.dirtyChanged.emit(True)

    # -- looking ------------------------------------------------------------------------------------------------------

    def look(self, **changes: Any) -> None:
        """Change the view: position, within, granularity, iteration, sample, layer, unit, heights, collapsed,
        time_range. With a
        position the step is whole, unless `within` is said."""
        if "position" in changes:
            changes.setdefault("within", None)
        if "iteration" in changes:
            self._wish = None
        self._set_view(replace(self._view, **changes))

    def show_steps(self, steps: int) -> None:
        """A trace of this length is on screen now. The moment stays what it was, as far as the tape still has it."""
        if steps == self._steps:
            return
        moment = self.tape.moment(self._view.position)
        self._steps = steps
        moment = replace(moment, step=min(moment.step, steps))
        self._set_view(replace(self._view, position=self.tape.position(moment), time_range=None))

    def _set_view(self, view: View) -> None:
        view = self._fitted(view)
        if view != self._view:
            self._view = view
            self.viewChanged.emit()

    def _fitted(self, view: View) -> View:
        """The view inside what there is: the tape's ends, a smaller batch, fewer layers and units."""
        sample, layer, unit = view.sample, view.layer, view.unit
        if (experiment := self._state.experiment) is not None and (layers := self._state.layers):
            sample = min(sample, experiment.task.batch_size - 1)
            layer = layer if layer in layers else ""
            if unit is not None and unit >= layers[layer or read_layer(tuple(layers))].hidden_size:
                unit = None
        position = min(max(0, view.position), len(self.tape) - 1)
        return replace(view, position=position, sample=max(0, sample), layer=layer, unit=unit)

    def _undo_moved(self, index: int) -> None:
        steps = [self.undo_stack.command(n) for n in range(self.undo_stack.count())]
        far = sorted(range(len(steps)), key=lambda n: -(index - n if n < index else n - index + 1))
        changes = [step for n in far if isinstance(step := steps[n], _Change)]
        lighter = self._kept_for_undo.within_budget([change.put_away.past for change in changes], self._state.past)
        for change, past in zip(changes, lighter, strict=True):
            if past is not change.put_away.past:
                change.put_away_lighter(replace(change.put_away, past=past))
        self.dirtyChanged.emit(self.dirty)


def _steps_of(state: State, otherwise: int = 1) -> int:
    return state.experiment.task.steps if state.experiment is not None else max(1, otherwise)
