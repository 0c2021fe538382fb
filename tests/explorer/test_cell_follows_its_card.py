"""The layer that is looked at in the cell panel stays the same one while cards are moved, and comes back with undo."""

from __future__ import annotations

from functools import partial

import pytest
from pytestqt.qtbot import QtBot

from engine import presets
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from explorer.app import Explorer
from explorer.dock import assembly
from explorer.dock.assembly import Assembly
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.document.tracks import DEFAULTS

SIZES = (3, 4, 5)


def stack(*sizes: int) -> Experiment:
    """Each layer is known by its size, wherever it is."""
    layers = tuple(LayerSpec(cell="gru", hidden_size=size, bidirectional=size == 3) for size in sizes)
    return Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=6, batch_size=2))


@pytest.fixture
def document(qtbot: QtBot) -> Document:
    return Document(State(tracks=DEFAULTS["gru"], experiment=stack(*SIZES)), View())


def assemble(document: Document, made: Assembly) -> None:
    document.edit_experiment(made.experiment, made.words, made.places)


def looked_at(document: Document) -> tuple[int, bool]:
    """The size of the layer in the panel, and whether it is the reverse direction."""
    layers = document.state.layers
    name = document.view.layer or list(layers)[-1].removesuffix("_reverse")
    return layers[name].hidden_size, name.endswith("_reverse")


@pytest.mark.parametrize("name", ["l0", "l0_reverse", "l1", "l2", ""])
@pytest.mark.parametrize("card", [0, 1, 2])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_wherever_a_card_is_moved_the_panel_shows_the_layer_that_it_showed(
    document: Document, name: str, card: int, place: int
) -> None:
    if card == place:
        return
    document.look(layer=name, unit=2)
    shown = looked_at(document)
    assemble(document, assembly.moved(stack(*SIZES), card, place))
    assert looked_at(document) == shown
    assert document.view.unit == 2
    document.undo_stack.undo()
    assert (looked_at(document), document.view.layer) == (shown, name)
    document.undo_stack.redo()
    assert looked_at(document) == shown


def test_a_layer_that_is_chosen_after_the_move_is_the_one_that_is_shown_after_undo(document: Document) -> None:
    document.look(layer="l0")
    assemble(document, assembly.moved(stack(*SIZES), 0, 2))
    assert document.view.layer == "l2"
    document.look(layer="l0")
    assert looked_at(document) == (4, False)
    document.undo_stack.undo()
    assert (looked_at(document), document.view.layer) == ((4, False), "l1")
    document.undo_stack.redo()
    assert (looked_at(document), document.view.layer) == ((4, False), "l0")


def test_a_layer_below_that_goes_or_comes_leaves_the_panel_where_it_is(document: Document) -> None:
    document.look(layer="l1")
    assemble(document, assembly.deleted(stack(*SIZES), 0))
    assert (looked_at(document), document.view.layer) == ((4, False), "l0")
    document.undo_stack.undo()
    assert document.view.layer == "l1"
    assemble(document, assembly.duplicated(stack(*SIZES), 0))
    assert (looked_at(document), document.view.layer) == ((4, False), "l2")


def test_where_its_layer_is_deleted_the_panel_shows_the_last_and_gets_it_back(document: Document) -> None:
    document.look(layer="l1")
    assemble(document, assembly.deleted(stack(*SIZES), 1))
    assert (document.view.layer, looked_at(document)) == ("", (5, False))
    document.undo_stack.undo()
    assert document.view.layer == "l1"


def test_where_nobody_has_chosen_one_the_panel_goes_to_what_the_read_out_reads(document: Document) -> None:
    assemble(document, assembly.added(stack(*SIZES), "lstm"))
    assert document.view.layer == ""


def test_in_the_window_the_panel_shows_the_moved_layers_cell(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    explorer.window.dock.stack.add("gru")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.document.look(layer="l0")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.document.experiment is not None
    moved = assembly.moved(explorer.document.experiment, 0, 1)
    for move in (partial(explorer.window.dock.assembled.emit, moved), explorer.document.undo_stack.undo):
        move()
        qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
        assert explorer.controller.excerpt is not None
        assert explorer.controller.excerpt.focus.cell == "rnn"
