"""The picture on screen is of one piece: asked for once, replaced when its numbers are there, never mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from lessons import trained
from pytestqt.qtbot import QtBot
from slow_courier import SlowCourier
from synthetic import excerpt as synthetic

from engine.errors import SessionError
from engine.requests import Audit, AuditRow, Event, Look
from engine.session import check_room
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec, WhatIf
from engine.training_requests import Train
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.document.tracks import DEFAULTS

W0 = {"weight_hh_l0": np.zeros((4, 4), np.float32)}


class PictureCourier(SlowCourier):
    def __init__(self) -> None:
        super().__init__()
        self.busy = False

    def set_scope(self, _scope: object) -> None:
        self.dropped.append("scope")

    def cancel(self) -> None:
        self.dropped.append("all")

    def idle(self) -> bool:
        return not self.busy

    def answer_excerpt(self, **changes: Any) -> None:
        generation, look = self.last("excerpt")
        assert isinstance(look, Look)
        experiment = look.source.experiment
        made = synthetic(experiment.layer.cell, T=experiment.task.steps, H=experiment.layer.hidden_size)
        weights = W0 if look.source.weights is None else None
        self.answered.emit("excerpt", generation, replace(made, weights=weights, **changes))

    def answer_train(self) -> None:
        _, train = self.last("train")
        assert isinstance(train, Train)
        reached = train.iteration + train.count
        weights = {"weight_hh_l0": np.full((4, 4), reached, np.float32)}
        self.reply("train", trained(train.iteration, train.count, weights))


def experiment(steps: int = 10, iterations: int = 0) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
        task=AddingTask(steps=steps, batch_size=3),
        training=TrainingSpec(iterations=iterations),
    )


class Rig:
    def __init__(self, made: Experiment, **view: Any) -> None:
        self.document = Document(State(tracks=DEFAULTS["rnn"], experiment=made), View())
        self.courier = PictureCourier()
        self.controller = Controller(self.document, self.courier)
        self.excerpts: list[Any] = []
        self.controller.excerptChanged.connect(self.excerpts.append)
        state = State(tracks=DEFAULTS["rnn"], experiment=made)
        self.document.open(state, View(iteration=made.training.iterations, **view), title="x")


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    made = Rig(experiment())
    made.courier.answer_excerpt()
    return made


def test_opening_asks_once_and_shows_nothing_of_the_old(qtbot: QtBot) -> None:
    made = Rig(experiment())
    assert made.excerpts == [None]
    assert made.courier.count("excerpt") == 1
    made.courier.answer_excerpt()
    assert len(made.excerpts) == 2


def test_something_long_of_the_old_document_is_ended(rig: Rig, qtbot: QtBot) -> None:
    rig.courier.busy = True
    rig.document.open(State(tracks=DEFAULTS["rnn"], experiment=experiment(7)), View(), title="y")
    qtbot.waitUntil(lambda: "all" in rig.courier.dropped)
    rig.courier.answer_excerpt()
    assert rig.controller.excerpt.steps == 7


def test_stepping_asks_for_nothing(rig: Rig) -> None:
    for _ in range(5):
        rig.controller.step(1)
    assert rig.document.view.position == 5
    assert rig.courier.count("excerpt") == 1


def test_a_new_sample_is_asked_for_and_its_audit_is_not_repeated(rig: Rig, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    rig.courier.answered.emit("audit", rig.courier.last("audit")[0], Audit((AuditRow("h", 1e-8, 1),), 1e-4))
    rig.document.look(sample=2)
    assert rig.courier.last("excerpt")[1].sample == 2
    rig.courier.answer_excerpt()
    assert rig.controller.settled
    qtbot.wait(200)
    assert rig.courier.count("audit") == 1


def test_weights_that_come_late_are_not_taken_for_another_networks(qtbot: QtBot) -> None:
    """The seed is changed while the first trace is on its way: its weights are those of the old seed."""
    made = Rig(experiment())
    first = made.courier.last("excerpt")[0]
    made.document.edit_experiment(msgspec.structs.replace(experiment(), seed=1))
    made.courier.answered.emit("excerpt", first, replace(synthetic("rnn", T=10, H=4), weights=W0))
    assert made.document.state.history == {}
    source = made.courier.last("excerpt")[1].source
    assert (source.experiment.seed, source.weights) == (1, None)
    made.courier.answer_excerpt()
    assert made.courier.last("excerpt")[1].source is source, "nothing has to be asked again"
    assert 0 in made.document.state.history


def test_an_old_answer_does_not_end_the_wait_for_the_new_one(rig: Rig) -> None:
    rig.document.drag_what_if(WhatIf(recurrent_scale=1.1))
    first = rig.courier.last("excerpt")[0]
    rig.document.drag_what_if(WhatIf(recurrent_scale=1.2))
    rig.courier.answered.emit("excerpt", first, synthetic("rnn", T=10, H=4))
    assert len(rig.excerpts) == 3, "an answer on the way is painted although a newer one is under way"
    assert not rig.controller.settled
    rig.courier.answer_excerpt()
    assert len(rig.excerpts) == 4


def test_over_the_end_of_the_tape_the_next_iteration_is_trained_and_shown_whole(rig: Rig) -> None:
    rig.document.look(position=len(rig.document.tape) - 1)
    rig.controller.step(1)
    assert rig.document.view.iteration == 0, "nothing moves until the numbers are there"
    rig.controller.step(1)
    assert rig.courier.count("train") == 1
    rig.courier.answer_train()
    assert rig.document.view.iteration == 0
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 0)
    rig.controller.step(-1)
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (0, 22)
    rig.controller.step(1)
    rig.courier.answer_excerpt()
    assert rig.courier.count("train") == 1, "what has been trained is kept"
    assert not rig.document.dirty, "somebody who only watched is not asked to save"


def test_what_no_file_has_room_for_is_not_stepped_into_and_the_sentence_is_that_of_training(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, said = len(rig.document.tape) - 1, list[str]()
    rig.controller.refused.connect(said.append)
    rig.document.look(position=last)
    rig.controller.step(1)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    rig.controller.step(-1)
    rig.courier.answer_excerpt()
    monkeypatch.setattr("engine.session_room.MAX_STATE_BYTES", 100)
    with pytest.raises(SessionError, match="fewer or smaller layers") as refused:
        check_room(experiment())
    rig.controller.step(1)
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, said) == (1, []), "what is known is shown"
    rig.document.look(position=last)
    rig.controller.step(1)
    assert said == [str(refused.value)]
    assert rig.courier.count("train") == 1
    assert (rig.document.view.iteration, rig.document.view.position) == (1, last)
    assert not rig.controller.renewing


def test_steps_that_are_pressed_while_the_next_picture_is_on_its_way_are_made_on_it(rig: Rig) -> None:
    rig.document.look(position=len(rig.document.tape) - 1)
    for _ in range(4):
        rig.controller.step(1, waits=True)
    rig.courier.answer_train()
    assert (rig.document.view.iteration, rig.document.view.position) == (0, 22)
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 3)
    rig.controller.step(1)
    assert rig.document.view.position == 4, "once, not again"


def test_steps_back_over_two_ends_come_in_order(rig: Rig) -> None:
    rig.controller.go_to_iteration(1)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    rig.controller.go_to_iteration(2)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    for _ in range(3):
        rig.controller.step(-1, waits=True)
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 20)


def test_of_a_key_that_is_held_down_a_few_presses_wait_and_a_player_waits_for_nothing(rig: Rig) -> None:
    rig.document.look(position=22)
    for _ in range(100):
        rig.controller.step(1, waits=True)
        rig.controller.step(1)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 20)


def test_a_picture_that_leaves_the_playhead_does_not_take_back_whoever_moves_it_meanwhile(rig: Rig) -> None:
    rig.document.look(position=5)
    rig.controller.go_to_iteration(1, 5)
    rig.controller.step(1, waits=True)
    assert rig.document.view.position == 6, "at once, on the trace that is on screen"
    rig.courier.answer_train()
    rig.document.look(position=9)
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 9)
    rig.document.look(position=22)
    rig.controller.go_to_iteration(2)
    rig.document.look(position=11)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    assert (rig.document.view.iteration, rig.document.view.position) == (2, 11)


def test_presses_of_a_picture_that_never_comes_are_let_go(rig: Rig) -> None:
    rig.document.look(position=22)
    for _ in range(3):
        rig.controller.step(1, waits=True)
    rig.courier.failed.emit("train", rig.courier.last("train")[0], "No.")
    assert rig.document.view.position == 22
    rig.controller.step(-1, waits=True)
    assert rig.document.view.position == 21


def test_an_edit_of_the_training_begins_another_future(rig: Rig) -> None:
    rig.controller.go_to_iteration(2)
    rig.courier.answer_train()
    rig.courier.answer_excerpt()
    rig.controller.go_to_iteration(0, -1)
    rig.courier.answer_excerpt()
    rig.document.edit_experiment(msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.0)))
    rig.courier.answer_excerpt()
    before = rig.courier.count("train")
    rig.controller.step(1)
    assert rig.courier.count("train") == before + 1, "the kept iteration 1 was trained with another learning rate"
    generation, train = rig.courier.last("train")
    assert (train.iteration, train.count, train.experiment.training.learning_rate) == (0, 1, 0.0)
    other = {"weight_hh_l0": np.full((4, 4), -7.0, np.float32)}
    rig.courier.answered.emit("train", generation, trained(0, 1, other))
    rig.courier.answer_excerpt()
    assert rig.document.view.iteration == 1
    assert rig.document.state.furthest == 1


def test_the_iteration_on_screen_is_that_of_the_picture(rig: Rig) -> None:
    rig.document.edit_experiment(experiment(iterations=50))
    rig.controller.step(1)
    assert rig.document.view.iteration == 0
    assert rig.document.wished_iteration == 50


def test_waiting_is_told_after_a_blink_and_can_be_ended(rig: Rig, qtbot: QtBot) -> None:
    told: list[bool] = []
    said: list[str] = []
    rig.controller.waitingChanged.connect(told.append)
    rig.controller.failed.connect(said.append)
    rig.document.edit_experiment(experiment(steps=9))
    qtbot.waitUntil(lambda: told == [True])
    rig.controller.cancel()
    assert told == [True, False]
    assert len(said) == 1
    assert "all" in rig.courier.dropped
    rig.document.undo_stack.undo()
    assert rig.controller.settled or rig.courier.count("excerpt") >= 2


def test_the_second_iteration_is_trained_from_the_first(rig: Rig) -> None:
    for expected in (1, 2):
        rig.controller.go_to_iteration(expected)
        _, train = rig.courier.last("train")
        assert (train.iteration, train.count) == (expected - 1, 1)
        rig.courier.answer_train()
        rig.courier.answer_excerpt()
    assert rig.courier.last("train")[1].weights["weight_hh_l0"][0, 0] == 1.0


def test_training_beforehand_reports_progress_and_may_be_left(qtbot: QtBot) -> None:
    made = Rig(experiment(iterations=40))
    seen: list[tuple[int, int]] = []
    made.controller.progressChanged.connect(lambda done, total: seen.append((done, total)))
    assert made.courier.count("excerpt") == 0
    made.courier.answer_train()
    assert seen[-1][1] == 40
    made.document.edit_experiment(experiment())
    made.courier.answer_excerpt()
    assert made.document.view.iteration == 0
    assert seen[-1] == (0, 0)
    assert "train" in made.courier.dropped


def test_training_beforehand_ends_in_the_picture(qtbot: QtBot) -> None:
    made = Rig(experiment(iterations=3))
    while made.courier.count("excerpt") == 0:
        made.courier.answer_train()
    made.courier.answer_excerpt()
    assert made.document.view.iteration == 3
    assert not made.document.dirty, "what the experiment trains by itself is not unsaved work"


def test_an_edit_keeps_the_old_picture_until_the_new_one_is_there(rig: Rig) -> None:
    rig.document.look(position=12)
    rig.document.edit_experiment(msgspec.structs.replace(experiment(steps=6)))
    assert rig.document.tape.steps == 10
    rig.courier.answer_excerpt()
    assert rig.document.tape.steps == 6
    assert str(rig.document.tape.moment(rig.document.view.position)) == "backward:6"


def test_the_failure_of_an_analysis_gives_up_no_picture(rig: Rig) -> None:
    said: list[str] = []
    rig.controller.failed.connect(said.append)
    rig.document.edit_experiment(experiment(steps=7))
    rig.courier.failed.emit("analysis.flow", 999, "Too large.")
    assert rig.controller.waiting
    assert said == []
    rig.courier.answer_excerpt()
    assert rig.controller.excerpt.steps == 7


def test_a_failure_is_said_and_the_picture_stays(rig: Rig) -> None:
    said: list[str] = []
    rig.controller.failed.connect(said.append)
    better: list[bool] = []
    rig.controller.recovered.connect(lambda: better.append(True))
    rig.document.edit_experiment(experiment(steps=7))
    rig.courier.failed.emit("excerpt", rig.courier.last("excerpt")[0], "Too large.")
    assert said == ["Too large."]
    assert rig.controller.excerpt.steps == 10
    assert better == []
    rig.document.undo_stack.undo()
    assert rig.document.experiment == experiment()
    assert better == [True], "nothing is wrong any more"


def test_events_are_stepped_through_in_both_directions(rig: Rig) -> None:
    events = (Event("underflow", "backward", 4, "…"), Event("clip", "clip", 10, "…"))
    rig.document.look(sample=1)
    rig.courier.answer_excerpt(events=events)
    places = []
    for direction in (1, 1, 1, -1):
        rig.controller.step_event(direction)
        places.append(str(rig.document.tape.moment(rig.document.view.position)))
    assert places == ["backward:4", "clip", "clip", "backward:4"]


def test_phases_are_stepped_through_in_both_directions(rig: Rig) -> None:
    places = []
    for direction in (1, 1, 1, 1, -1, -1):
        rig.controller.step_phase(direction)
        places.append(str(rig.document.tape.moment(rig.document.view.position)))
    assert places == ["loss", "backward:10", "clip", "update", "clip", "backward:10"]


def test_a_new_trace_ends_the_audit_of_the_one_before(rig: Rig) -> None:
    rig.document.edit_experiment(experiment(steps=7))
    assert rig.courier.dropped[-1] == "audit"


def test_the_audit_of_a_long_trace_waits_until_nothing_has_changed_for_a_while(rig: Rig) -> None:
    delays = []
    for steps, seconds in ((7, 0.01), (8, 0.5), (9, 60.0), (10, 0.01)):
        rig.document.edit_experiment(experiment(steps=steps))
        rig.courier.answer_excerpt(seconds=seconds)
        delays.append(rig.controller._auditor._timer.interval())
    assert delays == [120, 2000, 3000, 120]


@pytest.mark.parametrize("end", ["stopped", "failed"])
@pytest.mark.parametrize("audit", ["under way", "still put off"])
def test_what_was_let_go_for_a_trace_that_never_came_is_compared_after_undo(
    qtbot: QtBot, rig: Rig, end: str, audit: str
) -> None:
    if audit == "under way":
        qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    before = rig.courier.count("audit")
    rig.document.edit_experiment(experiment(steps=7))
    if audit == "still put off":
        qtbot.waitUntil(lambda: not rig.controller._auditor._timer.isActive())  # in vain: another trace is under way
    if end == "stopped":
        rig.controller.cancel()
    else:
        rig.courier.failed.emit("excerpt", rig.courier.last("excerpt")[0], "Too large.")
    rig.document.undo_stack.undo()
    qtbot.waitUntil(lambda: rig.courier.count("audit") == before + 1)
    rig.courier.reply("audit", Audit((AuditRow("h", 1e-8, 1),), 1e-4))
    assert rig.controller.settled
    qtbot.wait(200)
    assert rig.courier.count("audit") == before + 1, "once is enough"


def test_a_new_look_at_a_trace_puts_its_audit_off_and_does_not_repeat_one_that_is_under_way(
    qtbot: QtBot, rig: Rig
) -> None:
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    for unit in range(3):
        rig.document.look(unit=unit)
        rig.courier.answer_excerpt()
        rig.controller.step(1)
    qtbot.wait(200)
    assert rig.courier.count("audit") == 1


def test_an_audit_goes_on_piece_by_piece_until_it_is_whole(qtbot: QtBot, rig: Rig) -> None:
    audits: list[Any] = []
    rig.controller.auditChanged.connect(audits.append)
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    first = rig.courier.last("audit")[1]
    rig.courier.reply("audit", None)
    assert rig.courier.count("audit") == 2
    again = rig.courier.last("audit")[1]
    assert (again.experiment, again.weights, again.iteration) == (first.experiment, first.weights, first.iteration)
    rig.document.look(unit=2)  # between two pieces
    rig.courier.answer_excerpt()
    assert audits == []
    whole = Audit((AuditRow("h", 1e-8, 1),), 1e-4)
    rig.courier.reply("audit", whole)
    assert audits == [whole]
    assert rig.controller.settled
    assert rig.courier.count("audit") == 2


def test_an_audit_rests_while_training_runs(qtbot: QtBot, rig: Rig) -> None:
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    rig.controller.set_training(training=True)
    rig.courier.reply("audit", None)
    assert rig.courier.count("audit") == 1
    rig.controller.set_training(training=False)
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 2)


def test_a_piece_of_an_old_traces_audit_is_the_last(qtbot: QtBot, rig: Rig) -> None:
    qtbot.waitUntil(lambda: rig.courier.count("audit") == 1)
    rig.document.edit_experiment(experiment(steps=7))
    rig.courier.reply("audit", None)
    assert rig.courier.count("audit") == 1
