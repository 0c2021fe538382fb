"""The tape: the bar below the stage, the player, and where the playhead goes."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QObject, Signal, Slot

from engine.operations_of_cell import Way
from engine.quantities import layer_title
from engine.requests import Excerpt
from engine.tape import Phase
from engine.within import Granularity, Inside, Within
from explorer.bindings.parts import Parts
from explorer.cell.reach import own_step
from explorer.extremes import extremes, said
from explorer.motion import reduced_motion
from explorer.transport.ending import AtEnd, goes_on, stopped_words
from explorer.transport.words import inside_words, longest_words, own_words

DWELL = {Phase.LOSS: 1.2, Phase.CLIP: 1.8}
"""Seconds for which playing stays where a single moment has something to read, at any speed."""
_CROSSED_MS = 2000
_AHEAD = 1000
"""How many iterations beyond the furthest one can be asked for; they are trained on the way."""


class TapeBinding(QObject):
    atEndChanged = Signal(str)
    """What playing does at the end of the tape has been chosen."""

    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._bar, self._stage, self._player = parts.window.transport, parts.window.stage, parts.player
        self._document, self._controller = parts.document, parts.controller
        self._parts = parts
        self._stop_at: int | None = None
        self._shown_off = QElapsedTimer()
        """Since the tape began to play by itself; invalid: it did not, or somebody has answered since."""
        self._fresh = -1
        """Where the playhead of a preset stood when it was opened; −1: it has been moved since, or there is none."""
        self.at_end: AtEnd = "stop"
        self._looked_at: object = None
        p, bar = self._player, self._bar
        p.stepsDue.connect(self.steps_due)
        p.playingChanged.connect(bar.set_playing)
        p.playingChanged.connect(self._show_motion)
        bar.playToggled.connect(self.toggle_play)
        bar.speedChanged.connect(p.set_speed)
        bar.speedChanged.connect(self._show_motion)
        bar.stepRequested.connect(self.step)
        bar.toStart.connect(self.to_start)
        bar.toEnd.connect(self.to_end)
        bar.positionPicked.connect(self.scrub)
        bar.iterationPicked.connect(self.pick_iteration)
        bar.granularityPicked.connect(self.pick_granularity)
        bar.atEndPicked.connect(self.pick_at_end)
        self._controller.refused.connect(self._refused)

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_opened(self) -> None:
        self._fresh = self._document.view.position if self._document.preset and not self._document.path else -1
        self._bar.set_tape(self._document.tape)
        self._bar.set_events(())

    def show_excerpt(self, excerpt: Excerpt) -> bool:
        """Whether places inside of a step have other words now: it is another layer or stack."""
        self._bar.set_tape(self._document.tape)
        self._bar.set_empty(False)
        self._bar.set_events(excerpt.events)
        inside, reverse = self._controller.inside, excerpt.focus.reverse
        looked_at = inside, reverse, excerpt.steps, tuple(excerpt.layers)
        if looked_at == self._looked_at:
            return False
        self._looked_at = looked_at
        self._bar.set_inside(_rooms(excerpt))
        return True

    def show_view(self, within: Within | None, way: Way | None) -> None:
        """`within`: where inside of its step the tape stands."""
        d = self._document
        self._bar.set_empty(bool(d.state.unfinished) and self._controller.excerpt is None)
        if d.view.position != self._fresh:
            self._fresh = -1
        self._bar.set_granularity(d.view.granularity)
        self._bar.set_position(d.view.position, self._words(within, way))
        self._bar.set_at_end(self.at_end, self._controller.can_go_on)
        self._show_iteration()

    def _show_iteration(self) -> None:
        d = self._document
        beyond = 0 if d.experiment is None else _AHEAD
        self._bar.set_iteration(d.view.iteration, max(d.state.furthest, d.view.iteration) + beyond)

    def _words(self, within: Within | None, way: Way | None) -> str:
        """Where inside of its step the tape stands, and at which step the layer that is looked at, if it is another."""
        inside, excerpt = self._controller.inside, self._controller.excerpt
        reverse = excerpt is not None and excerpt.focus.reverse
        said = inside_words(inside, within, way, reverse=reverse)
        if said or way is None or excerpt is None or not reverse:
            return said
        step = self._document.tape.moment(self._document.view.position).step
        return own_words(inside, own_step(step, excerpt.steps, reverse=True))

    @Slot()
    def _show_motion(self) -> None:
        moves = self._player.playing and not reduced_motion()
        self._stage.set_motion(self._player.speed if moves else 0.0)

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot()
    def toggle_play(self) -> None:
        own, self._shown_off = self._shown_off, QElapsedTimer()
        if self._player.playing and own.isValid() and own.elapsed() < _CROSSED_MS:
            return  # whoever presses Play just as it begins by itself wants to see it play
        if self._player.playing:
            self._player.pause()
        else:
            self._play(None)

    def show_off(self, position: int) -> None:
        """Play without having been asked, and stop at a position."""
        self._play(position)
        self._shown_off.start()
        self._parts.say("It plays by itself, since nobody was quicker: Space pauses, ← and → step.", 8000)

    def _play(self, stop_at: int | None) -> None:
        self._stop_at = stop_at
        d, fresh = self._document, self._fresh
        self._fresh = -1
        if stop_at is None and d.view.position == fresh and d.tape.moment(fresh).phase is Phase.LOSS:
            self._controller.go_to_start()  # it is played as a whole: the forward pass is half of what there is to see
        elif self._at_last and not goes_on(self.at_end, trains=self._controller.can_go_on):
            self._controller.go_to_start()  # from the end there is nowhere to go but there
        self._player.play()

    @property
    def _at_last(self) -> bool:
        return self._document.view.position == len(self._document.tape) - 1

    @Slot(str)
    def pick_at_end(self, at_end: AtEnd) -> None:
        """What playing does at the end of the tape."""
        if at_end != self.at_end:
            self.at_end = at_end
            self._bar.set_at_end(at_end, self._controller.can_go_on)
            self.atEndChanged.emit(at_end)

    @Slot(int)
    def steps_due(self, count: int) -> None:
        if self._stop_at is not None:
            count = min(count, self._stop_at - self._document.view.position)
            if count <= 0:
                self._player.pause()
                return
        trains = self._controller.can_go_on
        if self._at_last and not goes_on(self.at_end, trains=trains):
            if self.at_end == "repeat":
                self._controller.go_to_start()
            else:
                self._player.pause()
                self._parts.say(stopped_words(trains=trains, iteration=self._document.view.iteration), 2500)
            return
        self._play_on(count)

    def _play_on(self, count: int) -> None:
        """Not past a moment that is to be read: there it stays for a while."""
        d = self._document
        granularity, here = d.view.granularity, d.view.position
        ahead = [p for p in (d.tape.span(phase)[0] for phase in DWELL) if p > here]
        if granularity == "step" and ahead:
            count = min(count, ahead[0] - here)
        for each in [count] if granularity == "step" else [1] * count:  # finer steps do not say how many lead there
            self._controller.step(each, granularity)
            phase = d.tape.moment(d.view.position).phase
            if d.view.position != here and phase in DWELL:
                self._player.dwell(DWELL[phase])
                return

    @Slot(int)
    def step(self, count: int) -> None:
        """By the granularity that is chosen."""
        self._step(count, self._document.view.granularity)

    def step_gates(self, count: int) -> None:
        """Operation by operation, whatever is chosen."""
        self._step(count, "gate")

    def _step(self, count: int, granularity: Granularity) -> None:
        self._player.pause()
        self._controller.step(count, granularity, waits=True)

    @Slot(str)
    def pick_granularity(self, granularity: Granularity) -> None:
        self._document.look(granularity=granularity)

    @Slot(int)
    def scrub(self, position: int) -> None:
        self._player.pause()
        self._document.look(position=position)

    def go_to_extreme(self, *, largest: bool) -> None:
        """To the step with the smallest or the largest gradient of the cell panel's layer, among those that the tape
        has reached."""
        excerpt, now = self._controller.excerpt, self._stage.canvas.now
        if excerpt is None or now is None:
            return
        layer = excerpt.focus
        known = now.grads(layer.reverse)
        found = extremes(excerpt, layer, known, largest=largest)
        if not found:
            self._parts.say("No gradient is known yet: play the tape into the backward pass first.", 5000)
            return
        t = found[0].step
        steps = self._document.tape.steps
        self.scrub(steps + (t - 1 if layer.reverse else steps - t) + 1)
        whole = known == (1, steps)
        name = layer_title(layer.name)
        self._parts.say(said(found, name, largest=largest, all_known=whole), 15_000)

    @Slot()
    def to_start(self) -> None:
        self._player.pause()
        self._controller.go_to_start()

    @Slot()
    def to_end(self) -> None:
        self.scrub(len(self._document.tape) - 1)

    @Slot(int)
    def pick_iteration(self, iteration: int) -> None:
        self._player.pause()
        self._controller.go_to_iteration(iteration, self._document.view.position)

    @Slot(str)
    def _refused(self, sentence: str) -> None:
        """The iteration cannot be gone back to: the one on screen stays, and its number."""
        self._player.pause()
        self._show_iteration()
        self._parts.say(sentence, 10_000)

    @Slot(int)
    def pick_step(self, t: int) -> None:
        """To step t, in the pass that the playhead is in."""
        d = self._document
        backward = d.view.position > d.tape.steps
        self.scrub(2 * d.tape.steps + 1 - t if backward else t - 1)


def _rooms(excerpt: Excerpt) -> tuple[str, ...]:
    """What can be said of places inside of a step, whichever layer is looked at: choosing one moves nothing."""
    names, found = tuple(excerpt.layers), dict[str, None]()
    for name, layer in excerpt.layers.items():
        inside = Inside.of(names, name, layer.cell, layer.layer_norm)
        found |= dict.fromkeys(longest_words(inside, excerpt.steps, reverse=layer.reverse))
    return tuple(found)
