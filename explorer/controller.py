"""Between the document and the engine: what has to be computed is asked for, what comes back is shown.

The picture on screen is always of one piece. A new iteration or a changed experiment replaces it when its numbers are
there, not before; until then the old picture stays whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.errors import SessionError, SpecError
from engine.requests import Excerpt, Look, Source
from engine.session import check_room
from engine.tape import Phase
from engine.tracks import LayerKind, read_layer
from engine.training_requests import Trained
from engine.within import Granularity, Inside, Within, stepped, way_of
from explorer.auditor import Auditor
from explorer.cell.reach import inside_of
from explorer.cell.wanted import wanted_keys as cell_panel_keys
from explorer.compute.courier import Courier
from explorer.document.document import Document
from explorer.in_pieces import InPieces
from explorer.stage.wanted import wanted_keys
from explorer.trainer import Goal, Trainer, goal_of
from explorer.want import Want

_PATIENCE_MS = 400
_BLINK_MS = 100
_MOST_PRESSES = 20
"""That wait for a picture: a key that is held down must not run on for long after it."""
_CHEAP = 2**18
"""T·H² of the layer in the cell panel, up to which its routes are shared out while a slider is dragged."""


class Controller(QObject):
    """Asks for what the document shows and hands out what comes back."""

    excerptChanged = Signal(object)
    """Excerpt, or None when another document has been opened and nothing is there yet."""
    auditChanged = Signal(object)
    """Audit; None while it is being computed."""
    progressChanged = Signal(int, int)
    """Iterations done and to do, of training on the way to the picture; (0, 0) when there is none."""
    traceWanted = Signal()
    """Another trace than the one on screen is asked for."""
    waitingChanged = Signal(bool)
    """Whether the picture on screen is no longer the document's, for longer than a blink."""
    failed = Signal(str)
    """One sentence; the picture stays what it was."""
    recovered = Signal()
    """The next good picture after a failure."""
    refused = Signal(str)
    """One sentence: the iteration that was to be shown cannot be trained, or not again. Nothing has happened."""
    crossing = Signal(int)
    """A step of the tape goes over its end, into this iteration."""

    def __init__(self, document: Document, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document, self._courier = document, courier
        self._excerpt: Excerpt | None = None
        self._shown: Want | None = None
        self._trace = 0
        self._wanted: Want | None = None
        """What is asked for, or trained towards."""
        self._asked: dict[int, Want] = {}
        self._presses: list[tuple[int, Granularity]] = []
        """Steps over an end of the tape, and what came after them, that wait for the picture they are about."""
        self._trainer = Trainer(courier, self)
        self.pictures = InPieces(self._show, self)
        self._auditor = Auditor(courier, lambda: self._wanted is not None, self)
        self._failing = self._training = False
        self._waiting = False
        self._blink = QTimer(self)
        self._blink.setSingleShot(True)
        self._blink.setInterval(_BLINK_MS)
        self._blink.timeout.connect(self._tell_waiting)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._end_the_old)
        document.opened.connect(self._document_opened)
        document.stateChanged.connect(self.refresh)
        document.viewChanged.connect(self.refresh)
        self._trainer.progressChanged.connect(self.progressChanged)
        self._trainer.advanced.connect(self._advanced)
        self._trainer.reached.connect(self._trained)
        self._trainer.failed.connect(self._give_up)
        self._auditor.audited.connect(self.auditChanged)
        courier.answered.connect(self._answered)
        courier.failed.connect(self._answer_failed)

    @property
    def excerpt(self) -> Excerpt | None:
        """What is on screen."""
        return self._excerpt

    @property
    def trace(self) -> int:
        """Which trace is on screen: another number is another one."""
        return self._trace

    @property
    def shown(self) -> Want | None:
        """What the trace on screen was asked for as."""
        return self._shown

    @property
    def shown_source(self) -> Source | None:
        """What the trace on screen is computed from."""
        return None if self._shown is None else self._shown.state.source(self._shown.iteration)

    @property
    def renewing(self) -> bool:
        """Another trace than the one on screen is under way."""
        return self._trainer.running or (self._wanted is not None and not self._wanted.same_trace(self._shown))

    @property
    def settled(self) -> bool:
        """Nothing is under way: the picture is the document's, and its audit has been shown, or it has failed."""
        if self._shown is None and self._document.state.unfinished:
            return True  # there is nothing to ask for
        if self._wanted is not None:
            return False
        return self._failing or (self._shown is not None and self._auditor.has_audited(self._shown))

    # -- asking -------------------------------------------------------------------------------------------------------

    @Slot()
    def refresh(self) -> None:
        """Ask for the picture of the document as it is now, unless it is on screen or under way."""
        moving_to = self._wanted if self._wanted is not None and self._wanted.position is not None else None
        if moving_to is not None and self._still_leads(moving_to):
            here = self._document.view.position
            self._want(moving_to.iteration, moving_to.position if here == moving_to.left else here)
        else:
            self._want(self._document.wished_iteration, None)

    def _still_leads(self, want: Want) -> bool:
        """Whether an iteration that is on its way is one of what stands there now: it is not trained again for another
        network, nor where its past has been put away."""
        state = self._document.state
        put_away = want.iteration > state.furthest < want.state.furthest
        return state.could_be_of(want.state.experiment) and not put_away

    def go_to_iteration(self, iteration: int, position: int = 0) -> None:
        """Show another iteration, with the playhead at `position` (−1: the end). Trains up to it where needed; where it
        is no longer known what it was trained with, it is `refused`."""
        if self._document.state.recorded is not None or iteration < 0:
            return
        if why := self._document.state.out_of_reach(iteration):
            self._presses.clear()
            self.refused.emit(why)
        else:
            self._want(iteration, position)

    @property
    def inside(self) -> Inside:
        """How a step of what is on screen is made up."""
        if self._excerpt is not None:
            return inside_of(self._excerpt)
        return Inside(1, 0, "rnn")  # nothing to step through yet

    @property
    def going_to(self) -> int:
        """The iteration that is on its way, or else on screen."""
        wanted = self._wanted
        return wanted.iteration if wanted is not None and self._moving() else self._document.view.iteration

    def step(self, count: int, granularity: Granularity = "step", *, waits: bool = False) -> None:
        """Move the playhead; over the end of the tape into the next iteration, over its start into the one before.

        A step that would have to be made on a picture that is on its way is made when that is there, where it `waits`;
        else it is let go.
        """
        if self._presses or self._leaving():
            self._press(count, granularity, waits)
            return
        view, tape = self._document.view, self._document.tape
        inside = self.inside
        within = inside.fitted(view.within, way_of(tape.moment(view.position).phase))
        position, within, left = stepped(tape, view.position, within, count, granularity, inside)
        stuck = left == count
        on = stuck and count > 0 and self.can_go_on and view.position == len(tape) - 1
        back = stuck and count < 0 and view.position == 0 and view.iteration > 0
        if (on or back) and (self._moving() or (on and self._next_is_being_trained)):
            self._press(count, granularity, waits)  # over the end of which trace, is not decided yet
        elif on:
            # What was trained under other settings is not what the update on screen leads to.
            stale = not self._training and not self._document.state.next_is_current(view.iteration)
            if (stale or view.iteration >= self._document.state.furthest) and (why := self._without_room()):
                self._presses.clear()
                self.refused.emit(why)
                return
            self.crossing.emit(view.iteration + 1)
            self._want(view.iteration + 1, 0, retrain=stale)
        elif back:
            if not self._document.state.out_of_reach(view.iteration - 1):
                self.crossing.emit(view.iteration - 1)
            self.go_to_iteration(view.iteration - 1, -1)
        else:
            self._document.look(position=position, within=within)

    def _without_room(self) -> str:
        """Why nothing is trained: no file would have room for it. "" where one would."""
        experiment = self._document.experiment
        assert experiment is not None
        try:
            check_room(experiment)
        except (SpecError, SessionError) as error:
            return str(error)
        return ""

    @property
    def _next_is_being_trained(self) -> bool:
        return self._training and self._document.view.iteration >= self._document.state.furthest

    def _press(self, count: int, granularity: Granularity, waits: bool) -> None:
        if waits and len(self._presses) < _MOST_PRESSES:
            self._presses.append((count, granularity))

    def take_presses(self) -> None:
        """Make the steps that have waited, as far as they can be made now."""
        if self._moving() or not self._presses or self._next_is_being_trained:
            return
        presses, self._presses = self._presses, []
        for count, granularity in presses:
            self.step(count, granularity, waits=True)

    def let_go(self) -> None:
        """Somebody else trains from here on: what is only being trained towards is given up, without a word."""
        if self._trainer.running:
            self._trainer.stop()
            self._wanted = None
            self._tell_waiting()

    def go_to_start(self) -> None:
        """To the leftmost moment that steps of the chosen size come to: inside of a step, its first operation."""
        position, within = self._place(0)
        self._document.look(position=position, within=within)

    @property
    def can_go_on(self) -> bool:
        """Whether there is a next iteration: of an experiment, once it can be traced."""
        return self._document.state.recorded is None and not self._document.state.unfinished

    def step_phase(self, direction: int) -> None:
        """To the start of the next phase, or of this one, then of the one before."""
        view, tape = self._document.view, self._document.tape
        phases = list(Phase)
        moment = tape.moment(view.position)
        number = phases.index(moment.phase)
        if direction < 0 and view.position > tape.span(moment.phase)[0]:
            self._document.look(position=tape.span(moment.phase)[0])
        elif 0 <= number + direction < len(phases):
            self._document.look(position=tape.span(phases[number + direction])[0])
        else:
            self.step(direction)

    def step_event(self, direction: int) -> bool:
        """To the next or previous tick on the tape. False if there is none."""
        if self._excerpt is None:
            return False
        tape, here = self._document.tape, self._document.view.position
        places = sorted({event.position(tape.steps) for event in self._excerpt.events})
        ahead = [p for p in places if (p > here if direction > 0 else p < here)]
        if ahead:
            self._document.look(position=ahead[0] if direction > 0 else ahead[-1])
        return bool(ahead)

    def _routes_are_cheap(self) -> bool:
        """Whether the routes' shares take a millisecond or two: else they wait until a slider rests."""
        return self._excerpt is None or self._excerpt.steps * self._excerpt.focus.hidden_size**2 <= _CHEAP

    def _moving(self) -> bool:
        """Whether what is under way shows another iteration than the one on screen."""
        return self._wanted is not None and self._wanted.position is not None

    def _leaving(self) -> bool:
        """Whether it also takes the playhead elsewhere: what is pressed meanwhile is about what comes."""
        wanted = self._wanted
        return (
            wanted is not None
            and wanted.position is not None
            and wanted.position != wanted.left == self._document.view.position
        )

    def _want(self, iteration: int, position: int | None, *, retrain: bool = False) -> None:
        state, view = self._document.state, self._document.view
        layer, unit = view.layer, view.unit
        if state.unfinished:
            # Nothing can be asked for it. What was traced last can still be looked at, and what is on its way comes.
            if self._trainer.running:
                self._trainer.stop()
                self._wanted = None
            if self._shown is None or self._wanted is not None:
                return
            shown = replace(self._shown.state, tracks=state.tracks)
            state, iteration = shown, self._shown.iteration
            layer = layer if layer in state.layers else ""
            units = state.layers[layer or read_layer(tuple(state.layers))].hidden_size
            unit = unit if unit is None or unit < units else None
        layers: Mapping[str, LayerKind] = state.layers
        if not layers and self._excerpt is not None:  # a recorded trace tells by its first picture
            layers = self._excerpt.kinds()
        keys = wanted_keys(state.tracks, layers, self._document.dragging) if layers else ()
        if unit is None and layers:  # the cell panel shows norms of products of these
            focus = layer or read_layer(tuple(layers))
            of_cell = cell_panel_keys(layers[focus].cell)
            keys = tuple(dict.fromkeys(keys + tuple(f"{focus}.{key}" for key in of_cell)))
        routes = not self._document.dragging or self._routes_are_cheap()
        want = Want(state, iteration, view.sample, layer, unit, keys, routes, position, view.position)
        if want.same_picture(self._wanted):
            return
        if self._wanted is None and want.same_picture(self._shown):
            self._auditor.later()  # of what was to come instead of it, it had been let go
            if self._failing:  # what failed has been taken back
                self._failing = False
                self.recovered.emit()
            if position is not None:
                there, within = self._place(position)
                self._document.look(iteration=iteration, position=there, within=within)
            return
        before, self._wanted = self._wanted, want
        if not want.same_trace(self._shown):
            self._auditor.let_go()
            self.traceWanted.emit()
        if not self._blink.isActive() and not self._waiting:
            self._blink.start()
        start = state.kept_before(iteration - 1 if retrain else iteration)
        needs_training = state.recorded is None and iteration > 0 and start != iteration
        if needs_training and not retrain and (why := state.out_of_reach(iteration)):
            self._give_up(why)
            return
        if needs_training:
            if not (self._trainer.running and want.same_trace(before)):
                self._trainer.begin(goal_of(state, iteration, start, anew=retrain))
            return
        self._trainer.stop()
        source: Source = state.source(iteration)
        generation = self._courier.ask(
            "excerpt", "excerpt", Look(source, want.keys, want.sample, want.unit, want.layer, want.routes)
        )
        self._asked = {g: w for g, w in self._asked.items() if g > generation - 50}
        self._asked[generation] = want

    # -- answers ------------------------------------------------------------------------------------------------------

    @Slot()
    def _document_opened(self) -> None:
        self._courier.set_scope(object())
        # Something long of the old document would keep this one waiting: after a moment it is ended.
        if not self._courier.idle():
            self._patience.start()
        self._trainer.stop()
        self._asked.clear()
        self.pictures.forget()
        self._presses.clear()
        self._excerpt = self._shown = self._wanted = None
        self._failing = False
        self._auditor.forget()
        self.excerptChanged.emit(None)
        self.refresh()

    @Slot()
    def _end_the_old(self) -> None:
        if self._excerpt is None and not self._trainer.running:
            self._wanted = None
            self._asked.clear()
            self.pictures.forget()
            self._courier.cancel()
            self.refresh()

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel != "excerpt" or not isinstance(answer, Excerpt):
            return
        if (want := self._asked.pop(generation, None)) is not None:
            self.pictures.take(want, answer, ahead=self._training and not want.same_trace(self._shown))

    @Slot(str, int, str)
    def _answer_failed(self, channel: str, generation: int, sentence: str) -> None:
        if channel != "excerpt":
            return  # an analysis and the trainer speak for themselves; unaudited, the status bar goes on saying so
        self.pictures.finish()
        if self._asked.pop(generation, None) is self._wanted:  # else nobody waits for it any more
            self._give_up(sentence)

    @Slot(object, object)
    def _advanced(self, goal: Goal, trained: Trained) -> None:
        """On the way to an iteration: what is trained for the first time is kept, what is replayed has been."""
        if trained.iteration > self._document.state.furthest:
            self._document.learn(trained, goal.recipe)

    @Slot(object, object)
    def _trained(self, goal: Goal, trained: Trained) -> None:
        want = self._wanted
        assert want is not None
        self._wanted = None
        self._document.learn(trained, goal.recipe)
        if want.iteration not in self._document.state.history:  # it would be asked for again, and again
            self._give_up(
                f"Iteration {want.iteration:,} was trained again and could not be kept, so that it cannot be shown."
            )
            return
        here = self._document.view.position
        self._want(want.iteration, want.position if want.position is not None and here == want.left else here)

    @Slot(str)
    def _give_up(self, sentence: str) -> None:
        self._presses.clear()
        self._trainer.stop()
        self.pictures.forget()
        self._wanted = None
        self._failing = True
        self._tell_waiting()
        self.failed.emit(sentence)
        self._auditor.later()

    @property
    def waiting(self) -> bool:
        return self._wanted is not None

    def cancel(self) -> None:
        """Stop what is being computed; the picture stays what it was."""
        if not self.waiting:
            return
        self._asked.clear()
        self._trainer.stop()
        self._courier.cancel()
        self._auditor.cancelled()
        self._give_up("It was stopped; the picture is the one before. Undo takes the change back.")

    def set_training(self, *, training: bool) -> None:
        """While training runs, pictures of it come and go: none is audited until it rests."""
        self._training = training
        self._auditor.set_resting(training)

    def _tell_waiting(self) -> None:
        if self.waiting != self._waiting:
            self._waiting = self.waiting
            self.waitingChanged.emit(self._waiting)

    def _show(self, want: Want, excerpt: Excerpt) -> None:
        newest = self._wanted is None or want is self._wanted
        if newest:
            self._wanted = None
        document = self._document
        # An answer may come late, when an edit has made another network of it: its weights are not that one's.
        own = document.state.experiment == want.state.experiment
        if own and excerpt.weights is not None and want.iteration not in document.state.history:
            document.remember(want.iteration, excerpt.weights)
            # The same trace, now known by its weights: without this it would be asked for a second time.
            past = replace(want.state.past, history=document.state.history)
            want = replace(want, state=replace(want.state, past=past))
        fresh = not want.same_trace(self._shown)
        stays = want.position == want.left or document.view.position != want.left
        self._trace += fresh
        self._excerpt, self._shown = excerpt, want
        if self._failing:
            self._failing = False
            self.recovered.emit()
        document.blockSignals(True)  # the views hear of the new place together with the new picture
        try:
            document.show_steps(excerpt.steps)
            if want.position is not None and not stays:
                position, within = self._place(want.position)
                document.look(iteration=want.iteration, position=position, within=within)
            elif newest or want.position is not None:
                document.look(iteration=want.iteration)
            self._fit_within()
        finally:
            document.blockSignals(False)
        self._tell_waiting()
        self.excerptChanged.emit(excerpt)
        document.viewChanged.emit()
        if fresh:
            self.auditChanged.emit(None)
        self._auditor.show(want, excerpt.seconds)
        self.take_presses()

    def _fit_within(self) -> None:
        """The place inside a step, in the stack that is on screen from now on."""
        view = self._document.view
        within = self.inside.fitted(view.within, way_of(self._document.tape.moment(view.position).phase))
        if within != view.within:
            self._document.look(position=view.position, within=within)

    def _place(self, position: int) -> tuple[int, Within | None]:
        """Negative: counted from the end. At the start the step is not whole where steps lead into it."""
        if position or self._excerpt is None:
            return position if position >= 0 else len(self._document.tape) + position, None
        return 0, self.inside.moments("forward", self._document.view.granularity)[0]
