"""The drawer: how training stands, its curves, and what begins and ends it."""

from __future__ import annotations

import re
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, Slot

from engine import task_facts
from engine.errors import SpecError
from engine.requests import Excerpt
from engine.spec import Experiment
from engine.tape import Phase
from engine.training_checks import MAX_ITERATIONS
from engine.training_loop import check_held_back
from engine.until import until_of
from explorer.bindings.comparisons import ComparisonsBinding
from explorer.bindings.parts import Parts
from explorer.bindings.travel import TravelBinding
from explorer.pace import Pace
from explorer.theme.tokens import PAD
from explorer.training.axes import AxisChoice
from explorer.training.curves import Curves, last_losses
from explorer.training.run_names import settings_words
from explorer.training.standing import Ending, stands
from explorer.training.ways_out import WayOut, ways_out
from explorer.training.words import TAIL, figures, summary
from explorer.widgets.typed import finish_typing


class TrainingBinding(QObject):
    def __init__(self, parts: Parts, travel: TravelBinding, comparisons: ComparisonsBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._controller = parts, parts.document, parts.controller
        self._book, self._runner, self._drawer = parts.book, parts.runner, parts.window.drawer
        self._tab, self._controls = self._drawer.training, self._drawer.training.controls
        self._layers: tuple[str, ...] = ()
        self._travel, self._comparisons = travel, comparisons.runs
        self._voice = parts.window.stage.banner.voice()
        self._problem = self._held = ""
        """What is wrong with the bound that was typed, and which refused values have gone back for this training."""
        self._held_of: Experiment | None = None
        self._drawn, self._said_of = Curves(), 0
        """What was drawn last, and the iteration on the stage that its numbers were said beside."""
        self._told: tuple[int, object] = (-1, None)
        """The iteration and the state of which it was last said how training stands."""
        self._anew = True
        self._resting = False
        """Whether the playhead is where documents open, at the loss, and nobody has moved it."""
        self._ways: tuple[WayOut, ...] = ()
        self._pace = Pace(self._show, lambda: self._tab.curves.cost, self)
        self._book.changed.connect(self._pace.ask)
        runner = self._runner
        runner.runningChanged.connect(self._running_changed)
        runner.ended.connect(self._ended)
        runner.noted.connect(self._noted)
        parts.document.stateChanged.connect(self._show_available)
        travel.markerMoved.connect(self.show_view)
        travel.followsChanged.connect(self._show_sentence)
        self._voice.chosen.connect(self._take_way_out)
        self._drawer.openChanged.connect(self._show)
        self._drawer.summary.trainToggled.connect(self.toggle)
        controls = self._controls
        controls.trainToggled.connect(self.toggle)
        controls.advanceWanted.connect(self.advance)
        controls.untilWanted.connect(self._until_wanted)
        controls.settingsWanted.connect(self._show_settings)
        controls.until_field.textEdited.connect(self._forget_problem)
        self._tab.layersWanted.connect(self._show_layers)
        self._tab.lossAxisPicked.connect(self._pick_loss_axis)
        self._comparisons.changed.connect(self._pace.ask)
        self._show_available()

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_opened(self) -> None:
        """Another document: other axes."""
        self._resting = True
        self._problem, self._held, self._anew = "", "", True
        self._controls.forget_until()
        self._ways = ()
        self._show_available()
        self._show()

    def show_excerpt(self, _excerpt: Excerpt | None) -> None:
        self._show_available()

    @Slot()
    def show_view(self) -> None:
        shown = self._document.view.iteration
        self._resting = self._resting and self._at_the_loss
        self._tab.curves.set_iteration(shown, shown if self._travel.wish is None else self._travel.wish)
        if shown != self._said_of:
            self._said_of = shown
            self._say()
        told, state = self._told
        if not self._runner.running and (shown != told or self._document.state is not state):
            self._show_sentence()

    @Slot()
    def _show_available(self) -> None:
        available = self._runner.available
        self._drawer.summary.set_available(available)
        self._controls.set_available(available)
        experiment = self._document.experiment
        if experiment is not None:
            self._controls.set_metric(task_facts.metric(experiment.task, experiment.model))
            self._controls.set_settings(settings_words((experiment, self._document.state.what_if)))

    @Slot()
    def _show(self) -> None:
        self._pace.shown()
        drawer = self._drawer
        open_here = drawer.is_open and drawer.tab == "training"
        curves = self._curves(whole=open_here)
        self._drawn = curves
        self._say()
        if open_here:
            self._tab.set_layers(self._book.layers, self._layers)
            self._tab.set_kept(self._comparisons.names())
            self._tab.curves.set_curves(curves, anew=self._anew)
            self._anew = False
            self.show_view()
        self._show_sentence()

    def _say(self) -> None:
        """The numbers in words, each with its iteration."""
        runner, shown = self._runner, self._document.view.iteration
        ending, sentence = ("", "") if runner.running else (runner.ending.kind, runner.ending.sentence)
        self._drawer.summary.set_parts(summary(self._drawn, shown=shown, ending=ending, sentence=sentence))
        if self._drawer.is_open and self._drawer.tab == "training":
            self._controls.set_figures(figures(self._drawn, runner.seconds, shown))

    def _curves(self, *, whole: bool) -> Curves:
        """`whole`: with all that is drawn; else what one line says."""
        book, chunks = self._book, self._book.log.scalars.chunks
        experiment = self._document.experiment
        scaled = experiment is not None and task_facts.is_scaled(experiment.task, experiment.model)
        if not whole:
            last = chunks[-1] if chunks else None
            if last is None:
                return Curves(count=book.next, scaled=scaled)
            iterations, losses = last_losses(book.log.scalars, TAIL)
            return Curves(
                iterations=iterations,
                losses=losses,
                grad_norms=last["grad_norms"][-1:],
                clipped_norms=last["clipped_norms"][-1:],
                clipped=last["clipped"][-1:],
                evaluations=book.evaluations,
                baseline=book.baseline,
                turns=book.turns(),
                scaled=scaled,
                count=book.next,
            )
        names = [name for name in self._layers if name in book.layers]
        found = Curves(
            iterations=book.iterations(),
            losses=book.column("losses"),
            grad_norms=book.column("grad_norms"),
            clipped_norms=book.column("clipped_norms"),
            clipped=book.column("clipped").astype(bool),
            layer_norms={name: book.column(f"layer_norms.{name}") for name in names},
            evaluations=book.evaluations,
            baseline=book.baseline,
            persistence=book.persistence,
            kept=book.kept(),
            known_from=book.known_from,
            turns=book.turns(),
            scaled=scaled,
            count=book.next,
            goal=self._runner.goal,
            seconds=float(chunks[-1]["seconds"][-1]) if chunks else 0.0,
        )
        return replace(found, ghosts=self._comparisons.ghosts(found))

    @Slot()
    def _show_sentence(self) -> None:
        self._told = self._document.view.iteration, self._document.state
        best = self._book.best if self._runner.ending.kind == "early stop" else None
        self._drawer.reason.set_best(None if best is None or self._problem else best.iteration)
        if self._problem:
            self._drawer.reason.set_sentence(self._problem, tone="exploding")
            return
        runner = self._runner
        words, tone = stands(
            running=runner.running,
            goal=runner.goal,
            until=None if runner.until is None else str(runner.until),
            ending=runner.ending,
            follows=runner.follows,
            note=runner.note,
            outlook=runner.outlook,
        )
        if self._held and self._document.experiment is self._held_of and tone == "muted":
            words, tone = f"{words} {self._held}".strip(), "loss"
        self._drawer.reason.set_sentence(words, tone=tone)

    @Slot(bool)
    def _running_changed(self, running: bool) -> None:
        self._drawer.summary.set_running(running=running)
        self._controls.set_running(running=running)
        self._parts.desk.set_resting(running)
        if running:
            self._parts.player.pause()
            self._show_whole_trace()
            self._problem, self._ways = "", ()
            self._parts.window.stage.banner.clear()  # whoever trains has seen it
        self._show()

    @property
    def _at_the_loss(self) -> bool:
        return self._document.tape.moment(self._document.view.position).phase is Phase.LOSS

    def _show_whole_trace(self) -> None:
        """At the loss no gradient is known yet. Whoever trains without having put the playhead anywhere watches what
        training is about: the gradient all the way back. A playhead that somebody has put elsewhere stays."""
        if self._resting and self._at_the_loss:
            self._document.look(position=self._document.tape.span(Phase.BACKWARD)[-1])

    @Slot(object)
    def _ended(self, ending: Ending) -> None:
        self._voice.take_back()
        self._ways = ()
        if ending.kind in ("diverged", "failed"):
            experiment = self._document.experiment
            bad = ending.diverged
            self._ways = () if experiment is None or bad is None else ways_out(experiment, bad)
            self._voice.say(ending.sentence, [(way.words, way.tip) for way in self._ways])
        elif ending.sentence:
            self._parts.say(ending.sentence, 10_000)
        self._show()

    @Slot(str)
    def _noted(self, note: str) -> None:
        if note:
            self._parts.say(note, 10_000)
        self._show_sentence()

    # -- intent up: training ------------------------------------------------------------------------------------------

    @Slot()
    def toggle(self) -> None:
        if self._runner.running:
            self._runner.pause()
        else:
            self._begin()
            self._runner.start()

    @Slot(int)
    def _take_way_out(self, number: int) -> None:
        """Train again from the start, under the settings that were chosen."""
        if not 0 <= number < len(self._ways) or self._runner.running:
            return
        state, wanted = self._document.state, self._ways[number].experiment
        start = state.first if state.first < state.furthest and not state.out_of_reach(state.first) else 0
        self.train_from(start, wanted)

    def train_from(self, iteration: int, experiment: Experiment) -> None:
        """Train anew from an iteration that can be gone back to, under other settings."""
        self._runner.pause()
        self._begin()
        self._document.edit_experiment(experiment)
        self._controller.go_to_iteration(iteration, self._document.view.position)
        self._runner.start()

    @Slot(int)
    def advance(self, count: int) -> None:
        self._begin()
        self._runner.advance(count)

    def _begin(self) -> None:
        """What is typed in a field counts, what was refused goes back to what it is trained with, and the stage
        follows."""
        finish_typing(self._drawer)
        held = self._parts.window.dock.let_go_of_refused()
        self._held = f"It trains with {'; '.join(held)}." if held else ""
        self._held_of = self._document.experiment
        self._travel.forget()
        self._problem = ""
        self._parts.player.pause()

    def ask_until(self) -> None:
        self._drawer.show_tab("training")
        self._controls.until_field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._controls.until_field.selectAll()

    @Slot(str)
    def _until_wanted(self, text: str) -> None:
        experiment = self._document.experiment
        if experiment is None:
            return
        self._begin()
        typed = text.strip().replace("\u202f", "").replace(" ", "")
        if number := re.fullmatch(r"\d+|\d{1,3}(,\d{3})+", typed):
            goal = int(number[0].replace(",", ""))
            if goal > MAX_ITERATIONS:
                self._show_problem(f"{goal:,} iterations are too many; up to {MAX_ITERATIONS:,} are accepted.")
            elif goal <= self._document.view.iteration:
                self._show_problem(f"Iteration {goal:,} has been reached; a larger one is accepted.")
            else:
                self._runner.start(goal=goal)
            return
        try:
            until = until_of(text.strip(), experiment)
            assert until is not None
            check_held_back(experiment, until)
        except SpecError as error:
            self._show_problem(str(error).replace("is accepted", "or an iteration is accepted"))
            return
        self._runner.start(until=until)

    def _show_problem(self, sentence: str) -> None:
        self._problem = sentence
        self._show_sentence()

    @Slot()
    def _forget_problem(self) -> None:
        """Another text is being typed: what was wrong with the old one is over."""
        if self._problem:
            self._show_problem("")

    @Slot()
    def _show_settings(self) -> None:
        """The model panel, come back where it has given way, at the rate."""
        window = self._parts.window
        window.show_panel(window.dock_area, True)
        rows = window.dock.training_rows.rows
        rate, clip = rows["learning_rate"].field, rows["clip"].field
        window.dock_area.ensureWidgetVisible(clip, 0, PAD)  # both, where there is room for both
        window.dock_area.ensureWidgetVisible(rate, 0, PAD)
        rate.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def take_focus(self) -> None:
        self._drawer.show_tab("training")
        self._tab.curves.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # -- intent up: what the curves show ------------------------------------------------------------------------------

    @Slot(tuple)
    def _show_layers(self, layers: tuple[str, ...]) -> None:
        self._layers = layers
        self._show()

    @Slot(str)
    def _pick_loss_axis(self, choice: AxisChoice) -> None:
        self._tab.curves.set_loss_axis(choice)
