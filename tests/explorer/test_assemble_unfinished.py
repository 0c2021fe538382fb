"""What cannot stand together is said where it stands, and the picture stays until it can."""

from __future__ import annotations

from pathlib import Path

import pytest
from assembling import begun, settle, stack_of, typed
from pytestqt.qtbot import QtBot

from explorer.app import Explorer


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    return begun(explorer, qtbot)


def test_what_cannot_stand_together_is_said_at_its_card_and_the_picture_stays(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    before = settle(qtbot, explorer)
    stack = explorer.window.dock.stack
    card = stack.layers[1]
    stack.open_card(card)
    card.rows["residual"].field.click()
    settle(qtbot, explorer)
    assert not card.rows["residual"].error.isVisible(), "16 and 16 units can be added"
    residual = explorer.controller.excerpt
    assert residual is not before
    units = card.rows["hidden_size"].field
    typed(units, "8")
    settle(qtbot, explorer)
    assert units.text() == "8", "what was typed stays"
    assert card.rows["residual"].error.text() == (
        "The residual connection is on, but the layer reads 16 numbers a step and gives 8; both must be the same to be "
        "added."
    )
    assert explorer.controller.excerpt is residual
    assert "cannot be traced yet" in explorer.window.stage.canvas.message
    stack.open_card(None)
    assert card.problem.isVisible(), "a closed card says it too"
    explorer.commands.actions["undo"].trigger()
    assert not card.problem.isVisible()
    assert settle(qtbot, explorer).hidden_size == 16
    assert explorer.window.stage.canvas.message == ""


def test_a_task_brings_along_what_it_needs_and_what_is_taken_from_it_is_said(qtbot: QtBot, explorer: Explorer) -> None:
    """The copy task needs a loss at every step, of cross-entropy; both come with it, and are missed one by one."""
    stack_of(explorer, qtbot, "gru")
    dock, rows = explorer.window.dock, explorer.window.dock.rows
    rows["task"].field.edited.emit("copy")
    assert dock.stack.readout.problem.text() == ""
    assert settle(qtbot, explorer).steps == 50
    rows["loss"].field.edited.emit("mse")
    rows["at"].field.edited.emit("last")
    assert dock.stack.readout.problem.text() == ("The loss is taken at 'last'; the copy task accepts only 'every'.")
    rows["at"].field.edited.emit("every")
    assert dock.stack.readout.problem.text() == "Loss is 'mse'; the copy task accepts only 'cross-entropy'."
    rows["loss"].field.edited.emit("cross_entropy")
    assert dock.stack.readout.problem.text() == ""
    assert explorer.document.state.unfinished == ""
    assert explorer.document.undo_stack.count() == 6


def test_looking_goes_on_while_a_model_is_unfinished(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "gru")
    for name, value in (("task", "copy"), ("loss", "mse")):
        explorer.window.dock.rows[name].field.edited.emit(value)
    explorer.document.look(sample=3, position=7)
    assert settle(qtbot, explorer).sample == 3
    explorer.document.look(position=len(explorer.document.tape) - 1)
    explorer.controller.step(1)
    assert explorer.document.view.iteration == 0, "what cannot be traced cannot be trained"
    assert settle(qtbot, explorer).sample == 3


def test_what_is_unfinished_is_not_saved_and_says_why(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(explorer.files, "_complain", lambda title, sentence: said.append(sentence))
    explorer.document.path = str(tmp_path / "a.gflow")
    assert not explorer.files.save()
    assert said == [
        "What cannot be traced yet cannot be saved. The stack has no layer yet; add one: + RNN, + LSTM or + GRU."
    ]


def test_tab_meets_a_gates_bias_in_its_own_place(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    rows = explorer.window.dock.what_if
    assert "f" in rows.biases, "made when the LSTM came, after all else in the window"
    inside, one = [], rows.scale.slider
    while one is not rows.clip.slider:
        inside.append(one)
        one = one.nextInFocusChain()
        assert len(inside) < 200
    assert rows.biases["f"].slider in inside


def test_truncation_is_shown_trained_and_said(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn")
    dock = explorer.window.dock
    typed(dock.rows["truncation"].field, "8")
    norms = settle(qtbot, explorer).norms["grads.h"]
    assert [t for t, norm in enumerate(norms, 1) if norm > 0] == list(range(43, 51)), "T = 50: the last eight steps"
    assert dock.training_rows.note.text().startswith("Truncated BPTT(8; 8)")
    assert explorer.window.status.audit.text().startswith("● full gradients match autograd")
    explorer.document.look(position=100)
    assert explorer.window.status.verdict.text() == "▼ cut off: truncation lets nothing of L reach h₁"
    qtbot.waitUntil(lambda: explorer.desk.settled, timeout=20_000)
    beside = explorer.window.analysis.sections["flow"].words.text()
    assert beside.endswith("The whole gradient of each loss: truncation is not applied here.")
    assert "truncation" in explorer.window.cell._routes.meaning
    typed(dock.rows["truncation"].field, "")
    assert (settle(qtbot, explorer).norms["grads.h"] > 0).all()
    assert dock.training_rows.note.text() == ""
