"""Every field of training can be reached in the dock; what another optimizer or schedule lacks goes back to its
default, and what is wrong stands at its field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from dock_rig import choose, experiment, shown, with_one_layer
from msgspec.structs import replace
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine import beginning
from engine.checks import checked
from engine.errors import SpecError
from engine.spec import (
    ClipSpec,
    EarlyStopSpec,
    EchoTask,
    Experiment,
    OptimizerSpec,
    SamplingSpec,
    ScheduleSpec,
    SinesTask,
    TrainingSpec,
    TruncationSpec,
)
from explorer.app import Explorer
from explorer.dock import edits
from explorer.dock.fields import ChoiceField, NumberField
from explorer.dock.flag import Flag
from explorer.dock.problems import problem
from explorer.dock.training import TrainingRows
from explorer.document.edit_words import difference


def leaves(spec: Any, prefix: str = "") -> set[str]:
    if isinstance(spec, dict):
        return {leaf for name, part in spec.items() for leaf in leaves(part, f"{prefix}.{name}")}
    return {prefix.lstrip(".")}


EVERYTHING = TrainingSpec(
    truncation=TruncationSpec(k1=1, k2=2), sampling=SamplingSpec(), early_stop=EarlyStopSpec(), clip=ClipSpec()
)


def test_the_training_section_reaches_every_field_of_a_training_spec() -> None:
    """Each edit changes something; together they change all that there is."""
    start = replace(experiment(), training=EVERYTHING)
    values: dict[str, Any] = {
        "learning_rate": 0.5, "optimizer": "adam", "momentum": 0.5, "nesterov": True, "alpha": 0.5, "beta1": 0.5,
        "beta2": 0.5, "epsilon": 0.5, "schedule": "step", "warmup": 5, "schedule_every": 5, "factor": 0.1, "length": 5,
        "schedule_floor": 0.1, "l1": 0.1, "l2": 0.1, "clip": "norm", "max_norm": 5.0, "max_value": 5.0, "ratio": 0.5,
        "clip_readout": True, "truncation": 5, "truncation_every": 2, "carry": True, "sampling": "exponential",
        "sampling_k": 0.5, "sampling_c": 0.5, "sampling_floor": 0.5, "evaluate_every": 5, "patience": 9, "least": 0.5,
        "iterations": 5,
    }  # fmt: skip
    before, reached = msgspec.to_builtins(start.training), set()
    for name, value in values.items():
        after = edits.EDITS[name](start, value)
        assert edits.values(after)[name] == value
        changed = msgspec.to_builtins(after.training)
        reached |= {leaf for leaf in leaves(before) if at(changed, leaf) != at(before, leaf)}
    assert reached == leaves(before)


def at(data: dict[str, Any], leaf: str) -> Any:
    found: Any = data
    for name in leaf.split("."):
        found = found[name]
    return found


def test_what_another_optimizer_or_schedule_lacks_goes_back_to_its_default() -> None:
    training = TrainingSpec(
        optimizer=OptimizerSpec(momentum=0.9, nesterov=True), schedule=ScheduleSpec(kind="step", every=7, factor=0.1)
    )
    start = replace(experiment(), training=training)
    adam = checked(edits.EDITS["optimizer"](start, "adam"))
    assert adam.training.optimizer == OptimizerSpec(kind="adam")
    rmsprop = checked(edits.EDITS["optimizer"](start, "rmsprop"))
    assert rmsprop.training.optimizer == OptimizerSpec(kind="rmsprop", momentum=0.9)
    still = checked(edits.EDITS["momentum"](start, 0.0))
    assert still.training.optimizer == OptimizerSpec()
    cosine = checked(edits.EDITS["schedule"](start, "cosine"))
    assert cosine.training.schedule == ScheduleSpec(kind="cosine")
    slower = checked(edits.EDITS["schedule"](start, "exponential"))
    assert slower.training.schedule == ScheduleSpec(kind="exponential", every=7, factor=0.1)


WRONG: list[tuple[Experiment, str, str]] = [
    (
        replace(experiment(at="every"), task=EchoTask(steps=5, delay=9)),
        "delay",
        "9: a whole number from 0 to 4 is accepted.",
    ),
    (replace(experiment(), task=SinesTask(waves=0)), "waves", "0: a whole number from 1 to 100 is accepted."),
    (
        replace(experiment(), training=TrainingSpec(carry=True)),
        "carry",
        "Carry is on, but the sequences of the adding problem do not go on from batch to batch; a text task with order "
        "'stream' is accepted.",
    ),
    (
        replace(experiment(), training=TrainingSpec(optimizer=OptimizerSpec(momentum=1.0))),
        "momentum",
        "1: a number from 0 to below 1 is accepted.",
    ),
    (
        replace(experiment(), training=TrainingSpec(schedule=ScheduleSpec(length=0))),
        "length",
        "0: a whole number from 1 to 1,000,000 is accepted.",
    ),
    (
        replace(experiment(), training=TrainingSpec(early_stop=EarlyStopSpec(patience=0))),
        "patience",
        "0: a whole number from 1 to 1,000,000 is accepted.",
    ),
]


@pytest.mark.parametrize(
    ("old", "rate", "new", "after"),
    [
        ("sgd", 0.1, "adam", 1e-2),
        ("adam", 1e-2, "sgd", 0.1),
        ("adam", 1e-2, "rmsprop", 1e-3),
        ("sgd", 0.05, "adamw", 0.05),
        ("adam", 0.1, "sgd", 0.1),
    ],
)
def test_the_usual_rate_of_one_optimizer_becomes_that_of_the_next_and_a_chosen_one_stays(
    old: Any, rate: float, new: str, after: float
) -> None:
    start = experiment(training=TrainingSpec(optimizer=OptimizerSpec(kind=old), learning_rate=rate))
    wanted = checked(edits.EDITS["optimizer"](start, new))
    assert (wanted.training.optimizer.kind, wanted.training.learning_rate) == (new, after)
    assert difference(start, wanted) == "optimizer"


@pytest.mark.parametrize(
    ("kind", "rate", "said"),
    [
        ("sgd", 0.1, ""),
        ("sgd", 2.0, ""),
        ("sgd", 2.5, "This is 25 times the usual rate of SGD, 0.1: it may diverge."),
        ("adam", 0.02, ""),
        ("adam", 1.0, "This is 100 times the usual rate of Adam, 0.01: it may diverge."),
        ("rmsprop", 5e-7, "The usual rate of RMSprop is 2,000 times this, 0.001: it learns slowly."),
        ("adamw", 0.0, ""),
    ],
)
def test_a_rate_far_from_the_usual_is_said_at_its_field(qtbot: QtBot, kind: str, rate: float, said: str) -> None:
    rows = TrainingRows()
    qtbot.addWidget(rows)
    start = experiment(training=TrainingSpec(optimizer=OptimizerSpec(kind=kind), learning_rate=rate))  # type: ignore[arg-type]
    rows.fill(edits.values(start))
    assert rows.rate_note.text() == said
    assert rows.rate_note.isHidden() == (not said)
    assert rows.rows["learning_rate"].field.accessibleDescription() == said


@pytest.mark.parametrize(("given", "field", "sentence"), WRONG, ids=[field for _, field, _ in WRONG])
def test_a_sentence_of_the_engine_finds_its_field(given: Experiment, field: str, sentence: str) -> None:
    with pytest.raises(SpecError) as raised:
        checked(given)
    found = problem(raised.value)
    assert (found.field, found.sentence) == (field, sentence)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("task", "copy", "task"),
        ("optimizer", "adam", "optimizer"),
        ("schedule", "cosine", "schedule"),
        ("warmup", 5, "warm-up"),
        ("sampling", "linear", "scheduled sampling"),
        ("patience", 4, "early stopping"),
        ("carry", True, "carried states"),
        ("learning_rate", 0.5, "learning rate"),
    ],
)
def test_the_undo_menu_says_which_field_it_was(field: str, value: Any, words: str) -> None:
    assert difference(experiment(), edits.EDITS[field](experiment(), value)) == words


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    return with_one_layer(explorer, qtbot)


def test_what_cannot_stand_is_said_below_more_which_opens_for_it(explorer: Explorer, qtbot: QtBot) -> None:
    rows = explorer.window.dock.training_rows
    assert not rows.more.isVisible()
    explorer.window.dock._edit("carry", True)
    assert explorer.document.state.unfinished
    assert rows.more.isVisible()
    carry = rows.rows["carry"]
    assert carry.error.isVisible()
    assert carry.error.text().startswith("Carry is on, but")
    assert isinstance(carry.field, Flag)
    carry.field.setFocus()
    qtbot.keyClick(carry.field, Qt.Key.Key_Space)
    assert not explorer.document.state.unfinished
    assert not carry.error.isVisible()


def test_a_momentum_of_one_is_refused_at_its_field(explorer: Explorer, qtbot: QtBot) -> None:
    row, before = explorer.window.dock.training_rows.rows["momentum"], shown(explorer)
    field = row.field
    assert isinstance(field, NumberField)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "1")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert row.error.text() == "1: a number from 0 to below 1 is accepted."
    assert shown(explorer) == before


def test_another_optimizer_with_its_rate_is_one_step_of_undo(explorer: Explorer, qtbot: QtBot) -> None:
    before = explorer.document.experiment
    assert before is not None
    assert (before.training.optimizer.kind, before.training.learning_rate) == ("adam", 0.01)
    explorer.window.dock.training_rows.edited.emit("optimizer", "sgd")
    after = explorer.document.experiment
    assert after is not None
    assert (after.training.optimizer.kind, after.training.learning_rate) == ("sgd", 0.1)
    explorer.document.undo_stack.undo()
    assert explorer.document.experiment == before


def test_training_goes_back_to_its_defaults_in_one_step(explorer: Explorer, qtbot: QtBot) -> None:
    dock = explorer.window.dock
    assert not dock.reset_training.isEnabled()
    for name, value in (("optimizer", "sgd"), ("schedule", "cosine"), ("l1", 0.1), ("patience", 3)):
        dock._edit(name, value)
    assert dock.training_rows.disclosure.toolTip() == "L1, early stop", "what cannot be seen is named"
    steps = explorer.document.undo_stack.count()
    dock.reset_training.setFocus()
    qtbot.keyClick(dock.reset_training, Qt.Key.Key_Space)
    assert shown(explorer).training == beginning.TRAINING
    assert explorer.document.undo_stack.count() == steps + 1
    explorer.document.undo_stack.undo()
    assert shown(explorer).training.early_stop == EarlyStopSpec(patience=3)


def test_sampling_is_chosen_and_taken_back_in_words(explorer: Explorer, qtbot: QtBot) -> None:
    dock = explorer.window.dock
    dock._edit("task", "reber")
    dock.training_rows.disclosure.setChecked(True)
    field = dock.training_rows.rows["sampling"].field
    assert isinstance(field, ChoiceField)
    choose(qtbot, field, "inverse_sigmoid")
    sampling = shown(explorer).training.sampling
    assert sampling is not None
    assert sampling.decay == "inverse_sigmoid"
    assert explorer.document.state.unfinished == ""
    assert not dock.training_rows.rows["sampling_c"].isVisible(), "its ε falls by no c"
    choose(qtbot, field, "truth")
    assert shown(explorer).training.sampling is None
