"""Every task and every field of training can be reached in the dock; another task keeps what fits, and says what does
not; what is wrong stands at its field."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import beginning, presets
from engine.checks import checked
from engine.errors import SpecError
from engine.spec import (
    AddingTask,
    ClipSpec,
    CopyTask,
    DigitsTask,
    EarlyStopSpec,
    EchoTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    ParityTask,
    ReadoutSpec,
    ReberTask,
    SamplingSpec,
    ScheduleSpec,
    SequencesTask,
    SeriesTask,
    SinesTask,
    TextTask,
    TrainingSpec,
    TruncationSpec,
)
from engine.task_facts import FACTS, form
from explorer.app import Explorer
from explorer.dock import edits
from explorer.dock.fields import ChoiceField, NumberField
from explorer.dock.flag import Flag
from explorer.dock.problems import problem
from explorer.dock.task_edits import FIELDS, GROUPS, KINDS, changed_with, kind_of, with_task
from explorer.dock.task_field import OTHER_DATA, TaskField
from explorer.dock.training import TrainingRows
from explorer.document import opening
from explorer.document.edit_words import difference
from explorer.document.state import State

DATA = "a" * 64
OWN = (
    SeriesTask(data=DATA, name="prices.csv", columns=("open", "close"), target="close"),
    TextTask(data=DATA, name="tale.txt", symbols=300),
    SequencesTask(data=DATA, name="reviews.tsv", steps=20, symbols=40, classes=2),
)
GENERATED = [kind for kinds in GROUPS.values() for kind in kinds]
TASKS: list[Any] = [*GENERATED, *OWN]


def experiment(loss: str = "mse", at: str = "last", training: TrainingSpec | None = None) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell="gru"),), readout=ReadoutSpec(at=at), loss=loss)  # type: ignore[arg-type]
    return Experiment(model=model, task=AddingTask(steps=40, batch_size=8), training=training or TrainingSpec())


FROM = [
    experiment(),
    experiment("cross_entropy", "attention"),
    experiment("binary_cross_entropy", "mean"),
    experiment("mse", "every", TrainingSpec(truncation=TruncationSpec(k1=2, k2=4))),
    replace(experiment("mse", "every", TrainingSpec(sampling=SamplingSpec())), task=SinesTask(steps=40, batch_size=8)),
    replace(
        experiment("cross_entropy", "every", TrainingSpec(carry=True, sampling=SamplingSpec())),
        task=TextTask(data=DATA, symbols=30, order="stream"),
    ),
]


def test_the_chooser_has_every_task_that_there_is(qtbot: QtBot) -> None:
    assert {*GENERATED, *(kind_of(task) for task in OWN)} == set(KINDS)
    assert set(FIELDS) == set(KINDS)
    field = TaskField()
    qtbot.addWidget(field)
    for task in OWN:
        field.show_task(task)
    offered = {field.itemData(at) for at in range(field.count())}
    assert {*GENERATED, OTHER_DATA} < offered
    for at in range(field.count()):
        if field.itemData(at) in GENERATED:
            facts = FACTS[KINDS[field.itemData(at)]]
            tip = field.itemData(at, Qt.ItemDataRole.ToolTipRole)
            assert facts.tests in tip
            assert facts.source in tip


def test_the_card_shows_every_field_of_every_task() -> None:
    of_the_data = {"data", "name", "columns", "level", "answers", "inputs", "classes", "split"}
    for kind, task in KINDS.items():
        fields = set(task.__struct_fields__) - of_the_data
        if kind == "sequences":
            fields -= {"symbols"}  # as many as there are
        shown = set(FIELDS[kind]) - {"train_share", "validation_share"}
        assert fields <= shown, kind
        assert ("train_share" in FIELDS[kind]) == ("split" in task.__struct_fields__)


@pytest.mark.parametrize(("start", "wanted"), list(product(range(len(FROM)), range(len(TASKS)))))
def test_every_task_can_follow_every_other(start: int, wanted: int) -> None:
    old, to = checked(FROM[start]), TASKS[wanted]
    new = checked(with_task(old, to))
    assert new.task == to if not isinstance(to, str) else kind_of(new.task) == to
    assert (new.model.layers, new.seed, new.dtype) == (old.model.layers, old.seed, old.dtype)
    given = form(new.task)
    if isinstance(to, str):
        assert new.task.batch_size == old.task.batch_size
    if old.model.loss in given.losses:
        assert new.model.loss == old.model.loss
    if old.model.readout.at in given.readouts:
        assert new.model.readout.at == old.model.readout.at
    assert (new.model.embedding is not None) <= bool(given.symbols)
    assert replace(new.training, carry=False, sampling=None, truncation=None) == replace(
        old.training, carry=False, sampling=None, truncation=None
    )


def test_what_a_demonstration_trains_before_it_opens_is_not_trained_on_another_task() -> None:
    old = presets.load("sunspots").experiment
    assert old.training.iterations > 0
    for other in (*OWN, "parity"):
        new = with_task(old, other)
        assert new.training.iterations == 0
        assert f"iterations before {old.training.iterations} → 0" in changed_with(old, new)


def test_what_changed_with_the_task_is_said_and_nothing_else() -> None:
    old = experiment()
    assert changed_with(old, with_task(old, "parity")) == ""
    assert changed_with(old, with_task(old, "copy")) == (
        "Changed with the task: loss MSE → cross-entropy; loss taken at last step → every step; embedding none → 8."
    )
    long = replace(old, task=AddingTask(steps=1000))
    assert changed_with(long, with_task(long, "sunspots")) == "Changed with the task: T 1,000 → 308."
    stream = FROM[-1]
    said = changed_with(stream, with_task(stream, "adding"))
    assert "carried states → off" in said
    assert "scheduled sampling → off" in said


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


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    explorer.window.dock.stack.add("rnn")
    explorer.window.dock.stack.open_card(explorer.window.dock.stack.input)
    return explorer


def shown(explorer: Explorer) -> Experiment:
    assert explorer.document.experiment is not None
    return explorer.document.experiment


def choose(qtbot: QtBot, field: ChoiceField, value: object) -> None:
    """By the keys of an open list."""
    field.setFocus()
    field.showPopup()
    view = field.view()
    view.setCurrentIndex(view.model().index(field.findData(value), 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)


def test_another_task_is_one_step_and_the_card_says_what_came_along(explorer: Explorer, qtbot: QtBot) -> None:
    card, document = explorer.window.dock.stack.input, explorer.document
    before, steps = shown(explorer), document.undo_stack.count()
    choose(qtbot, card.tasks, "copy")
    assert isinstance(shown(explorer).task, CopyTask)
    assert document.undo_stack.count() == steps + 1
    assert card.note.isVisible()
    assert card.note.text().startswith("Changed with the task: loss MSE → cross-entropy")
    assert document.state.unfinished == ""
    document.undo_stack.undo()
    assert shown(explorer) == before
    assert not card.note.isVisible()
    document.undo_stack.redo()
    assert card.note.isVisible()
    explorer.window.dock._edit("batch_size", 4)
    assert not card.note.isVisible(), "it spoke of another experiment"


def test_the_arrows_go_through_all_tasks_and_open_no_dialog(explorer: Explorer, qtbot: QtBot) -> None:
    field = explorer.window.dock.stack.input.tasks
    field.setFocus()
    asked: list[bool] = []
    field.otherDataWanted.connect(lambda: asked.append(True))
    met = [kind_of(shown(explorer).task)]
    for _ in range(len(GENERATED) + 2):
        qtbot.keyClick(field, Qt.Key.Key_Down)
        if kind_of(shown(explorer).task) != met[-1]:
            met.append(kind_of(shown(explorer).task))
            assert explorer.document.state.unfinished == "", met[-1]
    assert met == GENERATED
    assert not asked


def test_own_data_in_the_open_list_asks_for_a_file_and_changes_nothing(explorer: Explorer, qtbot: QtBot) -> None:
    field, before = explorer.window.dock.stack.input.tasks, shown(explorer)
    with qtbot.waitSignal(explorer.window.dock.ownDataRequested):
        choose(qtbot, field, OTHER_DATA)
    assert shown(explorer) == before
    assert field.value() == "adding"
    for dialog in QApplication.topLevelWidgets():
        if dialog is not explorer.window and dialog.isVisible():
            dialog.close()


def test_data_that_were_here_before_can_be_chosen_again(explorer: Explorer, qtbot: QtBot) -> None:
    dock = explorer.window.dock
    own = OWN[0]
    dock._edit("task", own)
    dock._edit("task", "parity")
    choose(qtbot, dock.stack.input.tasks, f"series {DATA}")
    assert shown(explorer).task == own


def test_each_task_shows_its_own_fields_and_no_other(explorer: Explorer) -> None:
    dock = explorer.window.dock
    for kind in reversed(GENERATED):
        dock._edit("task", kind)
        rows = dock.stack.input.rows
        visible = {name for name, row in rows.items() if row.isVisible()}
        embedded = {"embedding"} if form(shown(explorer).task).symbols else set()
        assert visible == {"task", *FIELDS[kind], *embedded}
        facts = FACTS[KINDS[kind]]
        assert facts.source in rows["task"].toolTip()
        assert facts.tests in dock.stack.input.tasks.accessibleDescription()


def test_every_field_has_a_name_for_those_who_do_not_see_it(explorer: Explorer) -> None:
    for rows in (explorer.window.dock.stack.input.rows, explorer.window.dock.training_rows.rows):
        names = [row.field.accessibleName() for row in rows.values()]
        assert all(names)
        assert len(set(names)) == len(names)


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


# -- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        (ParityTask(), ParityTask(steps=9), True),
        (DigitsTask(), DigitsTask(by="pixel"), False),
        (OWN[0], replace(OWN[0], steps=9), True),
        (OWN[0], replace(OWN[0], data="b" * 64), False),
        (OWN[0], replace(OWN[0], target="open"), False),
        (OWN[0], replace(OWN[0], columns=("open",)), False),
        (OWN[1], replace(OWN[1], symbols=20), False),
    ],
)
def test_weights_stay_only_where_their_shapes_and_what_they_read_stay(old: Any, new: Any, kept: bool) -> None:
    base = with_task(experiment(), "parity" if isinstance(old, ParityTask) else "digits")
    before = replace(with_task(base, old) if not isinstance(old, ParityTask | DigitsTask) else base, task=old)
    state = State(tracks=(), experiment=before).remembering(3, {})
    assert bool(state.with_experiment(replace(before, task=new)).history) == kept


def test_reber_strings_are_at_least_as_long_as_the_grammar_has_them() -> None:
    short = replace(experiment(), task=AddingTask(steps=2))
    assert isinstance(checked(with_task(short, "reber")).task, ReberTask)


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
