"""How training ends in the window: at bounds as people type them, by divergence, by another task."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from training_window import act, experiment, settle, tab

from engine.data import SeriesChoices, import_series, look_at
from engine.spec import AddingTask, ClipSpec, InitSpec, LayerSpec, ModelSpec, Split
from explorer.app import Explorer
from explorer.dock.task_edits import with_task
from explorer.document.opening import Opening
from explorer.document.state import State, View


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("network", "norms"), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    return explorer


@pytest.mark.parametrize("typed", ["25", " 25 "])
def test_until_an_iteration(qtbot: QtBot, explorer: Explorer, typed: str) -> None:
    explorer.window.drawer.show_tab("training")
    field = tab(explorer).controls.until_field
    field.setFocus()
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(qtbot, explorer)
    assert explorer.book.next == 25


@pytest.mark.parametrize("typed", ["loss < 1e6", "LOSS<1000000,0"])
def test_until_a_bound_on_an_evaluation(qtbot: QtBot, explorer: Explorer, typed: str) -> None:
    act(explorer, "train_until")
    field = tab(explorer).controls.until_field
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(qtbot, explorer)
    assert explorer.book.next == 10, "the first evaluation reaches it"
    assert explorer.window.drawer.reason.sentence.text().startswith("loss<1e6 is reached: the loss is ")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("soon", "until is 'soon'"),
        ("accuracy > 0.9", "RMSE"),
        ("loss < small", "a number"),
        ("2,5", "until is '2,5'"),
        ("loss < nan", "until is 'loss < nan'"),
        ("rmse < -1", "above 0 or an iteration is accepted"),
        ("0", "Iteration 0 has been reached"),
        ("1,000,000,000", "too many"),
    ],
)
def test_a_bound_that_is_none_says_what_would_be_one(explorer: Explorer, typed: str, said: str) -> None:
    explorer.window.drawer.show_tab("training")
    field = tab(explorer).controls.until_field
    field.setFocus()
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not explorer.runner.running
    assert said in explorer.window.drawer.reason.sentence.text()


def test_a_bound_is_refused_in_its_field_where_nothing_is_held_back(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(n % 7) for n in range(60)))
    choices = SeriesChoices(steps=4, split=Split(train=1.0, validation=0.0))
    task = import_series(look_at(tmp_path / "a.csv"), choices)
    explorer.document.edit_experiment(msgspec.structs.replace(experiment(), task=task))
    settle(qtbot, explorer)
    act(explorer, "train_until")
    field = tab(explorer).controls.until_field
    field.setText("loss < 0.1")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not explorer.runner.running
    assert explorer.book.next == 0
    assert "nothing of 'a.csv' is held back" in explorer.window.drawer.reason.sentence.text()


def test_divergence_is_a_sentence_and_a_pause(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.edit_experiment(experiment(learning_rate=1e6))
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: not explorer.runner.running, timeout=60_000)
    settle(qtbot, explorer)
    said = explorer.window.stage.banner.text()
    assert said.startswith(f"Training stopped before iteration {explorer.book.next}: ")
    assert explorer.document.view.iteration == explorer.book.next, "the stage shows where"
    explorer.document.edit_experiment(experiment())
    settle(qtbot, explorer)
    explorer.bindings.travel.to(0)
    settle(qtbot, explorer)
    act(explorer, "train")
    assert explorer.window.stage.banner.text() == ""
    act(explorer, "train")
    settle(qtbot, explorer)


def diverged(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.edit_experiment(experiment(learning_rate=1e6))
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: not explorer.runner.running, timeout=60_000)
    settle(qtbot, explorer)
    assert explorer.window.stage.banner.text()


def test_the_sentence_of_a_divergence_goes_with_the_settings_that_led_there(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    diverged(qtbot, explorer)
    assert explorer.window.drawer.reason.sentence.text() == explorer.window.stage.banner.text()
    explorer.document.edit_experiment(experiment())
    banner, summary = explorer.window.stage.banner, explorer.window.drawer.summary.words.text()
    assert (banner.text(), banner.buttons, banner.isVisible()) == ("", (), False)
    assert "stopped" not in summary + explorer.window.drawer.reason.sentence.text()
    settle(qtbot, explorer)


@pytest.mark.parametrize(("number", "rate", "clip"), [(0, 1e5, "none"), (1, 1e6, "norm")])
def test_a_divergence_offers_to_train_again_with_a_lower_rate_or_clipped(
    qtbot: QtBot, explorer: Explorer, number: int, rate: float, clip: str
) -> None:
    diverged(qtbot, explorer)
    gone, buttons = explorer.book.next, explorer.window.stage.banner.buttons
    assert [button.text() for button in buttons] == ["Again with rate 100000", "Again with clipping at norm 1"]
    assert all(button.isVisible() and button.focusPolicy() & Qt.FocusPolicy.TabFocus for button in buttons)
    QTest.mouseClick(buttons[number], Qt.MouseButton.LeftButton)
    assert explorer.runner.running
    assert f"Iterations 1–{gone} are put away" in explorer.runner.note
    act(explorer, "train")
    settle(qtbot, explorer)
    recipe, _ = explorer.document.state.recipe_into(1)
    assert recipe is not None
    assert (recipe.training.learning_rate, recipe.training.clip.kind) == (rate, clip)
    explorer.document.undo_stack.undo()
    assert explorer.book.next == gone


@pytest.mark.parametrize(("number", "radius", "shorter"), [(0, 1.0, False), (1, 12.0, True)])
def test_a_divergence_that_no_update_has_led_to_offers_another_beginning(
    qtbot: QtBot, explorer: Explorer, number: int, radius: float, shorter: bool
) -> None:
    init = InitSpec(recurrent="orthogonal", spectral_radius=12.0)
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="identity", init=init)
    task = AddingTask(steps=100, batch_size=2)
    given = msgspec.structs.replace(experiment(), model=ModelSpec(layers=(layer,)), task=task)
    explorer.document.edit_experiment(given)
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: not explorer.runner.running, timeout=60_000)
    settle(qtbot, explorer)
    banner = explorer.window.stage.banner
    assert "a of layer 1 " in banner.text()
    assert " (forward pass). " in banner.text()
    assert "no lower rate or clipping can help" in banner.text()
    words = [button.text() for button in banner.buttons]
    assert words[0] == "Again with spectral radius 1"
    assert words[1].startswith("Again with T = ")
    assert not any("rate" in word or "clipping" in word for word in words)
    QTest.mouseClick(banner.buttons[number], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: explorer.book.next > 0, timeout=60_000)
    explorer.runner.pause()
    settle(qtbot, explorer)
    recipe, _ = explorer.document.state.recipe_into(1)
    assert recipe is not None
    assert recipe.model.layers[0].init.spectral_radius == radius
    assert (recipe.task.steps < 100) is shorter
    while explorer.document.undo_stack.canUndo() and explorer.document.experiment != given:
        explorer.document.undo_stack.undo()
    assert explorer.document.experiment == given


def test_after_clipping_is_switched_on_train_goes_on_from_the_last_finite_iteration(
    qtbot: QtBot, explorer: Explorer
) -> None:
    diverged(qtbot, explorer)
    bad = explorer.book.next
    clip = ClipSpec(kind="norm")
    explorer.document.edit_experiment(experiment(learning_rate=1e6, clip=clip))
    settle(qtbot, explorer)
    explorer.runner.advance(3)
    settle(qtbot, explorer)
    assert explorer.document.undo_stack.undoText() == f"training anew from iteration {bad - 1}"
    assert explorer.book.next >= bad
    recipe, _ = explorer.document.state.recipe_into(bad)
    assert recipe is not None
    assert recipe.training.clip == clip


def test_done_goes_and_the_bounds_metric_follows_when_the_task_is_another(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    controls = tab(explorer).controls
    explorer.runner.start(goal=3)
    settle(qtbot, explorer)
    says = explorer.window.drawer.reason.sentence
    assert says.text() == "Done."
    assert "RMSE < 0.1" in controls.until_field.toolTip()
    explorer.document.edit_experiment(with_task(experiment(), "temporal_order"))
    assert says.text() == "Training begins anew at 0. Iterations 1–3 are put away; undo brings them back."
    assert "accuracy > 99 %" in controls.until_field.toolTip()
    assert "RMSE" not in controls.until_field.toolTip()
    settle(qtbot, explorer)


def test_what_is_typed_beside_until_is_gone_with_its_document(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    field = tab(explorer).controls.until_field
    QTest.keyClicks(field, "rmse<3")
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment()), View(), title="another"))
    settle(qtbot, explorer)
    assert field.text() == ""
