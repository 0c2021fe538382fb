"""Every kind of file in the data dialog, and what it says of wrong ones: one sentence, and nothing can be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_dialogs import LEFT, Opened, pick, visible
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.spec import SequencesTask, TextTask
from explorer.dock.fields import Segments

H = Qt.Orientation.Horizontal


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


@pytest.mark.parametrize(("level", "most"), [("character", None), ("character", 5), ("word", None), ("word", 4)])
def test_one_count_of_symbols_is_promised_explained_and_kept(
    over: Callable[[str], Opened],
    written: Callable[[str, str | bytes], str],
    qtbot: QtBot,
    level: str,
    most: int | None,
) -> None:
    """The last three tenths have symbols of their own, which are not learned and have no number."""
    made = over(written("tale.txt", "the cat sat on the mat\n" * 70 + "jumpy foxes\n" * 57))
    dialog = made.dialog
    dialog.text.edited.emit("level", level)
    dialog.text.edited.emit("symbols", most)
    learned = set("the cat sat on the mat\n") if level == "character" else {*["the", "cat", "sat", "on", "mat"], "\n"}
    said = dialog.summary.text().splitlines()[0]
    count = most or len(learned) + 1
    which = f"the {count - 1} most frequent of the {len(learned)}" if most else f"the {len(learned)}"
    assert said == (
        f"Predicts the next {level} out of {count}: {which} different ones of the training part, and one for all others"
    )
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    assert made.tasks[0].symbols == count


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


# -- encodings, and the lines of a wrong file -------------------------------------------------------------------------

UMLAUTS = ("Ort;Größe\n" + "".join(f"Köln;{n},5\n" for n in range(200))).encode("windows-1252")


@pytest.mark.parametrize(("name", "heads"), [("a.csv", ["Ort", "Größe"]), ("a.txt", None)])
def test_an_older_encoding_is_chosen_where_the_sentence_says_so(
    over: Callable[[str], Opened],
    written: Callable[[str, str | bytes], str],
    qtbot: QtBot,
    name: str,
    heads: list[str] | None,
) -> None:
    made = over(written(name, UMLAUTS))
    dialog = made.dialog
    assert "Windows-1252 (Western)" in visible(dialog)
    assert "choose the encoding" in visible(dialog)
    assert dialog.failure.advice.text().startswith("Choose above")
    row = dialog.as_read.rows["encoding"]
    assert row.isVisible()
    assert "\\xf6" in dialog.failure.lines.toPlainText(), "what does not fit is seen"
    pick(row.field, "windows-1252")
    made.wait()
    assert not visible(dialog)
    if heads is None:
        assert dialog.preview.text.toPlainText().startswith("Ort;Größe")
    else:
        model = dialog.preview.table.model()
        found = [str(model.headerData(at, H)).split("\n")[0] for at in range(2)]
        assert found == heads
    pick(row.field, "mac-roman")
    made.wait()
    shown = dialog.preview.text.toPlainText() if heads is None else str(dialog.preview.table.model().headerData(1, H))
    assert "Grˆﬂe" in shown, "the effect of another choice is seen at once"
    pick(row.field, "windows-1252")
    made.wait()
    assert dialog.use.isEnabled()
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    assert len(made.tasks) == 1, "and what is used is read in the same way"


def test_the_line_that_a_sentence_names_is_shown_and_marked(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    rows = ["a\tb", *(f"{n}\t{n}" for n in range(50))]
    rows[30] = "only one"
    dialog = over(written("line 7.tsv", "\n".join(rows))).dialog
    assert "line 31" in visible(dialog)
    lines = dialog.failure.lines
    assert lines.isVisible()
    shown = lines.toPlainText().split("\n")
    assert [line.strip().split("   ")[0].strip() for line in shown] == [str(n) for n in range(27, 40)]
    assert shown[2].endswith("29   27→ 27"), "a tab can be seen"
    (marked,) = lines.extraSelections()
    assert marked.cursor.block().text() == "31   only one"


@pytest.mark.parametrize("content", ["", b"PK\x03\x04" + bytes(100), bytes(range(1, 256)) * 20])
def test_what_is_no_text_at_all_is_not_to_be_read_otherwise(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], content: str | bytes
) -> None:
    dialog = over(written("a.csv", content)).dialog
    assert visible(dialog)
    assert dialog.failure.advice.text() == "Choose another file."
    assert not dialog.as_read.isVisible()
    assert not dialog.failure.lines.isVisible()


def test_spaces_between_columns_are_shown_and_can_be_chosen(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    dialog = over(written("sn.txt", "".join(f"{1749 + n} 0{n % 9} {n % 50}.5 \n" for n in range(90)))).dialog
    delimiter = dialog.as_read.rows["delimiter"].field
    assert delimiter.currentText() == "spaces"
    assert "the columns are separated by spaces" in dialog.found.text()
    made = over(written("a.csv", "".join(f"{100 + n} {200 + n}\n" for n in range(90))))
    assert "choose spaces between them" in made.dialog.notes.text()
    pick(made.dialog.as_read.rows["delimiter"].field, " ")
    made.wait()
    assert [one.name for one in made.dialog.series.list.offered()] == ["column 1", "column 2"]
