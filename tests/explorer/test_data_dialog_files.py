"""Every kind of file in the data dialog, and what it says of wrong ones: one sentence, and nothing can be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_dialogs import LEFT, Opened, pick, visible
from pytestqt.qtbot import QtBot

from engine.spec import SequencesTask, TextTask
from explorer.dock.fields import Segments


def test_a_text_by_words_in_one_stream(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("tale.txt", "the cat sat on the mat, and the dog too.\n" * 200))
    dialog = made.dialog
    for name, value in (("level", "word"), ("order", "stream")):
        field = dialog.text.rows[name].field
        assert isinstance(field, Segments)
        qtbot.mouseClick(field.button(value), LEFT)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    (task,) = made.tasks
    # the cat sat on mat , and dog too . and the line end: 11 different, and one for the rest.
    assert task == TextTask(
        data=task.data, name="tale.txt", level="word", symbols=12, steps=20, order="stream", batch_size=4
    )


def test_sequences_with_a_class_from_a_table_of_texts(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    rows = [f"{'very ' * (n % 3)}{'good' if n % 2 else 'bad'}\t{'yes' if n % 2 else 'no'}" for n in range(60)]
    made = over(written("reviews.tsv", "\n".join(["text\tliked", *rows])))
    dialog = made.dialog
    assert dialog.becomes.value() == "sequences"
    assert dialog.sequences.list.ticked() == ("text",)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    (task,) = made.tasks
    assert isinstance(task, SequencesTask)
    assert (task.answers, task.classes, task.symbols, task.steps) == ("class", 2, 4, 3)  # very good bad, and the rest


def test_arrays_of_sequences_and_of_a_series(over: Callable[[str], Opened], tmp_path: Path, qtbot: QtBot) -> None:
    x = np.arange(40 * 6 * 2, dtype=np.float32).reshape(40, 6, 2)
    np.savez(tmp_path / "many.npz", x=x, y=np.arange(40) % 3)
    made = over(str(tmp_path / "many.npz"))
    answers = made.dialog.sequences.rows["answers"].field
    assert isinstance(answers, Segments)
    assert not answers.button("tags").isEnabled(), "there is one answer a sequence"
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert (made.tasks[0].steps, made.tasks[0].inputs, made.tasks[0].classes) == (6, 2, 3)
    np.save(tmp_path / "wave.npy", np.sin(np.arange(400.0)).reshape(200, 2))
    made = over(str(tmp_path / "wave.npy"))
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert (made.tasks[0].columns, made.tasks[0].target) == (("x0", "x1"), "x1")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("ragged.csv", "a,b\n1,2\n3\n", "line 3"),
        ("latin.csv", "Größe;x\n1;2\n".encode("latin-1"), "not UTF-8"),
        ("empty.csv", "", "0 bytes"),
        ("book.csv", b"PK\x03\x04" + bytes(100), "Excel"),
        ("broken.npy", b"\x93NUMPY\x01\x00\x10\x00garbage", "header"),
        ("gone.csv", None, "it is not there"),
    ],
)
def test_a_wrong_file_says_one_sentence_and_nothing_can_be_used(
    over: Callable[[str], Opened],
    written: Callable[[str, str | bytes], str],
    tmp_path: Path,
    name: str,
    content: str | bytes | None,
    part: str,
) -> None:
    path = str(tmp_path / name) if content is None else written(name, content)
    dialog = over(path).dialog
    assert part in visible(dialog)
    assert visible(dialog).endswith(".")
    assert not dialog.use.isEnabled()
    assert not dialog.side.isVisible()
    assert dialog.focusWidget() is dialog.other
    assert dialog.other.accessibleDescription() == visible(dialog), "also said to those who do not see it"


def test_what_was_detected_wrongly_can_be_chosen_otherwise(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    made = over(written("a.csv", "".join(f"{n},5\n" for n in range(200))))
    dialog = made.dialog
    assert len(dialog.series.list.offered()) in (1, 2)
    pick(dialog.as_read.rows["delimiter"].field, ";")
    made.wait()
    pick(dialog.as_read.rows["decimal"].field, ",")
    made.wait()
    (column,) = dialog.series.list.offered()
    assert column.says == "number"
    assert dialog.series.rows["steps"].error.text() == ""
    pick(dialog.as_read.rows["as_"].field, "text")
    made.wait()
    assert dialog.form is dialog.text


def test_a_file_that_changed_meanwhile_is_said_and_the_dialog_stays(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    path = written("a.csv", "\n".join(["x", *map(str, range(300))]))
    made = over(path)
    Path(path).write_text("\n".join(["x", *map(str, range(301))]))
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert not made.tasks
    assert made.dialog.problem.text() == "'a.csv' has changed since it was looked at; look at it again."
    assert made.dialog.isVisible()
