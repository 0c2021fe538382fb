"""Binds document, controller, player and views: data down, intent up. Every connection of the window is here."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Audit, Excerpt
from engine.session import MAX_TRACKS
from engine.spec import Experiment, WhatIf
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.player import Player
from explorer.tables.shelf import Shelf
from explorer.window import MainWindow

_AHEAD = 1000
"""How many iterations beyond the furthest one can be asked for; they are trained on the way."""


class Bindings(QObject):
    """Slots between the parts; it keeps nothing but them."""

    def __init__(self, window: MainWindow, document: Document, controller: Controller, player: Player) -> None:
        super().__init__(window)
        self._window, self._document, self._controller, self._player = window, document, controller, player
        self.tables = Shelf(window.stage)
        w, d, c, p = window, document, controller, player

        d.opened.connect(self._document_opened)
        d.stateChanged.connect(self._show_model)
        d.stateChanged.connect(self._show_tracks)
        d.viewChanged.connect(self._show_view)
        d.dirtyChanged.connect(self._show_saved)
        c.excerptChanged.connect(self._show_excerpt)
        c.auditChanged.connect(self._show_audit)
        c.progressChanged.connect(self._show_progress)
        c.waitingChanged.connect(self._show_waiting)
        c.failed.connect(self._show_failure)
        c.recovered.connect(self._clear_failure)

        self._stop_at: int | None = None
        self._followed = -1
        p.stepsDue.connect(self._steps_due)
        p.playingChanged.connect(w.transport.set_playing)
        w.transport.playToggled.connect(self.toggle_play)
        w.transport.speedChanged.connect(p.set_speed)
        w.transport.stepRequested.connect(self.step)
        w.transport.toStart.connect(self.to_start)
        w.transport.toEnd.connect(self.to_end)
        w.transport.positionPicked.connect(self.scrub)
        w.transport.iterationPicked.connect(self.pick_iteration)

        w.dock.experimentEdited.connect(self._edit_experiment)
        w.dock.whatIfDragged.connect(self._drag_what_if)
        w.dock.whatIfEdited.connect(self._edit_what_if)
        w.dock.samplePicked.connect(self._pick_sample)
        w.dock.unitPicked.connect(self._pick_unit)
        w.cell.unitPicked.connect(self._pick_unit)

        w.stage.stepPicked.connect(self._pick_step)
        w.stage.unitPicked.connect(self._pick_unit)
        w.stage.heightsChanged.connect(self._heights_changed)
        w.stage.timeRangeChanged.connect(self._time_range_changed)
        w.stage.removeTrackRequested.connect(self.remove_track)
        w.stage.moveTrackRequested.connect(self._move_track)
        w.stage.scaleChanged.connect(self._say_scale)
        w.stage.duplicateRequested.connect(self.duplicate_track)
        w.stage.collapsedChanged.connect(self._collapsed_changed)
        w.stage.tableRequested.connect(self.show_table)

    # -- data down ----------------------------------------------------------------------------------------------------

    @Slot()
    def _document_opened(self) -> None:
        self._player.pause()
        w, d = self._window, self._document
        w.dock.restore()
        w.stage.set_tracks(d.state.tracks)
        w.stage.set_heights(dict(d.view.heights))
        w.stage.set_collapsed(d.view.collapsed)
        w.stage.set_message("Computing the trace…")
        w.transport.set_tape(d.tape)
        w.transport.set_events(())
        self._show_model()
        self._show_view()
        self._show_saved()
        if d.view.time_range is not None:
            w.stage.set_time_range(*d.view.time_range)

    @Slot()
    def _show_model(self) -> None:
        d = self._document
        if d.experiment is not None:
            batch, units = d.experiment.task.batch_size, d.experiment.layer.hidden_size
            self._window.dock.set_locked("")
            self._window.dock.set_state(d.experiment, d.state.what_if, d.view.sample, batch, d.view.unit, units)

    @Slot()
    def _show_tracks(self) -> None:
        self._window.stage.set_tracks(self._document.state.tracks)
        self.tables.refresh()

    @Slot()
    def _show_view(self) -> None:
        w, d = self._window, self._document
        w.transport.set_position(d.view.position)
        beyond = 0 if d.experiment is None else _AHEAD
        w.transport.set_iteration(d.view.iteration, max(d.state.furthest, d.view.iteration) + beyond)
        w.stage.set_position(d.view.position)
        self.tables.refresh()
        self._follow_playhead()
        self._show_reached()
        w.cell.set_position(d.view.position)

    def _show_reached(self) -> None:
        """The verdict is about the way back: it is said when the tape has come to the first step."""
        d, excerpt = self._document, self._controller.excerpt
        if excerpt is not None:
            reached = d.tape.backward_reached(d.view.position) <= excerpt.verdict.first_step
            self._window.status.set_reached(reached)

    def _follow_playhead(self) -> None:
        """Where only a stretch of time is on screen, it turns a page when the playhead leaves it: only then, so that
        somebody can look elsewhere."""
        if self._document.view.position == self._followed:
            return
        self._followed = self._document.view.position
        stage, t = self._window.stage, self._document.tape.moment(self._document.view.position).step
        first, last = stage.time_range()
        if self._controller.excerpt is not None and not first <= t <= last:
            stage.pan_to(t if t > last else max(1, t - (last - first)))

    @Slot(object)
    def _show_excerpt(self, excerpt: Excerpt | None) -> None:
        w, d = self._window, self._document
        w.stage.set_excerpt(excerpt)
        w.cell.set_excerpt(excerpt)
        if excerpt is None:
            return
        w.stage.set_message("")
        w.transport.set_tape(d.tape)
        w.transport.set_events(excerpt.events)
        w.status.set_excerpt(excerpt)
        self._show_reached()
        if d.experiment is None:
            w.dock.show_recorded(excerpt, "A recorded trace: everything can be looked at, nothing recomputed.")
        else:
            self._show_model()

    @Slot(object)
    def _show_audit(self, audit: Audit | None) -> None:
        self._window.status.set_audit(audit)

    @Slot(int, int)
    def _show_progress(self, done: int, total: int) -> None:
        self._window.stage.set_progress(done, total)
        if total:
            self._window.stage.set_message(f"Training: iteration {done} of {total}")

    @Slot(bool)
    def _show_waiting(self, waiting: bool) -> None:
        """In place of the old picture's verdict and audit, which would be read as the new one's."""
        bar = self._window.statusBar()
        if waiting and self._controller.excerpt is not None:
            bar.showMessage("Computing… the picture is still the one before. Esc stops it.")
        elif not waiting:
            bar.clearMessage()

    @Slot(str)
    def _show_failure(self, sentence: str) -> None:
        self._player.pause()
        self._window.stage.set_banner(sentence)

    @Slot()
    def _clear_failure(self) -> None:
        self._window.stage.set_banner("")

    @Slot()
    def _show_saved(self) -> None:
        d = self._document
        self._window.setWindowTitle(f"{d.title or 'Untitled'}[*] – Gradient Flow Explorer")
        self._window.setWindowModified(d.dirty)
        if d.dirty:
            self._window.status.set_saved("not saved")
        elif not d.path:
            self._window.status.set_saved("")

    # -- intent up: the tape ------------------------------------------------------------------------------------------

    @Slot()
    def toggle_play(self) -> None:
        if self._player.playing:
            self._player.pause()
        else:
            self._play(None)

    def play_to(self, position: int) -> None:
        """Play, and stop by itself at a position."""
        self._play(position)

    def _play(self, stop_at: int | None) -> None:
        self._stop_at = stop_at
        self._window.stage.set_prompt("")  # the prompt has been answered
        self._player.play()

    @Slot(int)
    def _steps_due(self, count: int) -> None:
        if self._stop_at is not None:
            count = min(count, self._stop_at - self._document.view.position)
            if count <= 0:
                self._player.pause()
                return
        if self._document.state.recorded is not None and self._document.view.position == len(self._document.tape) - 1:
            self._player.pause()  # a recorded trace has no next iteration
            return
        self._controller.step(count)

    @Slot(int)
    def step(self, count: int) -> None:
        self._player.pause()
        self._window.stage.set_prompt("")
        self._controller.step(count)

    @Slot(int)
    def scrub(self, position: int) -> None:
        self._player.pause()
        self._window.stage.set_prompt("")
        self._document.look(position=position)

    @Slot()
    def to_start(self) -> None:
        self.scrub(0)

    @Slot()
    def to_end(self) -> None:
        self.scrub(len(self._document.tape) - 1)

    @Slot(int)
    def pick_iteration(self, iteration: int) -> None:
        self._player.pause()
        self._controller.go_to_iteration(iteration, self._document.view.position)

    @Slot(int)
    def _pick_step(self, t: int) -> None:
        """A click on the stage: to step t, in the pass that the playhead is in."""
        d = self._document
        backward = d.view.position > d.tape.steps
        self.scrub(2 * d.tape.steps + 1 - t if backward else t - 1)

    # -- intent up: the model -----------------------------------------------------------------------------------------

    @Slot(object)
    def _edit_experiment(self, experiment: Experiment) -> None:
        self._window.stage.set_prompt("")  # it asked about another experiment
        self._document.edit_experiment(experiment)

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
    def _pick_unit(self, unit: int | None) -> None:
        self._document.look(unit=unit)
        self._show_model()

    # -- intent up: the stage -----------------------------------------------------------------------------------------

    @Slot(object)
    def _heights_changed(self, heights: dict[str, int]) -> None:
        self._document.look(heights=dict(heights))

    @Slot(int, int)
    def _time_range_changed(self, first: int, last: int) -> None:
        whole = (first, last) == (1, self._document.tape.steps)
        self._document.look(time_range=None if whole else (first, last))

    @Slot(str)
    def remove_track(self, key: str) -> None:
        self.remove_tracks((key,))

    def remove_tracks(self, keys: tuple[str, ...]) -> None:
        tracks = tuple(one for one in self._document.state.tracks if one not in keys)
        self._document.edit_tracks(tracks, "removal of a track" if len(keys) == 1 else "removal of tracks")

    @Slot(str, int)
    def _move_track(self, key: str, place: int) -> None:
        tracks = [one for one in self._document.state.tracks if one != key]
        tracks.insert(max(0, place), key)
        self._document.edit_tracks(tuple(tracks), "move of a track")

    @Slot(str, str)
    def _say_scale(self, key: str, words: str) -> None:
        """A scale never changes behind anybody's back."""
        decades = self._window.stage.gradient_decades()
        if key.startswith("grads.") and decades is not None:
            self._window.cell.set_gradient_decades(*decades)
        name = key.replace("grads.", "∂L/∂").replace("values.", "")
        self._window.statusBar().showMessage(f"The scale of {name} is now {words}.", 6000)

    @Slot(str)
    def show_table(self, key: str) -> None:
        if self.tables.open(key) is None:
            said = f"{self._window.stage.title_of(key)} has no table here."
            self._window.statusBar().showMessage(said, 4000)

    @Slot(tuple)
    def _collapsed_changed(self, keys: tuple[str, ...]) -> None:
        self._document.look(collapsed=tuple(keys))

    @Slot(str, str)
    def duplicate_track(self, key: str, new: str) -> None:
        """Another track below one: the same of another layer or unit."""
        self._insert_track(new, key, "duplicate of a track")

    def add_track(self, key: str) -> None:
        """Below the selected track, else below all."""
        self._insert_track(key, self._window.stage.handling.selected, "new track")

    def _insert_track(self, key: str, below: str, words: str) -> None:
        tracks, stage = list(self._document.state.tracks), self._window.stage
        if key not in tracks:
            if len(tracks) >= MAX_TRACKS:
                said = f"There are {MAX_TRACKS} tracks, as many as a session can hold; remove one first."
                self._window.statusBar().showMessage(said, 6000)
                return
            tracks.insert(tracks.index(below) + 1 if below in tracks else len(tracks), key)
            self._document.edit_tracks(tuple(tracks), words)
        stage.handling.select(key, reveal=True)
