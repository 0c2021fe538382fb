"""Binds document, controller, player and views: data down, intent up. Every connection of the window is here."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from engine.requests import Audit, Excerpt
from engine.session import MAX_TRACKS
from engine.spec import Experiment, WhatIf
from engine.tracks import NETWORK, NORMS, parse
from engine.within import Granularity, way_of
from explorer.analysis.desk import Desk
from explorer.analysis.subject import subject_of
from explorer.controller import Controller
from explorer.dock.assembly import Assembly
from explorer.document import pins
from explorer.document.document import Document
from explorer.motion import reduced_motion
from explorer.player import Player
from explorer.stage.tracks.ghost import Ghost
from explorer.tables.shelf import Shelf
from explorer.transport.ending import AtEnd, goes_on, stopped_words
from explorer.transport.words import inside_words, longest_words
from explorer.window import MainWindow

ADD_A_LAYER = "Add a layer: + RNN, + LSTM or + GRU"
_AHEAD = 1000
"""How many iterations beyond the furthest one can be asked for; they are trained on the way."""


class Bindings(QObject):
    """Slots between the parts; it keeps nothing but them."""

    atEndChanged = Signal(str)
    """What playing does at the end of the tape has been chosen."""

    def __init__(
        self, window: MainWindow, document: Document, controller: Controller, player: Player, desk: Desk
    ) -> None:
        super().__init__(window)
        self._window, self._document, self._controller, self._player = window, document, controller, player
        self._desk = desk
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

        self._unfinished = False
        self._stop_at: int | None = None
        self.at_end: AtEnd = "stop"
        self._inside = c.inside
        self._followed = self._prompted_at = -1
        p.stepsDue.connect(self._steps_due)
        p.playingChanged.connect(w.transport.set_playing)
        p.playingChanged.connect(self._show_motion)
        w.transport.playToggled.connect(self.toggle_play)
        w.transport.speedChanged.connect(p.set_speed)
        w.transport.speedChanged.connect(self._show_motion)
        w.transport.stepRequested.connect(self.step)
        w.transport.toStart.connect(self.to_start)
        w.transport.toEnd.connect(self.to_end)
        w.transport.positionPicked.connect(self.scrub)
        w.transport.iterationPicked.connect(self.pick_iteration)

        w.dock.experimentEdited.connect(self._edit_experiment)
        w.dock.assembled.connect(self._assemble)
        w.dock.whatIfDragged.connect(self._drag_what_if)
        w.dock.whatIfEdited.connect(self._edit_what_if)
        w.dock.samplePicked.connect(self._pick_sample)
        w.dock.unitPicked.connect(self._pick_unit)
        w.cell.unitPicked.connect(self._pick_unit)
        w.cell.layerPicked.connect(self._pick_layer)
        w.cell.copied.connect(self._say_copied)
        w.transport.granularityPicked.connect(self.pick_granularity)
        w.transport.atEndPicked.connect(self.pick_at_end)

        c.traceWanted.connect(desk.renew)
        c.failed.connect(desk.stay)
        w.analysis.questionsChanged.connect(desk.set_questions)
        w.analysis.cancelRequested.connect(desk.cancel)
        w.analysis.againRequested.connect(desk.again)
        w.analysis.pairPicked.connect(self._mark_pair)
        desk.resultChanged.connect(w.analysis.show_result)
        desk.standingChanged.connect(w.analysis.show_standing)

        w.stage.stepPicked.connect(self._pick_step)
        w.stage.cellPicked.connect(self._pick_cell)
        w.stage.unitPicked.connect(self._pick_unit)
        w.stage.heightsChanged.connect(self._heights_changed)
        w.stage.timeRangeChanged.connect(self._time_range_changed)
        w.stage.removeTrackRequested.connect(self.remove_track)
        w.stage.moveTrackRequested.connect(self._move_track)
        w.stage.trackChanged.connect(self._change_track)
        w.stage.scaleChanged.connect(self._say_scale)
        w.stage.scalesChosen.connect(self._scales_chosen)
        w.stage.duplicateRequested.connect(self.duplicate_track)
        w.stage.collapsedChanged.connect(self._collapsed_changed)
        w.stage.tableRequested.connect(self.show_table)

    # -- data down ----------------------------------------------------------------------------------------------------

    @Slot()
    def _document_opened(self) -> None:
        self._player.pause()
        w, d = self._window, self._document
        self._prompted_at = d.view.position
        w.dock.restore()
        w.stage.set_tracks(d.state.tracks)
        w.stage.set_heights(dict(d.view.heights))
        w.stage.set_scales(d.view.scales)
        w.stage.set_collapsed(d.view.collapsed)
        w.stage.set_message("Computing the trace…")
        w.transport.set_tape(d.tape)
        w.transport.set_events(())
        self._show_model()
        self._show_pins()
        self._show_view()
        self._show_saved()
        if d.state.unfinished:
            w.status.clear()
        if d.view.time_range is not None:
            w.stage.set_time_range(*d.view.time_range)

    @Slot()
    def _show_model(self) -> None:
        d = self._document
        if d.experiment is not None:
            batch, layers = d.experiment.task.batch_size, d.experiment.model.layers
            units = layers[-1].hidden_size if layers else 1
            self._window.dock.set_locked("")
            self._window.dock.set_state(d.experiment, d.state.what_if, d.view.sample, batch, d.view.unit, units)
        self._show_unfinished()

    def _show_unfinished(self) -> None:
        """What cannot be traced yet says so on the stage; until it can, the picture is the one before."""
        state, stage = self._document.state, self._window.stage
        there = self._controller.excerpt is not None
        if state.unfinished:
            empty = state.cell is None
            said = ADD_A_LAYER if empty else "This model cannot be traced yet: the model's card says why."
            stage.set_message(f"{said} The picture is the one before." if there else said)
        elif self._unfinished:
            stage.set_message("" if there else "Computing the trace…")
        self._unfinished = bool(state.unfinished)

    @Slot()
    def _show_tracks(self) -> None:
        self._window.stage.set_tracks(self._document.state.tracks)
        self.tables.refresh()

    @Slot()
    def _show_view(self) -> None:
        w, d = self._window, self._document
        inside, way = self._controller.inside, way_of(d.tape.moment(d.view.position).phase)
        within = inside.fitted(d.view.within, way)
        w.transport.set_granularity(d.view.granularity)
        w.transport.set_position(d.view.position, inside_words(inside, within, way))
        w.transport.set_at_end(self.at_end, self._controller.can_go_on)
        beyond = 0 if d.experiment is None else _AHEAD
        w.transport.set_iteration(d.view.iteration, max(d.state.furthest, d.view.iteration) + beyond)
        w.stage.set_position(d.view.position, whole=way is None or inside.whole(within, way))
        self.tables.refresh()
        if d.view.position != self._prompted_at:
            w.stage.set_prompt("")  # whatever has moved the tape: the prompt is being answered
        self._follow_playhead()
        self._show_reached()
        w.cell.set_position(d.view.position, within)

    def _show_reached(self) -> None:
        """What is about the way back is said, and drawn, as far as the tape has come."""
        excerpt, now = self._controller.excerpt, self._window.stage.canvas.now
        if excerpt is not None and now is not None:
            reached = now.backward <= excerpt.verdict.first_step
            self._window.status.set_reached(reached, now.loss, now.backward)
            self._window.analysis.set_reached(now.backward)

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

    @Slot()
    def _show_motion(self) -> None:
        moves = self._player.playing and not reduced_motion()
        self._window.stage.set_motion(self._player.speed if moves else 0.0)

    @Slot(object)
    def _show_excerpt(self, excerpt: Excerpt | None) -> None:
        w, d = self._window, self._document
        w.stage.set_excerpt(excerpt)
        w.cell.set_excerpt(excerpt)
        self._show_subject(excerpt)
        if excerpt is None:
            return
        self._show_pins()
        w.stage.set_message("")
        self._unfinished = False
        decades = w.stage.gradient_decades()
        if d.view.scales and decades is not None:
            w.cell.set_gradient_decades(*decades)
        w.transport.set_tape(d.tape)
        if self._controller.inside != self._inside:  # another layer or stack: places inside of a step have other words
            self._inside = self._controller.inside
            w.transport.set_inside(longest_words(self._inside))
            self._show_view()
        w.transport.set_events(excerpt.events)
        w.status.set_truncated(d.experiment is not None and d.experiment.training.truncation is not None)
        w.status.set_excerpt(excerpt)
        self._show_reached()
        if d.experiment is None:
            w.dock.show_recorded(excerpt, "A recorded trace: everything can be looked at, nothing recomputed.")
        else:
            self._show_model()

    def _show_subject(self, excerpt: Excerpt | None) -> None:
        """What is analysed is what is on screen."""
        source, decades = self._controller.shown_source, self._window.stage.gradient_decades()
        subject = None
        if excerpt is not None and source is not None:
            subject = subject_of(self._controller.trace, source, self._document.experiment, excerpt)
        self._desk.set_subject(subject)
        if self._controller.renewing:
            self._desk.renew()
        if decades is not None:
            self._window.analysis.set_decades(*decades)
        self._window.analysis.set_subject(subject)
        marks = self._window.stage.marks.steps
        if excerpt is None or (marks is not None and max(marks) > excerpt.steps):
            self._unmark()

    def _unmark(self) -> None:
        self._window.stage.set_marks(None, None)
        self._window.analysis.set_pair(None)

    @Slot(int, int)
    def _mark_pair(self, loss_step: int, source_step: int) -> None:
        self._window.stage.set_marks(loss_step, source_step)
        self._window.statusBar().showMessage(
            f"Marked: the loss at t = {loss_step:,}, and step k = {source_step:,}, to which it sends its gradient.",
            6000,
        )

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
        if self._at_last and not goes_on(self.at_end, trains=self._controller.can_go_on):
            self._document.look(position=0)  # from the end there is nowhere to go but to the start
        self._player.play()

    @property
    def _at_last(self) -> bool:
        return self._document.view.position == len(self._document.tape) - 1

    @Slot(str)
    def pick_at_end(self, at_end: AtEnd) -> None:
        """What playing does at the end of the tape."""
        if at_end != self.at_end:
            self.at_end = at_end
            self._window.transport.set_at_end(at_end, self._controller.can_go_on)
            self.atEndChanged.emit(at_end)

    @Slot(int)
    def _steps_due(self, count: int) -> None:
        if self._stop_at is not None:
            count = min(count, self._stop_at - self._document.view.position)
            if count <= 0:
                self._player.pause()
                return
        trains = self._controller.can_go_on
        if self._at_last and not goes_on(self.at_end, trains=trains):
            if self.at_end == "repeat":
                self._document.look(position=0)
            else:
                self._player.pause()
                said = stopped_words(trains=trains, iteration=self._document.view.iteration)
                self._window.statusBar().showMessage(said, 6000)
            return
        self._controller.step(count, self._document.view.granularity)

    @Slot(int)
    def step(self, count: int) -> None:
        """By the granularity that is chosen."""
        self._step(count, self._document.view.granularity)

    def step_gates(self, count: int) -> None:
        """Operation by operation, whatever is chosen."""
        self._step(count, "gate")

    def _step(self, count: int, granularity: Granularity) -> None:
        self._player.pause()
        self._controller.step(count, granularity)

    @Slot(str)
    def pick_granularity(self, granularity: Granularity) -> None:
        self._document.look(granularity=granularity)

    @Slot(int)
    def scrub(self, position: int) -> None:
        self._player.pause()
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

    @Slot(str, int)
    def _pick_cell(self, layer: str, t: int) -> None:
        """A click on a cell: it is the cell of the cell panel, which shows the step under the cursor. Where the tape
        has not come by yet (a reverse layer is at step t when a forward one is at T + 1 − t) it says so."""
        excerpt = self._controller.excerpt
        if excerpt is not None and layer in excerpt.layers:
            self._document.look(layer=layer)
            self._pick_step(t)

    def step_layer(self, count: int) -> None:
        """The cell of another layer, further from the input or nearer to it."""
        excerpt = self._controller.excerpt
        if excerpt is None:
            return
        names = list(excerpt.layers)
        place = names.index(self._document.view.layer or excerpt.layer) + count
        self._document.look(layer=names[min(max(0, place), len(names) - 1)])

    # -- intent up: the model -----------------------------------------------------------------------------------------

    @Slot(object)
    def _edit_experiment(self, experiment: Experiment) -> None:
        self._window.stage.set_prompt("")  # it asked about another experiment
        self._document.edit_experiment(experiment)

    @Slot(object)
    def _assemble(self, assembly: Assembly) -> None:
        self._window.stage.set_prompt("")
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
    def _pick_unit(self, unit: int | None) -> None:
        self._document.look(unit=unit)
        self._show_model()

    @Slot(str)
    def _pick_layer(self, layer: str) -> None:
        self._document.look(layer=layer)

    @Slot(str)
    def _say_copied(self, words: str) -> None:
        self._window.statusBar().showMessage(words, 6000)

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
    def _change_track(self, old: str, new: str) -> None:
        """Another track in the place of one, with its height; the old one keeps it too, for undo."""
        d = self._document
        if old not in d.state.tracks:
            return
        if new in d.state.tracks:
            self._window.statusBar().showMessage("That track is on the stage already.", 4000)
            return
        if old in d.view.heights:
            heights = {**d.view.heights, new: d.view.heights[old]}
            d.look(heights=heights)
            self._window.stage.set_heights(heights)
        d.edit_tracks(tuple(new if one == old else one for one in d.state.tracks), "change of a track")

    @Slot(object)
    def _scales_chosen(self, scales: dict[str, tuple[float, float, float]]) -> None:
        self._document.look(scales=dict(scales))

    @Slot(str, str)
    def _say_scale(self, key: str, words: str) -> None:
        """A scale never changes behind anybody's back."""
        decades = self._window.stage.gradient_decades()
        track = parse(key)
        if not track.what.startswith("values.") and decades is not None:
            self._window.cell.set_gradient_decades(*decades)
            self._window.analysis.set_decades(*decades)
        symbol = "h" if track.what == NETWORK else track.what.removeprefix("values.")
        name = "all gradients" if track.is_gradient else symbol
        self._window.statusBar().showMessage(f"The scale of {name} is now {words}.", 6000)

    # -- intent up: pins ----------------------------------------------------------------------------------------------

    @Slot()
    def pin(self) -> None:
        """Keep the trace on screen beside what comes next."""
        d, excerpt, bar = self._document, self._controller.excerpt, self._window.statusBar()
        if excerpt is None or self._controller.waiting:
            bar.showMessage("The trace is still being computed; pin it when it is on screen.", 4000)
            return
        made = pins.pin_of(excerpt, d.experiment, d.state.what_if, d.view.iteration)
        d.look(pins=pins.with_pin(d.view.pins, made))
        self._show_pins()
        shown = any(parse(track).what == NORMS for track in d.state.tracks)
        more = "" if shown else " Add the track “Gradient norms” to see it."
        bar.showMessage(f"Pinned: this trace's norms stay as dotted curves behind those of the next one.{more}", 6000)

    @Slot()
    def unpin(self) -> None:
        count = len(self._document.view.pins)
        self._document.look(pins=())
        self._show_pins()
        words = "There is no pin." if not count else f"{count} pin{'s' if count > 1 else ''} removed."
        self._window.statusBar().showMessage(words, 3000)

    def _show_pins(self) -> None:
        """Each is named by what differs from what is on screen."""
        d = self._document
        ghosts = (
            Ghost(pins.name(pin, d.experiment, d.state.what_if, d.view.iteration), pin.steps, pin.layers)
            for pin in d.view.pins
        )
        self._window.stage.set_ghosts(tuple(ghosts))

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
