"""Continuous training: a chain of short requests through the courier, each from where the one before has come to, until
somebody pauses it or there is a reason to stop. Between two of them nothing is under way, so that a pause acts at once;
what is under way for longer is let go (explorer.training.letting_go).
"""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.errors import SessionError, SpecError
from engine.history import Evaluation, stops
from engine.requests import Weights
from engine.session import check_room
from engine.spec import Experiment
from engine.training_loop import (
    CHUNK_SECONDS,
    MOST_IN_A_CHUNK,
    check_held_back,
    early_stop_sentence,
    evaluation_due,
    probe,
)
from engine.training_requests import Judge, Judged, Train, Trained
from engine.until import Until
from explorer.compute.courier import Courier
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.document.state import Recipe
from explorer.evaluation.extent import shown_of
from explorer.training.asked import Chunk, Judging, Seen
from explorer.training.following import Following
from explorer.training.letting_go import ACTS_WITHIN, LettingGo
from explorer.training.standing import Ending, Outlook, changed, evaluation_let_go, let_go, put_away

RUN, JUDGE = "run", "run.judge"
"""The courier's channels."""


class Runner(QObject):
    """Asks, hands the answers to the document, and now and then has the newest iteration shown."""

    runningChanged = Signal(bool)
    advanced = Signal()
    """A chunk is done; the document has it."""
    ended = Signal(object)
    """An Ending."""
    noted = Signal(str)
    """What a training that begins anew has put away."""
    judged = Signal(object)
    """What was held back has been judged, at `Runner.iteration` (Judged)."""

    def __init__(
        self, document: Document, controller: Controller, courier: Courier, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._document, self._controller, self._courier = document, controller, courier
        self._running = False
        self._goal: int | None = None
        self._until: Until | None = None
        self._count = 1
        self._chunk: Chunk | None = None
        self._judging: Judging | None = None
        self._led: tuple[int, Recipe] | None = None
        """An iteration to begin anew from that is not kept, and what had led to it: so far it is replayed."""
        self._beginning = False
        self._following = Following(document, controller, self)
        self.ending = Ending()
        self.note = ""
        """What this training has put away, while it runs."""
        self._ruin: tuple[Weights | None, Recipe, Ending] | None = None
        """Where training has diverged last: what it had come to, how it was trained, and what was said."""
        self._seen = self._look()
        self.seconds = 0.0
        """That an iteration takes, lately; 0: nobody knows."""
        self._released = False
        """Whether a pause has let go what is under way."""
        self._letting_go = LettingGo(self._release, self._end_computing, self)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(0)
        self._again.timeout.connect(self._go_on)
        courier.answered.connect(self._answered)
        courier.failed.connect(self._failed)
        courier.cancelled.connect(self._cancelled)
        document.opened.connect(self._opened)
        document.stateChanged.connect(self._document_changed)
        document.learned.connect(self._document_learned)

    # -- told ---------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._running

    @property
    def under_way(self) -> bool:
        """Whether an answer is still to come that is wanted: shortly after a pause it is, and nothing more is asked."""
        waiting = self._chunk is not None or self._judging is not None
        return self._running or (waiting and not self._released)

    @property
    def iteration(self) -> int:
        """The one that training goes on with."""
        return self._document.state.furthest

    @property
    def goal(self) -> int | None:
        """Where it stops; None: nowhere by itself."""
        return self._goal

    @property
    def until(self) -> Until | None:
        return self._until

    @property
    def available(self) -> bool:
        """Whether there is something to train, and where to begin is known."""
        return self._controller.can_go_on and self._controller.excerpt is not None

    @property
    def follows(self) -> bool:
        """Whether the stage shows the newest iteration now and then."""
        return self._following.on

    def set_follows(self, follows: bool) -> None:
        self._following.on = follows

    def follow(self) -> None:
        """To the newest iteration, and on with it."""
        self._following.on = True
        self._following.show_newest()

    @property
    def outlook(self) -> Outlook:
        here, state = self._document.view.iteration, self._document.state
        goes_on = here >= state.furthest or state.goes_on(here)
        return Outlook(here, state.furthest if goes_on else here, state.furthest)

    def start(self, goal: int | None = None, until: Until | None = None) -> None:
        """Train on from the iteration on screen. Where what comes after it was trained as it would be now, it goes on
        from its end; else that is let go (undoably). `goal`: an iteration to stop at; one that is known is shown. Where
        an end needs evaluations and nothing is held back for them, or no file would have room for the training, nothing
        is trained."""
        experiment = self._document.experiment
        if not self.available or experiment is None:
            return
        needed = until is not None or experiment.training.early_stop is not None
        try:
            check_room(experiment)
            if needed:
                check_held_back(experiment, until)
        except (SpecError, SessionError) as error:
            self._stop(Ending("failed", str(error)))
            return
        if not self._running:
            here, state = self._controller.going_to, self._document.state
            self._controller.let_go()  # what it trains towards is trained here
            goes_on = here >= state.furthest or state.goes_on(here)
            if goal is not None and goal <= (state.furthest if goes_on else here):
                self._controller.go_to_iteration(goal, self._document.view.position)
                return
            self.note = ""
            if not goes_on:
                self._begin_anew_from(here)
        self._goal, self._until = goal, until
        if self._running:
            self._following.on = True
        else:
            self._running = True
            self._take_up_again(goal)
            self.ending = Ending()
            self._count = 1
            self._following.begin()
            self._controller.set_training(training=True)
            self.runningChanged.emit(True)
            if evaluation_due(experiment, self.iteration, self._document.state.evaluations):
                self._judge(experiment, self.iteration)
        if needed and self._judging is None:
            request = probe(experiment, self._document.state.history.get(self.iteration), self._document.recipe[1])
            self._judging = Judging(self._courier.ask(JUDGE, "judge", request), None, request)
        self._go_on()

    def _take_up_again(self, goal: int | None) -> None:
        """What was under way at a pause and still is comes in time, unless it is of something else or leads too far."""
        self._letting_go.end()
        self._released = False
        chunk = self._chunk
        if chunk is None:
            return
        too_far = goal is not None and goal < chunk.iteration + chunk.count
        if too_far or chunk.recipe != self._document.recipe or not self._still(chunk):
            self._courier.end_long(RUN, ACTS_WITHIN)
            self._chunk = None

    def _begin_anew_from(self, iteration: int) -> None:
        """What came after it is put away, undoably."""
        state = self._document.state
        self.note = put_away(iteration, state.furthest)
        self._led = (iteration, state.recipe_into(iteration))
        self._beginning = True
        self._document.train_anew_from(iteration)
        self._beginning = False
        self.noted.emit(self.note)

    def advance(self, count: int) -> None:
        """So many iterations on: from the one on screen, or that is on its way there; while training runs, from where
        it is going to stop, or else from the end of what is under way. So presses add up, however quick they are."""
        if not self._running:
            start = self._controller.going_to
        elif self._goal is not None:
            start = self._goal
        else:
            start = self.iteration if self._chunk is None else self._chunk.iteration + self._chunk.count
        self.start(goal=start + count)

    @Slot()
    def pause(self) -> None:
        """Nothing more is asked; iterations that are under way are taken if they come soon, else let go. An evaluation
        is let go at once: it is made when training goes on, and then training stops by it where it has to."""
        if not self._running:
            return
        at = None if self._judging is None else self._judging.iteration
        self._withdraw()
        self._stop(Ending("paused", "" if at is None else evaluation_let_go(at)))
        self._wait_shortly()

    def _withdraw(self) -> None:
        """Nothing that has not begun is asked any more."""
        if self._chunk is not None and self._courier.withdraw(RUN):
            self._chunk = None
        if self._judging is not None and self._courier.withdraw(JUDGE):
            self._judging = None

    def _wait_shortly(self) -> None:
        """For what is under way still though training rests; pictures wait behind it."""
        if self._chunk is not None or self._judging is not None:
            self._released = self._chunk is None
            self._letting_go.begin(self._chunk.due if self._chunk is not None else 0.0)

    def _release(self) -> None:
        """It has been long enough since the pause. What an edit or undo has said of it stays."""
        if self._released or self._running:
            return
        self._released = True
        if self._chunk is not None and self.ending.kind == "paused":
            self._say_let_go()

    def _say_let_go(self) -> None:
        self._stop(Ending("paused", let_go(self.iteration)))
        self._following.catch_up()

    def _end_computing(self) -> None:
        """Nobody is told later: whoever trains on in the meantime is not stopped by it."""
        channel = RUN if self._chunk is not None else JUDGE
        self._chunk = self._judging = None
        self._courier.cancel(channel)

    # -- asking -------------------------------------------------------------------------------------------------------

    @Slot()
    def _go_on(self) -> None:
        if not self._running or self._chunk is not None or self._judging is not None:
            return
        recipe = self._document.recipe
        experiment = self._document.experiment
        if experiment is None or self._document.state.unfinished:
            self._stop(Ending("changed", "The experiment cannot be traced as it is now: its card says why."))
            return
        iteration = self.iteration
        replaying = self._led is not None and iteration < self._led[0]
        if self._led is not None and replaying:
            recipe = self._led[1]
        of, what_if = recipe
        assert of is not None
        every = experiment.training.evaluate_every
        most = every - iteration % every
        if self._goal is not None:
            most = min(most, self._goal - iteration)
        if self._led is not None and replaying:
            most = min(most, self._led[0] - iteration)
        weights = self._document.state.history.get(iteration)
        request = Train(of, weights, iteration, max(1, min(self._count, most)), what_if, halt=True)
        due = time.perf_counter() + request.count * self.seconds
        self._chunk = Chunk(self._courier.ask(RUN, "train", request), iteration, request.count, weights, recipe, due)

    def _judge(self, experiment: Experiment, iteration: int) -> None:
        """What is held back, by what training has come to."""
        weights, what_if = self._document.state.history.get(iteration), self._document.recipe[1]
        request = Judge(experiment, weights, shown=shown_of(experiment), what_if=what_if)
        if self._judging is None or not self._judging.is_as(iteration, request):  # as one from before a pause may be
            self._judging = Judging(self._courier.ask(JUDGE, "judge", request), iteration, request)

    # -- answers ------------------------------------------------------------------------------------------------------

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        chunk, judging = self._chunk, self._judging
        if channel == RUN and chunk is not None and generation == chunk.generation and isinstance(answer, Trained):
            self._chunk = None
            self._letting_go.end()
            if not self._released:
                self._take(chunk, answer)
        if channel == JUDGE and judging is not None and generation == judging.generation and isinstance(answer, Judged):
            self._judging = None
            self._letting_go.end()
            if self._running:  # else it is made when training goes on, which then can stop by it
                self._take_judged(judging, answer)

    def _take(self, chunk: Chunk, trained: Trained) -> None:
        document = self._document
        if not self._still(chunk):
            # Another network stands there now, or another past, and it has been said. Whoever has started anew since
            # is served now.
            self._go_on_soon()
            return
        done = len(trained.records)
        if done:
            took = float(trained.records.seconds.mean())
            self.seconds = took if not self.seconds else 0.7 * self.seconds + 0.3 * took
            wanted = CHUNK_SECONDS / max(took, 1e-6)
            self._count = max(1, min(MOST_IN_A_CHUNK, int(min(wanted, 4.0 * max(done, self._count)))))
            document.learn(trained, chunk.recipe)
        self.advanced.emit()
        self._controller.take_presses()
        if trained.diverged is not None and self._running and not done and self._is_ruined(chunk):
            self._begin_anew_from(self._finite_before(chunk.iteration))
            self._go_on_soon()
            return
        if trained.diverged is not None:
            ending = Ending("diverged", trained.diverged.sentence, trained.diverged)
            self._ruin = document.state.history.get(self.iteration), document.recipe, ending
            self._stop(ending)
            return
        experiment = document.experiment
        assert experiment is not None
        if done and self._running and trained.iteration % experiment.training.evaluate_every == 0:
            self._judge(experiment, trained.iteration)
            return
        self._next()

    def _is_ruined(self, chunk: Chunk) -> bool:
        """Whether nothing can go on from where it stands, because of what led there: it was trained otherwise than it
        would be now. The iteration before was finite still."""
        return chunk.iteration > 0 and self._document.state.recipe_into(chunk.iteration) != chunk.recipe

    def _finite_before(self, iteration: int) -> int:
        """The iteration before it; where that cannot be trained again, the last one before it that is kept."""
        state, before = self._document.state, iteration - 1
        return before if not state.out_of_reach(before) else (state.kept_before(before) or 0)

    def _still(self, chunk: Chunk) -> bool:
        state = self._document.state
        known = state.history.get(chunk.iteration)
        at_the_end = state.furthest == chunk.iteration and (chunk.iteration == 0 or known is chunk.weights)
        return at_the_end and state.could_be_of(chunk.recipe[0])

    def _take_judged(self, judging: Judging, judged: Judged) -> None:
        state, iteration, of = self._document.state, judging.iteration, judging.request.experiment
        if iteration is None:
            self._go_on()
            return
        same = state.could_be_of(of) and state.experiment is not None and state.experiment.task == of.task
        if same and iteration == state.furthest and state.history.get(iteration) is judging.request.weights:
            self._document.judge(Evaluation.of(iteration, judged))
            self.judged.emit(judged)
        self._next()

    def _next(self) -> None:
        """After a chunk, and its evaluation if there was one: go on, unless there is a reason not to."""
        experiment, evaluations = self._document.experiment, self._document.state.evaluations
        if not self._running or experiment is None:
            if not self._running:
                self._following.catch_up()
            return
        fresh = bool(evaluations) and evaluations[-1].iteration == self.iteration
        stop = experiment.training.early_stop
        if self._goal is not None and self.iteration >= self._goal:
            self._stop(Ending("there"))
        elif fresh and self._until is not None and self._until.reached(evaluations[-1]):
            self._stop(Ending("until", self._until.sentence(evaluations[-1])))
        elif fresh and stop is not None and stops(evaluations, stop):
            self._stop(Ending("early stop", early_stop_sentence(stop, evaluations)))
        else:
            self._following.now_and_then()
            self._go_on_soon()

    def _go_on_soon(self) -> None:
        """Asked from the event loop: where answers come at once, painting has its turn too."""
        if self._running:
            self._again.start()

    @Slot(str, int, str)
    def _failed(self, channel: str, generation: int, sentence: str) -> None:
        if channel == RUN and self._chunk is not None and generation == self._chunk.generation:
            self._chunk = None
            self._letting_go.end()
            if not self._released:
                self._stop(Ending("failed", sentence))
        elif channel == JUDGE and self._judging is not None and generation == self._judging.generation:
            self._judging = None
            self._letting_go.end()
            if not self._running:  # it is made when training goes on, and what is wrong is said then
                return
            experiment = self._document.experiment
            needed = self._until is not None or (experiment is not None and experiment.training.early_stop is not None)
            if needed:
                self._stop(Ending("failed", sentence))
            else:  # nothing is held back: training can do without
                self._next()

    @Slot(str, int)
    def _cancelled(self, channel: str, generation: int) -> None:
        if channel == RUN and self._chunk is not None and generation == self._chunk.generation:
            self._chunk = None
            self._letting_go.end()
            if not self._released:
                self._say_let_go()
        elif channel == JUDGE and self._judging is not None and generation == self._judging.generation:
            at, self._judging = self._judging.iteration, None
            self._letting_go.end()
            self._stop(Ending("paused", "" if at is None else evaluation_let_go(at)))

    def _look(self) -> Seen:
        return Seen(self._document.state, self._document.recipe)

    @Slot()
    def _document_learned(self) -> None:
        self._seen = self._look()

    @Slot()
    def _document_changed(self) -> None:
        """An edit that changes an iteration, or a step of undo that takes training elsewhere, pauses it, whatever is
        under way; layout, a what-if, when it is judged and when it stops do not. What was said at the end of it goes
        with what it was said of."""
        was, now = self._seen, self._look()
        self._seen = now
        if self._beginning:
            return
        another = now.state.past.parts_from(was.state.past)
        elsewhere = now.iteration != was.iteration or another
        if not elsewhere and now.recipe == was.recipe:
            return
        edited = now.recipe[0] != was.recipe[0]
        if not elsewhere and not edited and self._running:
            return  # a what-if counts from the next request on
        if elsewhere:
            self._led = None
        stepped = self._document.stepped
        start = was.state.first if edited else now.iteration
        sentence = changed(was.iteration, start, now.iteration, running=self._running, stepped=stepped, another=another)
        if not sentence and not self._running and self.ending.outlives_an_edit:
            return
        ending = Ending("stepped" if elsewhere and stepped != "edit" else "changed", sentence) if sentence else Ending()
        if self._ruin is not None:  # undo can bring it back, and with it what can be done about it
            come_to, recipe, said = self._ruin
            if now.state.history.get(now.iteration) is come_to and now.recipe == recipe:
                ending = said
        if self._running:
            self._withdraw()
            self._stop(ending, shows=not elsewhere)
            self._wait_shortly()
        elif ending != self.ending:
            self.ending = ending
            self.ended.emit(ending)

    @Slot()
    def _opened(self) -> None:
        """Another document: what is under way is nobody's."""
        self._chunk = self._judging = None
        self._letting_go.end()
        self._led, self._ruin, self._seen = None, None, self._look()
        self.seconds = 0.0
        self._following.on = True
        if self._running:
            self._stop(Ending())
        else:
            self.ending = Ending()

    def _stop(self, ending: Ending, *, shows: bool = True) -> None:
        was, self._running = self._running, False
        self._again.stop()
        self.ending = ending
        self._goal = self._until = None
        if was:
            self._controller.set_training(training=False)
            self.runningChanged.emit(False)
        if ending.kind:
            self.ended.emit(ending)
        if was and ending.kind and self._chunk is None and shows:
            self._following.catch_up()
        self._controller.take_presses()
