"""Chosen tracks outlive an edit of the stack, as far as they have a meaning: all pairs of cells, and every edit."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from engine.quantities import quantities
from engine.spec import AddingTask, CellKind, Experiment, LayerSpec, ModelSpec
from engine.tracks import layer_kinds
from explorer.dock import assembly
from explorer.dock.edits import with_layer
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.document.tracks import DEFAULTS
from explorer.document.tracks_of_layers import after_edit

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
PAIRS = tuple(product(CELLS, CELLS))


def experiment(*cells: CellKind) -> Experiment:
    layers = tuple(LayerSpec(cell=cell, hidden_size=3 + place) for place, cell in enumerate(cells))
    return Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=5, batch_size=2))


def all_of(cell: CellKind) -> list[str]:
    return [f"{way}.{q.symbol}" for way in ("values", "grads") for q in quantities(cell)] + ["routes", "saturation"]


def has(cell: CellKind, what: str) -> bool:
    return what in all_of(cell)


def document_of(*cells: CellKind, tracks: tuple[str, ...]) -> Document:
    return Document(State(tracks=tracks, experiment=experiment(*cells)), View())


def edit(document: Document, after: assembly.Assembly) -> None:
    document.edit_experiment(after.experiment, after.words, after.places)


def chosen(cell: CellKind, layer: str = "") -> tuple[str, ...]:
    """Everything that a layer has, in an order of its own."""
    return tuple(f"{layer}.{what}" if layer else what for what in reversed(all_of(cell)))


@pytest.mark.parametrize(("below", "new"), PAIRS)
def test_a_layer_on_top_keeps_every_track_with_the_layer_that_it_was_of(
    qtbot: QtBot, below: CellKind, new: CellKind
) -> None:
    document = document_of(below, tracks=("norms", *chosen(below)))
    assert document.experiment is not None
    edit(document, assembly.added(document.experiment, new))
    assert document.state.tracks == ("norms", *chosen(below, "l0"))
    assert document.undo_stack.count() == 1
    document.undo_stack.undo()
    assert document.state.tracks == ("norms", *chosen(below))


@pytest.mark.parametrize(("below", "top"), PAIRS)
def test_without_the_top_layer_named_tracks_stay_and_bare_ones_as_far_as_there_is_such_a_thing(
    qtbot: QtBot, below: CellKind, top: CellKind
) -> None:
    tracks = (*chosen(below, "l0"), "network", *chosen(top), "l1.values.h")
    document = document_of(below, top, tracks=tracks)
    assert document.experiment is not None
    edit(document, assembly.deleted(document.experiment, 1))
    kept = tuple(what for what in chosen(top) if has(below, what))
    assert document.state.tracks == (*chosen(below, "l0"), "network", *kept)


@pytest.mark.parametrize(("below", "top"), PAIRS)
def test_a_layer_that_moves_to_the_top_takes_its_tracks_along_and_the_old_top_keeps_its_own(
    qtbot: QtBot, below: CellKind, top: CellKind
) -> None:
    document = document_of(below, top, tracks=(*chosen(top), *chosen(below, "l0")))
    assert document.experiment is not None
    edit(document, assembly.moved(document.experiment, 0, 1))
    assert document.state.tracks == (*chosen(top, "l0"), *chosen(below, "l1"))


@pytest.mark.parametrize(("below", "top"), PAIRS)
def test_a_layer_that_is_there_twice_keeps_the_tracks_of_the_lower_one(
    qtbot: QtBot, below: CellKind, top: CellKind
) -> None:
    document = document_of(below, top, tracks=(*chosen(top), *chosen(below, "l0")))
    assert document.experiment is not None
    edit(document, assembly.duplicated(document.experiment, 0))
    assert document.state.tracks == (*chosen(top), *chosen(below, "l0")), "the top is the top still"
    edit(document, assembly.duplicated(document.experiment, 2))
    assert document.state.tracks == (*chosen(top, "l2"), *chosen(below, "l0"))


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_another_cell_keeps_the_chosen_tracks_that_it_has_too(qtbot: QtBot, old: CellKind, new: CellKind) -> None:
    document = document_of("gru", old, tracks=("l0.values.z", *chosen(old), "data"))
    assert document.experiment is not None
    document.edit_experiment(with_layer(document.experiment, 1, "cell", new))
    assert document.state.tracks == ("l0.values.z", *(what for what in chosen(old) if has(new, what)), "data")
    document.undo_stack.undo()
    assert document.state.tracks == ("l0.values.z", *chosen(old), "data")
    document.edit_experiment(with_layer(document.experiment, 0, "cell", "rnn"))
    assert document.state.tracks == (*chosen(old), "data"), "only the lower layer's gate goes"


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_last_layer_deleted_and_another_one_put_there_keeps_what_was_chosen(
    qtbot: QtBot, old: CellKind, new: CellKind
) -> None:
    document = document_of(old, tracks=("saturation", "norms", *chosen(old)[2:]))
    assert document.experiment is not None
    edit(document, assembly.deleted(document.experiment, 0))
    edit(document, assembly.added(document.experiment, new))
    kept = tuple(what for what in chosen(old)[2:] if has(new, what))
    assert document.state.tracks == ("saturation", "norms", *kept)


def test_of_a_track_of_norms_only_the_curves_without_a_meaning_go(qtbot: QtBot) -> None:
    norms = "norms?of=l0.grads.h,grads.c,l1.values.f,grads.h"
    document = document_of("gru", "lstm", tracks=(norms,))
    assert document.experiment is not None
    edit(document, assembly.deleted(document.experiment, 1))
    assert document.state.tracks == ("norms?of=l0.grads.h,grads.h",)
    document.undo_stack.undo()
    assert document.state.tracks == (norms,)
    document.edit_experiment(with_layer(document.experiment, 1, "cell", "rnn"))
    assert document.state.tracks == ("norms?of=l0.grads.h,grads.h",)
    edit(document, assembly.deleted(document.experiment, 0))
    assert document.state.tracks == ("norms?of=grads.h",)


def test_the_tracks_that_a_cell_has_brought_make_room_for_the_next_ones_where_they_stand(qtbot: QtBot) -> None:
    document = document_of("rnn", tracks=("data", *DEFAULTS["rnn"]))
    assert document.experiment is not None
    document.edit_experiment(with_layer(document.experiment, 0, "cell", "gru"))
    assert document.state.tracks == ("data", *DEFAULTS["gru"])


def test_where_no_track_of_a_layer_is_left_the_cell_brings_its_own_and_the_others_stay(qtbot: QtBot) -> None:
    document = document_of("lstm", tracks=("losses", "values.f", "norms"))
    assert document.experiment is not None
    document.edit_experiment(with_layer(document.experiment, 0, "cell", "rnn"))
    assert document.state.tracks == ("losses", "values.h", "grads.h", "norms")


def test_an_edit_that_leaves_the_stack_alone_leaves_the_tracks_alone(qtbot: QtBot) -> None:
    for tracks in ((), ("values.h", "network", "grads.h"), ("norms",)):
        document = document_of("rnn", tracks=tracks)
        assert document.experiment is not None
        document.edit_experiment(msgspec.structs.replace(document.experiment, seed=9))
        assert document.state.tracks == tracks


def test_a_new_document_gets_the_tracks_of_its_first_cell() -> None:
    for cell in CELLS:
        layers = layer_kinds((LayerSpec(cell=cell, hidden_size=3),))
        assert tuple(after_edit((), {}, layers, {}).values()) == DEFAULTS[cell]
