"""`gradflow train` takes a task by its name and a file with somebody's own data, as a person who begins would type."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine import beginning, session
from engine.data import store
from engine.data.datasets import SeriesData
from engine.errors import SessionError
from engine.spec import ParityTask, SequencesTask, SeriesTask, SunspotsTask, TemporalOrderTask, TextTask
from engine.task_facts import FACTS
from explorer.app import Explorer, _Start
from explorer.cli import main
from explorer.cli.fresh import TASKS, of_task
from explorer.cli.target import resolve
from explorer.data_dialog.dialog import DataDialog
from explorer.dock.task_edits import GROUPS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command line in this process and a folder of its own: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))

    def call(*argv: object) -> tuple[int, str, str]:
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def prices(rows: int = 120) -> None:
    lines = [f"2024-{1 + day // 28 % 12:02}-{1 + day % 28:02};{math.sin(day):.3f};{day % 7}" for day in range(rows)]
    Path("prices.csv").write_text("\n".join(("day;close;volume", *lines)).replace(".", ","), encoding="utf-8")


def test_every_task_of_the_window_has_a_name_and_is_the_task_as_it_is_by_itself() -> None:
    kinds = [kind.replace("_", "-") for group in GROUPS.values() for kind in group]
    assert sorted(TASKS) == sorted(kinds)
    for name, kind in TASKS.items():
        made = of_task(name, "rnn")
        assert made.experiment.task == kind()
        assert made.title == FACTS[kind].title
        assert made.experiment.training == beginning.TRAINING
        assert [layer.cell for layer in made.experiment.model.layers] == ["rnn"]


def test_with_a_cell_the_task_is_meant_and_not_the_preset_of_its_name(run: Run) -> None:
    assert run("train", "sunspots", "--iterations", 0, "--cell", "rnn", "-o", "a.gflow")[0] == 0
    found = session.load("a.gflow").experiment
    assert [layer.cell for layer in found.model.layers] == ["rnn"]
    assert isinstance(found.task, SunspotsTask)


@pytest.mark.parametrize("typed", ["temporal-order", "temporal_order"])
def test_a_task_is_trained_by_its_name_with_a_seed_and_a_cell(run: Run, typed: str) -> None:
    status, out, _ = run("train", typed, "--iterations", 2, "--seed", 7, "--cell", "lstm", "-o", "a.gflow")
    assert status == 0
    assert "2 iterations are done." in out
    found = session.load("a.gflow")
    assert (found.title, found.experiment.seed) == ("Temporal order", 7)
    assert isinstance(found.experiment.task, TemporalOrderTask)
    assert found.experiment.layer.cell == "lstm"
    assert run("train", typed, "--iterations", 3, "--seed", 7, "--cell", "lstm", "-o", "a.gflow")[0] == 0
    assert session.load("a.gflow").iteration == 3, "the same command goes on"
    status, _, err = run("train", typed, "--iterations", 3, "--seed", 8, "--cell", "lstm", "-o", "a.gflow")
    assert status == 2, "of another seed it is another training"
    assert "another training in it" in err


def test_a_preset_takes_a_seed(run: Run) -> None:
    assert run("train", "learning-to-add", "--iterations", 1, "--seed", 4, "-o", "a.gflow")[0] == 0
    assert session.load("a.gflow").experiment.seed == 4


def test_a_table_is_forecast_with_what_is_usual_and_what_that_is_is_said(run: Run) -> None:
    prices()
    status, _, err = run("train", "prices.csv", "--iterations", 2, "-o", "a.gflow")
    assert status == 0
    # 120 rows, 84 of them to learn from: windows of 50 would leave fewer windows than steps.
    assert err.startswith(
        "Reading prices.csv.\n"
        "prices.csv: 2 columns in windows of 30 rows, 16 a batch; 'volume' is forecast one row ahead; 'day' is the "
        "time; windows go over 4 jumps in time. gradflow prices.csv shows it, and lets one choose.\n"
        "Preparing 'prices': GRU, sequences of 30 steps, 16 a batch, up to 2 iterations in all.\n"
    )
    task = session.load("a.gflow").experiment.task
    assert isinstance(task, SeriesTask)
    assert (task.columns, task.target, task.steps) == (("close", "volume"), "volume", 30)
    assert run("train", "prices.csv", "--target", "close", "--iterations", 2, "-o", "b.gflow")[0] == 0
    task = session.load("b.gflow").experiment.task
    assert isinstance(task, SeriesTask)
    assert task.target == "close"


def lengths_of_stretches(*rows: int) -> str:
    """Days with a gap of a month behind each stretch."""
    lines, day = ["day,close"], date(2020, 1, 1)
    for many in rows:
        for _ in range(many):
            lines.append(f"{day.isoformat()},{math.sin(len(lines)):.3f}")
            day += timedelta(days=1)
        day += timedelta(days=30)
    return "\n".join(lines)


@pytest.mark.parametrize(
    "content",
    [
        lengths_of_stretches(120),
        lengths_of_stretches(40, 40, 130),
        "words,says\n" + "good film,pos\nbad film,neg\n" * 20,
        "a,b,says\n" + "1,2,pos\n3,1,neg\n" * 20,
        "a,b,says\n" + "1,2.5,3.5\n3,1.5,0.5\n" * 60,
    ],
)
def test_a_table_becomes_what_the_data_dialog_makes_of_it_by_itself(
    run: Run, qtbot: QtBot, explorer: Explorer, content: str
) -> None:
    Path("a.csv").write_text(content, encoding="utf-8")
    _Start(explorer, None, Path("a.csv")).run()
    dialog = explorer.window.findChild(DataDialog)
    assert isinstance(dialog, DataDialog)
    qtbot.waitUntil(lambda: not explorer.reader.reading, timeout=60_000)
    status, _, err = run("train", "a.csv", "--iterations", 1, "-o", "a.gflow")
    assert (status, dialog.use.isEnabled()) == (0, True), err
    task = session.load("a.gflow").experiment.task
    form = {SeriesTask: dialog.series, SequencesTask: dialog.sequences}[type(task)]
    assert dialog.form is form
    assert task.batch_size == form.values["batch_size"] == 16
    if isinstance(task, SeriesTask):
        values = dialog.series.values
        assert (task.steps, task.target) == (values["steps"], values["target"])
        windows = f"Windows of {task.steps} rows, 16 a batch"
        assert windows in dialog.summary.text()
        assert task.columns == dialog.series.list.ticked()
    dialog.reject()


def weather(gap: bool = False, dated: bool = True) -> None:
    """Newest first, 300 days of numbers, and a word for each in the last column."""
    lines = ["day,warmth,pressure,sky"]
    for at in range(300):
        day = (date(2024, 12, 31) - timedelta(days=at)).isoformat() if dated else f"no{at % 7}"
        warmth = "" if gap and at == 100 else f"{10 + at / 100:.2f}"
        lines.append(f"{day},{warmth},{1000 + at / 10:.1f},{('sunny', 'cloudy')[at % 2]}")
    Path("weather.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("dated", [True, False])
def test_a_column_of_numbers_that_is_chosen_is_forecast_beside_a_last_column_of_words(run: Run, dated: bool) -> None:
    weather(dated=dated)
    status, _, err = run("train", "weather.csv", "--target", "warmth", "--iterations", 1, "-o", "a.gflow")
    assert status == 0, err
    task = session.load("a.gflow").experiment.task
    assert isinstance(task, SeriesTask)
    assert (task.target, task.columns) == ("warmth", ("warmth", "pressure"))
    status, _, err = run("train", "weather.csv", "--target", "sky", "--iterations", 1, "-o", "b.gflow")
    assert status == 0, err
    task = session.load("b.gflow").experiment.task
    assert isinstance(task, SequencesTask), "a column of words that is chosen is a class"
    assert task.classes == 2


def test_a_dated_table_is_a_series_by_itself_newest_first_and_with_words_behind(run: Run) -> None:
    weather()
    status, _, err = run("train", "weather.csv", "--iterations", 1, "-o", "a.gflow")
    assert status == 0, err
    task = session.load("a.gflow").experiment.task
    assert isinstance(task, SeriesTask)
    assert task.target == "pressure"


def test_a_gap_names_the_option_that_says_what_is_done_there(run: Run) -> None:
    weather(gap=True)
    status, _, err = run("train", "weather.csv", "--iterations", 1, "-o", "a.gflow")
    assert status == 2
    assert (
        "line 102, column 2 (warmth): a number is missing; choose what is done there (--missing interpolate: a " in err
    )
    kept = set()
    for word, said in (
        ("interpolate", "a straight line is drawn"),
        ("last", "the last value is taken"),
        ("leave-out", "the rows are left out"),
    ):
        assert f"--missing {word}:" in err, "every way is named"
        status, _, told = run("train", "weather.csv", "--missing", word, "--iterations", 1, "-o", f"{word}.gflow")
        assert status == 0, told
        assert f"where a number is missing {said}; 'pressure' is forecast" in told
        task = session.load(f"{word}.gflow").experiment.task
        assert isinstance(task, SeriesTask)
        data = store.get(task.data)
        assert isinstance(data, SeriesData)
        assert data.missing == word.replace("-", "_")
        kept.add(task.data)
    assert len(kept) == 3


def test_a_row_that_is_a_sequence_and_has_a_gap_is_said_to_be_one_with_what_to_do(run: Run) -> None:
    rows = "\n".join(f"{n},{n + 1},{n % 5},{('up', 'down')[n % 2]}" for n in range(60))
    Path("rows.csv").write_text(f"a,b,c,says\n1,,2,up\n{rows}", encoding="utf-8")
    status, _, err = run("train", "rows.csv", "--iterations", 1, "-o", "a.gflow")
    assert status == 2
    assert "line 2, column 2 (b): a number is missing before others of the row, which is read as one sequence" in err
    assert "leave this column out, or take the line out of the file" in err


@pytest.mark.parametrize("length", [2000, 130])
def test_a_text_begins_with_the_same_windows_as_in_the_data_dialog(
    run: Run, qtbot: QtBot, explorer: Explorer, length: int
) -> None:
    """Over whatever preset is open: its T and batch are of another task."""
    Path("a.txt").write_text(("the quick brown fox jumps over the lazy dog\n" * 50)[:length], encoding="utf-8")
    _Start(explorer, None, Path("a.txt")).run()
    dialog = explorer.window.findChild(DataDialog)
    assert isinstance(dialog, DataDialog)
    qtbot.waitUntil(lambda: not explorer.reader.reading, timeout=60_000)
    status, _, err = run("train", "a.txt", "--iterations", 1, "-o", "a.gflow")
    assert status == 0, err
    task = session.load("a.gflow").experiment.task
    assert isinstance(task, TextTask)
    values = dialog.text.values
    assert (task.steps, task.batch_size) == (values["steps"], values["batch_size"])
    # 130 characters: 19 in the validation part, so that 10 and the one behind them fit.
    assert (task.steps, task.batch_size) == ({2000: 50, 130: 10}[length], 16)
    said = f"in pieces of {task.steps}, 16 a batch"
    assert said in err
    assert f"Pieces of {task.steps} characters, 16 a batch" in dialog.summary.text()
    dialog.reject()


def test_a_text_and_a_table_of_answers_are_trained_on(run: Run) -> None:
    Path("a.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40, encoding="utf-8")
    assert run("train", "a.txt", "--iterations", 1, "-o", "text.gflow")[0] == 0
    assert isinstance(session.load("text.gflow").experiment.task, TextTask)
    words = ["good film,pos", "bad film,neg", "a good one,pos", "a bad one,neg"] * 10
    Path("a.csv").write_text("\n".join(("words,says", *words)), encoding="utf-8")
    status, _, err = run("train", "a.csv", "--iterations", 1, "-o", "class.gflow")
    assert (status, "a class for each" in err) == (0, True)
    assert isinstance(session.load("class.gflow").experiment.task, SequencesTask)


@pytest.mark.parametrize("name", ["a.md", "a.text", "a.dat", "a"])
def test_a_text_is_one_by_any_name(run: Run, name: str) -> None:
    Path(name).write_text("the quick brown fox jumps over the lazy dog\n" * 40, encoding="utf-8")
    assert run("train", name, "--iterations", 1, "-o", "text.gflow")[0] == 0
    assert isinstance(session.load("text.gflow").experiment.task, TextTask)
    assert resolve(name).is_data, "the window shows it"


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("sheet.xlsx", b"PK\x03\x04", "is an Excel workbook or another ZIP archive (by its first bytes); export the"),
        ("a.csv.gz", b"\x1f\x8b\x08", "is compressed with gzip (by its first bytes); unpack it first."),
    ],
)
def test_what_holds_no_data_is_said_with_the_way_out_alone(run: Run, name: str, head: bytes, said: str) -> None:
    Path(name).write_bytes(head + bytes(60))
    status, _, err = run("train", name, "--iterations", 1, "-o", "a.gflow")
    assert status == 2
    assert said in err
    assert "lets one choose" not in err, "there is nothing to be chosen"
    assert "damaged" not in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("train", "parity", "--iterations", "1"), "-o/--output is missing"),
        (("train", "parity", "-o", "a.gflow"), "--iterations is missing: how many in all"),
        (("train", "partiy", "--iterations", "1", "-o", "a.gflow"), "did you mean parity?"),
        (("train", "price.csv", "--iterations", "1", "-o", "a.gflow"), "did you mean prices.csv?"),
        (("train", "parity", "--iteratons", "1", "-o", "a.gflow"), "did you mean --iterations?"),
        (("train", "parity", "--iterations", "1", "--seed", "-1", "-o", "a.gflow"), "from 0 on is accepted"),
        (("train", "one-gate", "--iterations", "1", "--cell", "gru", "-o", "a.gflow"), "has layers of its own"),
        (
            ("train", "parity", "--iterations", "1", "--cell", "rrn", "-o", "a.gflow"),
            "'rrn'; rnn, lstm, gru are accepted",
        ),
        (("parity", "--cell", "lstm"), "it is an option of gradflow train"),
        (("train", "parity", "--iterations", "1", "--target", "x", "-o", "a.gflow"), "has a task of its own"),
        (("train", "parity", "--iterations", "1", "--missing", "last", "-o", "a.gflow"), "has a task of its own"),
        (
            ("train", "prices.csv", "--iterations", "1", "--missing", "guess", "-o", "a.gflow"),
            "--missing is 'guess'; interpolate, last, leave-out are accepted.",
        ),
        (("train", "prices.csv", "--iterations", "1", "--target", "x", "-o", "a.gflow"), "has no column 'x'"),
        (("check", "prices.csv"), "makes a session of it"),
        (("render", "prices.csv", "-o", "a.png"), "makes a session of it"),
        (("history", "prices.csv", "-o", "a.csv"), "no saved session"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_what_would_be_right(run: Run, argv: tuple[str, ...], said: str) -> None:
    prices()
    status, out, err = run(*argv)
    assert (status, out, err.removeprefix("Reading prices.csv.\n").count("\n")) == (2, "", 1)
    assert said in err
    assert not Path("a.gflow").exists()


def test_a_training_that_has_begun_keeps_its_seed(run: Run) -> None:
    assert run("train", "parity", "--iterations", "1", "-o", "a.gflow")[0] == 0
    status, _, err = run("train", "a.gflow", "--iterations", "2", "--seed", "1")
    assert status == 2
    assert "'Parity' has begun with a seed of its own" in err


def test_a_file_comes_before_a_task_of_its_name(run: Run, tmp_path: Path) -> None:
    made = of_task("parity")
    assert isinstance(made.experiment.task, ParityTask)
    session.save(session.Session(made.experiment, title="mine"), tmp_path / "parity")
    assert resolve("parity").session is not None


def test_where_the_file_cannot_be_written_at_the_end_what_is_done_is_kept_elsewhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that has become full meanwhile."""
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    write = session.save

    def full(found: session.Session, path: Path) -> str:
        if "spare" not in str(path):
            raise SessionError("'a.gflow' could not be written: the disk is full.")
        return write(found, path)

    monkeypatch.setattr(session, "save", full)
    status, _, err = run("train", "parity", "--iterations", 2, "-o", "a.gflow")
    [kept] = (tmp_path / "spare").glob("*/a.gflow")
    assert status == 2
    assert err.splitlines()[-1] == (
        f"gradflow: 'a.gflow' could not be written: the disk is full. What has been trained is in {kept} instead."
    )
    assert session.load(kept).iteration == 2


def test_data_on_the_command_line_are_shown_over_a_new_experiment(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    prices()
    _Start(explorer, None, Path("prices.csv")).run()
    found = explorer.window.findChild(DataDialog)
    assert isinstance(found, DataDialog)
    qtbot.waitUntil(lambda: found.use.isEnabled(), timeout=60_000)
    assert "prices.csv" in found.title.text()
    assert explorer.document.experiment is not None
    assert explorer.document.experiment.training == beginning.TRAINING
    found.reject()


def test_what_the_file_had_no_room_for_is_said_once_at_the_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a training that was changed oftener than a file has room for: it can go back to the last state alone."""
    status, out, _ = run("train", "parity", "--iterations", 2, "-o", "a.gflow")
    assert (status, "of the iterations before" in out) == (0, False), "here nothing is left out"
    fitting = session.fitting
    monkeypatch.setattr(session, "fitting", lambda whole: replace(fitting(whole), known_from=2))
    status, out, _ = run("train", "parity", "--iterations", 2, "-o", "b.gflow")
    assert status == 0
    assert (
        out.count("of the iterations before 2 only the records are kept, and one can no longer go back to them.") == 1
    )
    assert session.load("b.gflow").known_from == 2
