"""What an edit does to a training, and a training to what is known: pauses are said, nothing is lost without undo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lessons import trained
from pytestqt.qtbot import QtBot
from training_rig import STEPS, Rig, experiment, weights

from engine.spec import (
    ClipSpec,
    WhatIf,
)
from engine.training_requests import Diverged
from explorer.training.runner import JUDGE, RUN
from explorer.training.standing import Ending


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    return Rig(experiment())


def _asked(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    assert rig.courier.count(RUN) == 2


def _between(rig: Rig) -> None:
    rig.runner.start()
    asked = rig.asked
    rig.courier.reply(RUN, trained(0, asked.count, weights(asked.count), STEPS, None))
    assert rig.runner._again.isActive()


def _being_judged(rig: Rig) -> None:
    rig.runner.start(goal=2)
    rig.answer()
    rig.document.edit_experiment(experiment(evaluate_every=1))
    rig.runner.start()
    rig.answer()
    assert rig.courier.count(JUDGE) == 1


@pytest.mark.parametrize("there", [_asked, _between, _being_judged])
def test_an_edit_of_the_experiment_pauses_whatever_is_under_way_and_says_so(
    rig: Rig, there: Callable[[Rig], None]
) -> None:
    there(rig)
    rig.endings.clear()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    assert not rig.runner.running
    assert [one.kind for one in rig.endings] == ["changed"]
    assert f"Paused at iteration {rig.runner.iteration}" in rig.runner.ending.sentence
    assert not rig.runner._again.isActive()
    if there is _being_judged:
        rig.judge(0.2)
    else:
        rig.answer()
    assert [one.kind for one in rig.endings] == ["changed"]
    assert not rig.runner.under_way
    done = rig.runner.iteration
    assert rig.document.state.recipe_into(done)[0].training.learning_rate == 0.1  # type: ignore[union-attr]
    rig.show()
    rig.runner.start()
    assert (rig.asked.iteration, rig.asked.experiment.training.learning_rate) == (done, 0.5)


@pytest.mark.parametrize("there", [_asked, _between, _being_judged])
def test_another_network_stops_training_whatever_is_under_way_and_says_what_is_put_away(
    rig: Rig, there: Callable[[Rig], None]
) -> None:
    there(rig)
    rig.endings.clear()
    known = rig.runner.iteration
    rig.document.edit_experiment(experiment(units=3))
    assert [one.kind for one in rig.endings] == ["changed"]
    gone = "Iteration 1 is put away" if known == 1 else f"Iterations 1–{known} are put away"
    assert gone in rig.runner.ending.sentence
    if there is _being_judged:
        rig.judge(0.2)
    elif there is _asked:
        rig.answer()
    assert len(rig.document.state.log) == 0
    assert rig.document.state.evaluations == ()
    assert not rig.runner.running
    rig.document.undo_stack.undo()
    assert rig.runner.iteration == known
    assert rig.runner.ending.sentence == f"Training is at iteration {known} again."


def test_when_it_is_judged_and_when_it_stops_changes_no_iteration_and_does_not_pause(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.document.edit_experiment(experiment(evaluate_every=500))
    rig.answer()
    rig.document.undo_stack.undo()
    rig.answer()
    assert rig.runner.running
    assert rig.endings == []


def test_that_it_was_paused_by_an_edit_is_said_until_it_runs_again(rig: Rig) -> None:
    _between(rig)
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    said = rig.runner.ending.sentence
    assert "was changed" in said
    rig.document.undo_stack.undo()
    assert rig.runner.ending.sentence == said
    rig.document.undo_stack.redo()
    assert rig.runner.ending.sentence == said


def test_undo_that_brings_another_training_says_so_even_where_both_are_as_long(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    rig.show()
    rig.controller.go_to_iteration(0)
    rig.show()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    rig.show()
    rig.runner.start(goal=9)
    while rig.runner.running:
        asked = rig.asked
        came_to = weights(asked.iteration + asked.count + 100)
        rig.courier.reply(RUN, trained(asked.iteration, asked.count, came_to, STEPS, None))
        rig.soon()
    assert rig.runner.iteration == 9
    rig.document.undo_stack.undo()
    said = "The earlier training is back, up to iteration 9; redo brings the later one, up to 9."
    assert rig.runner.ending == Ending("stepped", said)
    rig.document.undo_stack.redo()
    said = "The later training is back, up to iteration 9; undo brings the earlier one, up to 9."
    assert rig.runner.ending == Ending("stepped", said)


def test_whoever_trains_on_right_after_an_edit_is_asked_for_at_once_and_the_old_answer_is_nobodys(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    old = rig.courier.last(RUN)[0]
    rig.document.edit_experiment(experiment(units=3))
    rig.runner.start()
    assert RUN in rig.courier.dropped, "and ended where it takes long"
    asked = rig.asked
    assert (asked.iteration, asked.experiment.model) == (0, experiment(units=3).model)
    rig.courier.answered.emit(RUN, old, trained(1, 4, weights(5), STEPS))
    assert rig.asked is asked
    assert rig.runner.running
    rig.answer()
    assert rig.document.state.furthest == 1


def test_layout_and_what_ifs_do_not_touch_training(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.document.edit_tracks((), "remove track")
    rig.document.undo_stack.undo()
    rig.answer()
    rig.document.edit_what_if(WhatIf(recurrent_scale=2.0))
    rig.answer()
    assert rig.asked.what_if.recurrent_scale == 2.0, "it counts from the next request on"
    rig.document.undo_stack.undo()
    rig.answer()
    assert rig.asked.what_if == WhatIf()
    assert rig.runner.running
    assert rig.endings == []
    assert rig.document.state.log.iterations.tolist() == list(range(rig.asked.iteration))


def test_an_iteration_on_its_way_is_not_trained_for_another_network(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    assert rig.controller.waiting, "the newest is on its way to the stage"
    rig.document.edit_experiment(experiment(units=3))
    assert rig.courier.count("train") == 0
    assert rig.controller.going_to == 0


def test_done_and_a_divergence_are_no_longer_said_once_they_are_not_true(rig: Rig) -> None:
    for diverges in (False, True):
        rig.runner.start(goal=None if diverges else 3)
        while rig.runner.running:
            rig.answer(diverged=Diverged(5, "loss", "It is infinite.") if diverges else None)
        rig.show()
        assert rig.runner.ending.kind == ("diverged" if diverges else "there")
        rig.document.edit_tracks(("losses",) if diverges else (), "tracks")
        assert rig.runner.ending.kind == ("diverged" if diverges else "there"), "the layout makes nothing untrue"
        rig.document.edit_experiment(experiment(learning_rate=0.5 + diverges))
        assert rig.runner.ending == rig.endings[-1] == Ending()


def test_undo_that_brings_a_divergence_back_says_it_again(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.answer(diverged=Diverged(5, "loss", "It is infinite."))
    said = rig.runner.ending
    assert said.kind == "diverged"
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    assert rig.runner.ending == Ending()
    rig.document.undo_stack.undo()
    assert rig.runner.ending == rig.endings[-1] == said


def test_after_a_divergence_other_settings_go_on_from_the_last_iteration_that_was_finite(rig: Rig) -> None:
    """Where the loss is infinite at 5, clipping at 5 comes too late: iteration 4 is trained on, anew."""
    rig.runner.start()
    rig.answer()
    said = Diverged(5, "loss", "Training stopped before iteration 5: the loss would be infinite.")
    rig.answer(diverged=said)
    rig.show()
    rig.runner.start()
    rig.answer(done=0, diverged=said)
    assert [one.kind for one in rig.endings] == ["diverged", "diverged"], "nothing has changed"
    clipped = experiment(clip=ClipSpec(kind="norm"))
    rig.document.edit_experiment(clipped)
    notes: list[str] = []
    rig.runner.noted.connect(notes.append)
    rig.runner.start()
    rig.answer(done=0, diverged=said)
    assert rig.runner.running
    assert notes == ["Iteration 5 is put away; undo brings it back."]
    assert rig.document.undo_stack.undoText() == "training anew from iteration 4"
    # Iteration 4 was not kept: it is replayed as it was, and from there on it is clipped.
    replayed = []
    while rig.asked.experiment.training.clip.kind == "none":
        replayed.extend(range(rig.asked.iteration, rig.asked.iteration + rig.asked.count))
        rig.answer()
    assert replayed == [1, 2, 3]
    assert (rig.asked.iteration, rig.asked.experiment.training.clip.kind) == (4, "norm")
    rig.answer()
    assert rig.document.state.log.iterations.tolist() == list(range(rig.runner.iteration))
    recipes = [rig.document.state.recipe_into(k)[0] for k in (4, 5)]
    assert [None if one is None else one.training.clip.kind for one in recipes] == ["none", "norm"]


def test_a_what_if_that_is_only_dragged_is_not_trained_with(rig: Rig) -> None:
    rig.runner.start()
    rig.document.drag_what_if(WhatIf(recurrent_scale=2.0))
    rig.answer()
    assert rig.asked.what_if == WhatIf()


def test_going_on_after_a_change_forgets_what_came_after_undoably(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    rig.show()
    rig.controller.go_to_iteration(1)
    rig.show()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    rig.show()
    rig.runner.start()
    assert rig.asked.iteration == 1
    assert rig.document.state.furthest == 1
    assert len(rig.document.state.log) == 1
    rig.runner.pause()
    rig.document.undo_stack.undo()
    assert rig.document.state.furthest == 9
    assert len(rig.document.state.log) == 9
    rig.answer()
    assert rig.document.state.furthest == 9, "the answer under way was the other future's"
