"""Every task can be reached in the dock; another one keeps what fits, and says what does not."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from dock_rig import choose, experiment, shown, with_one_layer
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import presets
from engine.checks import checked
from engine.spec import (
    AddingTask,
    CopyTask,
    DigitsTask,
    ParityTask,
    ReberTask,
    SamplingSpec,
    SequencesTask,
    SeriesTask,
    SinesTask,
    TextTask,
    TrainingSpec,
    TruncationSpec,
)
from engine.task_facts import FACTS, form
from explorer.app import Explorer
from explorer.dock.task_edits import FIELDS, GROUPS, KINDS, changed_with, kind_of, with_task
from explorer.dock.task_field import OTHER_DATA, TaskField
from explorer.document.state import State

DATA = "a" * 64
OWN = (
    SeriesTask(data=DATA, name="prices.csv", columns=("open", "close"), target="close"),
    TextTask(data=DATA, name="tale.txt", symbols=300),
    SequencesTask(data=DATA, name="reviews.tsv", steps=20, symbols=40, classes=2),
)
GENERATED = [kind for kinds in GROUPS.values() for kind in kinds]
TASKS: list[Any] = [*GENERATED, *OWN]

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


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    return with_one_layer(explorer, qtbot)


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
