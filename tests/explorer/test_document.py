"""Edits can be undone and redone without losing what was trained; looking around is neither undone nor dirty."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine.history import STATE_BYTES
from engine.network import Network
from engine.quantities import keys
from engine.requests import Weights
from engine.spec import AddingTask, Cut, Experiment, GateBias, LayerSpec, ModelSpec, TrainingSpec, WhatIf
from engine.tracks import OF_LAYER, LayerKind, check, parse
from explorer.dock import assembly
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.document.tracks import DEFAULTS, offers


def experiment(cell: str = "rnn", **changes: object) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=4),))
    made = Experiment(model=model, task=AddingTask(steps=10, batch_size=3))
    return msgspec.structs.replace(made, **changes)


NOW = (experiment(), WhatIf())
"""What the trained weights of these tests were trained with."""


def weights(value: float) -> Weights:
    return {"weight_hh_l0": np.full((4, 4), value, np.float32)}


@pytest.fixture
def document(qtbot: QtBot) -> Document:
    return Document(State(tracks=DEFAULTS["rnn"], experiment=experiment()), View())


def test_an_edit_is_undone_and_redone(document: Document) -> None:
    edited = experiment(seed=5)
    document.edit_experiment(edited)
    assert document.experiment == edited
    assert document.dirty
    document.undo_stack.undo()
    assert document.experiment == experiment()
    assert not document.dirty
    document.undo_stack.redo()
    assert document.experiment == edited


def test_the_undo_menu_names_the_field(document: Document) -> None:
    document.edit_experiment(experiment(seed=5))
    assert document.undo_stack.undoText() == "change of seed"
    layer = LayerSpec(cell="rnn", hidden_size=4, residual=True)
    document.edit_experiment(experiment(model=ModelSpec(layers=(layer,)), seed=5))
    assert document.undo_stack.undoText() == "change of residual connection"
    wider = msgspec.structs.replace(layer, hidden_size=5)
    document.edit_experiment(experiment(model=ModelSpec(layers=(wider,)), seed=5))
    assert document.undo_stack.undoText() == "change of units"


@pytest.mark.parametrize(
    ("what_if", "words"),
    [
        (WhatIf(recurrent_scale=2.0), "change of the scale of the recurrent weights"),
        (WhatIf(spectral_radius=1.0), "change of the spectral radius"),
        (WhatIf(gate_biases=(GateBias(gate="", shift=1.0),)), "change of the shift of a gate's bias"),
        (WhatIf(cuts=(Cut(route="a"),)), "adding a cut route"),
        (WhatIf(dtype="float16"), "change of the arithmetic"),
        (WhatIf(dtype="float16", clip_norm=1.0), "what-if"),
    ],
)
def test_the_undo_menu_says_what_the_what_if_was(document: Document, what_if: WhatIf, words: str) -> None:
    document.edit_what_if(what_if)
    assert document.undo_stack.undoText() == words
    document.undo_stack.undo()
    assert document.state.what_if == WhatIf()


def test_redo_brings_back_what_was_trained_after_the_edit(document: Document) -> None:
    document.edit_experiment(experiment(seed=5))
    document.remember(0, weights(0.0))
    document.remember(1, weights(1.0), NOW)
    document.undo_stack.undo()
    assert document.state.furthest == 0
    document.undo_stack.redo()
    assert document.state.furthest == 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.edit_tracks((), "remove track"),
        lambda document: document.edit_what_if(WhatIf(recurrent_scale=1.5)),
        lambda document: document.edit_experiment(experiment(training=TrainingSpec(evaluate_every=7))),
    ],
    ids=["tracks", "what-if", "when it is judged"],
)
def test_undo_and_redo_of_what_trains_nothing_leave_training_where_it_is(
    document: Document, edit: Callable[[Document], None]
) -> None:
    document.remember(100, weights(1.0), NOW)
    document.look(iteration=100)
    before = document.state
    edit(document)
    after = document.state
    document.remember(400, weights(2.0), NOW)
    document.look(iteration=400)
    trained = document.state
    for step, there in ((document.undo_stack.undo, before), (document.undo_stack.redo, after)):
        step()
        state = document.state
        assert (state.tracks, state.what_if, state.experiment) == (there.tracks, there.what_if, there.experiment)
        assert state.history is trained.history
        assert state.past is trained.past
        assert state.log is trained.log
        assert (document.wished_iteration, document.view.iteration) == (400, 400)


def test_undo_of_another_rate_brings_training_back_and_redo_forth_and_neither_loses_any(document: Document) -> None:
    document.remember(100, weights(1.0), NOW)
    document.look(iteration=100)
    document.edit_experiment(experiment(training=TrainingSpec(learning_rate=0.5)))
    document.remember(400, weights(2.0), document.recipe)
    document.look(iteration=400)
    document.undo_stack.undo()
    assert (document.state.furthest, document.wished_iteration) == (100, 100)
    document.remember(150, weights(3.0), NOW)
    document.undo_stack.redo()
    assert document.state.furthest == 400
    document.undo_stack.undo()
    assert document.state.furthest == 150, "what was trained meanwhile is there again"


def test_a_drag_is_one_step_of_undo(document: Document) -> None:
    for scale in (1.1, 1.2, 1.3):
        document.drag_what_if(WhatIf(recurrent_scale=scale))
        assert document.state.what_if.recurrent_scale == scale
    document.edit_what_if(WhatIf(recurrent_scale=1.3))
    assert document.undo_stack.count() == 1
    document.undo_stack.undo()
    assert document.state.what_if == WhatIf()


def test_a_drag_back_to_where_it_began_leaves_nothing_to_undo(document: Document, qtbot: QtBot) -> None:
    document.drag_what_if(WhatIf(recurrent_scale=2.0))
    with qtbot.waitSignal(document.stateChanged):
        document.edit_what_if(WhatIf())
    assert document.undo_stack.count() == 0
    assert document.state.what_if == WhatIf()


def test_a_what_if_never_discards_trained_weights(document: Document) -> None:
    document.remember(3, weights(3.0), NOW)
    document.edit_what_if(WhatIf(recurrent_scale=2.0))
    assert document.state.furthest == 3


@pytest.mark.parametrize("change", [{"seed": 9}, {"model": ModelSpec(layers=(LayerSpec(cell="gru", hidden_size=4),))}])
def test_an_edit_that_makes_another_network_starts_anew(document: Document, change: dict[str, object]) -> None:
    document.remember(3, weights(3.0), NOW)
    document.look(iteration=3)
    document.edit_experiment(experiment(**change))
    assert document.state.furthest == 0
    assert document.wished_iteration == 0
    assert document.view.iteration == 3, "the picture on screen is still that of iteration 3"
    document.undo_stack.undo()
    assert document.state.furthest == 3
    assert document.wished_iteration == 3


def test_trained_weights_outlive_a_change_of_dtype(document: Document) -> None:
    document.remember(0, weights(0.1))
    document.remember(3, weights(0.3), NOW)
    document.edit_experiment(experiment(dtype="float64"))
    kept = document.state.history[3]["weight_hh_l0"]
    assert kept.dtype == np.float64
    assert (kept.astype(np.float32) == weights(0.3)["weight_hh_l0"]).all()


def test_another_cell_brings_its_own_tracks_where_nobody_has_chosen_any_and_undo_the_old_ones(
    document: Document,
) -> None:
    document.edit_experiment(experiment("lstm"))
    assert document.state.tracks == DEFAULTS["lstm"]
    document.undo_stack.undo()
    assert document.state.tracks == DEFAULTS["rnn"]
    document.edit_tracks(("norms",), "removal of tracks")
    document.edit_experiment(experiment("lstm"))
    assert document.state.tracks == ("norms",), "chosen"


def test_a_layer_more_keeps_the_tracks_that_are_there_and_they_show_what_they_showed(qtbot: QtBot) -> None:
    tracks = ("network", "values.f", "grads.c?sample=mean", "saturation", "norms", "norms?of=grads.h,l0.values.c")
    heights = {"values.f": 90, "norms": 70}
    document = Document(
        State(tracks=tracks, experiment=experiment("lstm")), View(heights=heights, collapsed=("saturation",))
    )
    layer = LayerSpec(cell="lstm", hidden_size=4)
    one = document.experiment
    assert one is not None
    document.edit_experiment(assembly.added(one, "rnn").experiment, "adding", {0: 0})
    assert document.state.tracks == (
        "network",
        "l0.values.f",
        "l0.grads.c?sample=mean",
        "l0.saturation",
        "norms",
        "norms?of=l0.grads.h,l0.values.c",
    )
    assert document.view.heights["l0.values.f"] == 90
    assert "l0.saturation" in document.view.collapsed
    document.undo_stack.undo()
    assert document.state.tracks == tracks
    document.edit_experiment(experiment(model=ModelSpec(layers=(layer, layer))))  # the same without being told where
    assert document.state.tracks[1] == "l0.values.f"
    document.edit_experiment(experiment(model=ModelSpec(layers=(layer,))), "deleting", {0: 0})
    assert document.state.tracks[1] in ("values.f", "l0.values.f")


def test_tracks_of_the_last_layer_go_with_it_when_it_moves_down(qtbot: QtBot) -> None:
    layers = (LayerSpec(cell="gru", hidden_size=4), LayerSpec(cell="lstm", hidden_size=4))
    start = experiment(model=ModelSpec(layers=layers))
    document = Document(State(tracks=("values.f", "l0.values.z"), experiment=start), View())
    after = assembly.moved(start, 1, 0)
    document.edit_experiment(after.experiment, after.words, after.places)
    assert document.state.tracks == ("l0.values.f", "l1.values.z")


def test_when_the_last_layer_is_deleted_its_tracks_are_of_the_one_below(qtbot: QtBot) -> None:
    layers = (LayerSpec(cell="gru", hidden_size=4), LayerSpec(cell="lstm", hidden_size=4))
    start = experiment(model=ModelSpec(layers=layers))
    document = Document(State(tracks=("values.f", "values.h", "network"), experiment=start), View())
    after = assembly.deleted(start, 1)
    document.edit_experiment(after.experiment, after.words, after.places)
    assert document.state.tracks == ("values.h", "network")
    document.undo_stack.undo()
    document.edit_tracks(("values.f",), "tracks")
    document.edit_experiment(after.experiment, after.words, after.places)
    assert document.state.tracks == DEFAULTS["gru"], "a stage without anything to see is no use"


def test_the_forget_bias_leaves_with_the_lstm(qtbot: QtBot) -> None:
    state = State(tracks=DEFAULTS["lstm"], experiment=experiment("lstm"), what_if=WhatIf(forget_bias=2.0))
    document = Document(state, View())
    document.edit_experiment(experiment("gru"))
    assert document.state.what_if.forget_bias == 0.0
    document.undo_stack.undo()
    assert document.state.what_if.forget_bias == 2.0


def test_a_shifted_gate_leaves_with_the_last_layer_that_has_it(qtbot: QtBot) -> None:
    what_if = WhatIf(gate_biases=(GateBias(gate="z", shift=1.0), GateBias(gate="n", shift=2.0)), recurrent_scale=2.0)
    document = Document(State(tracks=DEFAULTS["gru"], experiment=experiment("gru"), what_if=what_if), View())
    document.edit_experiment(experiment("lstm"))
    assert document.state.what_if == WhatIf(recurrent_scale=2.0)
    Network(experiment("lstm"), what_if=document.state.what_if)
    document.undo_stack.undo()
    assert document.state.what_if == what_if


def test_other_weights_begin_another_future_and_undo_has_the_old_one(document: Document) -> None:
    for k in (1, 2, 3):
        document.remember(k, weights(float(k)), NOW)
    document.edit_what_if(WhatIf(recurrent_scale=2.0))
    assert document.state.furthest == 3, "a what-if by itself discards nothing"
    assert not document.state.next_is_current(0)
    document.remember(1, weights(9.0), document.state.recipe)
    assert document.state.furthest == 1
    assert document.undo_stack.undoText() == "training anew from iteration 0"
    document.undo_stack.undo()
    assert document.state.furthest == 3
    assert document.state.what_if.recurrent_scale == 2.0
    document.undo_stack.undo()
    assert document.state.next_is_current(0)


def test_the_same_weights_again_keep_what_came_after(document: Document) -> None:
    for k in (1, 2, 3):
        document.remember(k, weights(float(k)))
    document.remember(1, weights(1.0), NOW)
    assert document.state.furthest == 3


def test_a_few_iterations_are_not_worth_a_question_and_many_are(document: Document) -> None:
    document.remember(1, weights(1.0), NOW)
    assert not document.dirty
    document.remember(20, weights(2.0), NOW)
    assert document.dirty


def test_undo_brings_back_the_unit_that_was_looked_at(document: Document) -> None:
    document.look(unit=3)
    document.edit_experiment(experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),))))
    assert document.view.unit is None
    document.undo_stack.undo()
    assert document.view.unit == 3


def test_looking_around_is_neither_undone_nor_dirty(document: Document) -> None:
    document.look(position=7, sample=2, unit=1, heights={"norms": 90})
    assert document.undo_stack.count() == 0
    assert not document.dirty


def test_the_view_stays_inside_what_there_is(document: Document) -> None:
    document.look(position=10_000, sample=99, unit=99)
    assert (document.view.position, document.view.sample, document.view.unit) == (22, 2, None)


def test_a_shorter_trace_keeps_the_moment(document: Document) -> None:
    document.look(position=document.tape.position(document.tape.parse("backward:9")))
    document.show_steps(6)
    assert str(document.tape.moment(document.view.position)) == "backward:6"
    document.look(position=document.tape.position(document.tape.parse("clip")))
    document.show_steps(20)
    assert str(document.tape.moment(document.view.position)) == "clip"


def test_history_is_thinned_when_memory_runs_out() -> None:
    state = State(tracks=())
    big = {"weight_hh_l0": np.zeros(STATE_BYTES // 40, np.float32)}
    for k in range(30):
        state = state.remembering(k, big)
    kept = sorted(state.history)
    assert sum(w["weight_hh_l0"].nbytes for w in state.history.values()) <= STATE_BYTES
    assert kept[0] == 0
    assert kept[-2:] == [28, 29]


def test_of_states_larger_than_the_memory_for_them_the_last_one_is_kept_and_what_is_looked_at() -> None:
    state = State(tracks=())
    big = {"weight_hh_l0": np.zeros(STATE_BYTES // 5, np.float32)}
    for k in range(5):
        state = state.remembering(k, big, shown=(2,))
        assert len(state.history) <= 2
    assert sorted(state.history) == [2, 4]


def test_every_track_that_is_offered_exists() -> None:
    for cell in ("rnn", "lstm", "gru"):
        layers = {"l0": LayerKind(cell, 4)}
        offered = [offer.key for offer in offers(layers)]
        assert {key for key in offered if key.startswith(("values.", "grads."))} == set(keys(cell))
        assert set(offered) >= {"network", "data", "norms", "losses", *DEFAULTS[cell]}
        assert {parse(key).what for key in offered} >= set(OF_LAYER)
        assert len(offered) == len(set(offered))
        assert {offer.key for offer in offers(layers, "attention")} - set(offered) == {"attention"}
        assert set(offered) - {offer.key for offer in offers(layers, trains=False)} == {"flow_training"}
        for key in offered:
            check(parse(key), layers)


def test_in_a_demonstration_a_what_if_is_no_unsaved_work_but_an_edit_is(qtbot: QtBot, document: Document) -> None:
    state = State(tracks=DEFAULTS["rnn"], experiment=experiment())
    document.open(state, View(), title="The cliff", preset="the-cliff")
    told: list[bool] = []
    document.dirtyChanged.connect(told.append)
    document.edit_what_if(WhatIf(recurrent_scale=1.5))
    assert not document.dirty
    assert document.undo_stack.canUndo()
    document.edit_tracks(("values.h",), "test")
    assert document.dirty
    assert told[-1]
    document.undo_stack.undo()
    assert not document.dirty
    assert not told[-1]
    document.edit_experiment(experiment(seed=5))
    assert document.dirty


def test_in_a_file_of_ones_own_a_what_if_is_work_too(document: Document) -> None:
    state = State(tracks=DEFAULTS["rnn"], experiment=experiment())
    document.open(state, View(), title="mine", path="/mine.gflow", preset="the-cliff")
    document.edit_what_if(WhatIf(recurrent_scale=1.5))
    assert document.dirty


def test_what_was_handed_over_unsaved_stays_unsaved(document: Document) -> None:
    document.open(State(tracks=(), experiment=experiment()), View(), title="", preset="the-cliff", unsaved=True)
    assert document.dirty
