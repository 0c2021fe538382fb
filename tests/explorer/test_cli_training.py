"""`gradflow train` and `gradflow history`: what they write, that a pause changes no bit, and one sentence for
everything that is wrong."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from command_line import EXPERIMENT, Run, assert_same_training, runs_in

import engine
import engine.operations
from engine import presets, session
from engine.figures import figure
from engine.rows import Rows
from engine.run_away import of_log
from engine.session import Session
from engine.spec import AddingTask
from engine.training_requests import Judge
from explorer.cli.compute import compute
from explorer.cli.target import resolve


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return runs_in(tmp_path, monkeypatch, capsys)


def table(name: str) -> list[list[str]]:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# -- train ------------------------------------------------------------------------------------------------------------


def test_a_training_is_saved_with_its_records_and_what_was_judged(run: Run) -> None:
    status, out, err = run("train", "mine.toml", "--iterations", "10", "-o", "out.gflow")
    assert status == 0
    found = session.load("out.gflow")
    assert_same_training(found, 10)
    assert [evaluation.iteration for evaluation in found.evaluations] == [4, 8]
    assert (found.title, found.preset) == ("Mine", "")
    assert "10 iterations are done." in out
    for part in ("validation", "test"):
        line = next(line for line in out.splitlines() if line.startswith(part))
        assert "loss" in line
        assert "(baseline 0.167), RMSE" in line, "1/6: the variance of a sum of two uniform numbers"
    assert err.splitlines()[-1].startswith("iteration 10/10, loss")


def test_a_saved_training_goes_on_to_the_bit_with_its_records(run: Run) -> None:
    assert run("train", "mine.toml", "--iterations", "5", "-o", "out.gflow")[0] == 0
    assert run("train", "out.gflow", "--iterations", "12")[0] == 0, "in the same file"
    assert_same_training(session.load("out.gflow"), 12)
    assert run("train", "out.gflow", "--iterations", "13", "-o", "more.gflow")[0] == 0
    assert session.load("out.gflow").iteration == 12
    assert_same_training(session.load("more.gflow"), 13)


def test_the_same_command_again_goes_on_with_its_own_training(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "5", "-o", "out.gflow")
    status, out, err = run("train", "mine.toml", "--iterations", "12", "-o", "out.gflow")
    assert status == 0
    assert err.startswith("out.gflow holds 5 iterations of this training already; it goes on from there.\n")
    assert "12 iterations are done." in out
    assert_same_training(session.load("out.gflow"), 12)
    _, out, _ = run("train", "mine.toml", "--iterations", "7", "-o", "out.gflow")
    assert "12 iterations are done." in out
    assert "out.gflow is as it was; gradflow train out.gflow --iterations N goes on, up to N in all." in out
    assert_same_training(session.load("out.gflow"), 12)


def test_a_file_that_holds_something_else_is_never_written_over(run: Run) -> None:
    Path("other.toml").write_text(EXPERIMENT.replace("seed = 3", "seed = 4"), encoding="utf-8")
    run("train", "other.toml", "--iterations", "2", "-o", "other.gflow")
    run("train", "mine.toml", "--iterations", "3", "-o", "mine.gflow")
    Path("notes.gflow").write_text("notes", encoding="utf-8")
    there = {path: path.read_bytes() for path in Path().iterdir()}
    for target, output, words in (
        ("mine.toml", "other.gflow", "gradflow train other.gflow --iterations N goes on with that one"),
        ("mine.gflow", "other.gflow", "another name after -o keeps both"),
        ("mine.toml", "notes.gflow", "notes.gflow is there and is no saved session"),
    ):
        status, out, err = run("train", target, "--iterations", "9", "-o", output)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert {path: path.read_bytes() for path in Path().iterdir()} == there


def test_after_an_early_stop_the_command_that_is_named_goes_on(run: Run) -> None:
    stopping = EXPERIMENT.replace("0.05", "0.0") + "early_stop = { patience = 1 }\n"
    Path("mine.toml").write_text(stopping, encoding="utf-8")
    _, out, _ = run("train", "mine.toml", "-o", "out.gflow")
    assert "Stopped early" in out
    assert session.load("out.gflow").iteration == 8
    assert "gradflow train out.gflow --iterations N goes on" in out
    assert run("train", "out.gflow", "--iterations", "11")[0] == 0
    assert session.load("out.gflow").iteration == 11


def test_a_loss_that_runs_away_is_said_when_it_does_and_at_the_end(run: Run) -> None:
    """At that rate of adam each step is 1e6 long, whatever the gradient; nothing overflows."""
    Path("mine.toml").write_text(EXPERIMENT.replace("0.05", "1e6").replace("seed = 3", "seed = 1"), encoding="utf-8")
    status, out, err = run("train", "mine.toml", "--iterations", "30", "-o", "out.gflow")
    assert status == 0, "nothing has diverged"
    log = session.load("out.gflow").log
    last = of_log(log, 1 / 6)
    assert last is not None, "the rig itself runs away"
    noticed = [line for line in err.splitlines() if "the loss has run away" in line]
    assert len(noticed) == 1
    assert noticed[0].startswith("gradflow: At iteration ")
    assert noticed[0].endswith(" Training goes on; Ctrl+C pauses it.")
    assert [line for line in out.splitlines() if "run away" in line] == [last.sentence]
    assert "Saved in out.gflow; it can go on with a smaller learning rate or clipping: gradflow out.gflow" in out


def test_what_could_not_be_saved_is_not_trained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr("engine.operations.run", never)
    # Gates of an LSTM: 4 H (H + 1) + 8 H numbers, and H + 1 of the read-out; adam keeps two more of each and a count.
    large = EXPERIMENT.replace('"gru", hidden_size = 3', '"lstm", hidden_size = 4000')
    parameters = 4 * 4000 * (4000 + 2) + 8 * 4000 + 4001
    Path("mine.toml").write_text(large, encoding="utf-8")
    status, out, err = run("train", "mine.toml", "--iterations", "5", "-o", "out.gflow")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"its state takes {(3 * parameters + 1) * 4 / 2**20:,.1f} MiB with adam and a session has room for" in err
    assert f"fewer or smaller layers or sgd without momentum ({parameters * 4 / 2**20:,.1f} MiB) would do" in err
    assert not Path("out.gflow").exists()


def test_of_data_every_sequence_of_a_part_is_judged_once_and_how_many_is_said(run: Run) -> None:
    _, out, _ = run("train", "sunspots", "--iterations", "1", "-o", "out.gflow")
    found = session.load("out.gflow")
    for part in ("validation", "test"):
        whole = compute("judge", Judge(found.experiment, found.history[1], part, 10_000, shown=0))
        line = next(line for line in out.splitlines() if line.startswith(part))
        assert whole.sequences == whole.there
        assert line.endswith(f"RMSE {figure(whole.value)}, of all {whole.there:,} sequences")
    _, out, _ = run("train", "mine.toml", "--iterations", "1", "-o", "mine.gflow")
    assert out.splitlines()[-1].endswith(f", of {20 * 4} sequences"), "20 batches of a task without an end"


def test_a_training_that_diverges_ends_with_1_a_sentence_and_the_last_good_state(run: Run) -> None:
    text = EXPERIMENT.replace("0.05", "1e6").replace('{ kind = "adam" }', '{ kind = "sgd" }')
    Path("mine.toml").write_text(text.replace('"norm", max_norm = 0.5', '"none"'), encoding="utf-8")
    status, out, err = run("train", "mine.toml", "--iterations", "500", "-o", "out.gflow")
    assert status == 1
    sentence = err.splitlines()[-1]
    assert sentence.startswith("gradflow: Training stopped before iteration ")
    found = session.load("out.gflow")
    assert found.iteration > 1
    assert f"{found.iteration} iterations are done: 0 to {found.iteration - 1}." in out
    assert "goes on" not in out
    assert len(found.log) == found.iteration
    assert f"before iteration {found.iteration:,}" in sentence
    assert all(np.isfinite(array).all() for array in found.history[found.iteration].values())


def test_until_ends_at_the_first_evaluation_that_fulfils_it(run: Run) -> None:
    status, out, _ = run("train", "mine.toml", "--until", "rmse<1e9", "-o", "out.gflow")
    assert status == 0
    assert session.load("out.gflow").iteration == 4
    assert "RMSE<1e9 is reached" in out
    assert run("train", "out.gflow", "--iterations", "3")[0] == 0, "there is nothing to do"
    assert session.load("out.gflow").iteration == 4


@pytest.mark.parametrize(("until", "reached"), [("RMSE<100", True), ("RMSE<1e-9", False)])
def test_a_bound_that_no_evaluation_came_to_is_held_against_the_end(run: Run, until: str, reached: bool) -> None:
    status, out, _ = run("train", "mine.toml", "--iterations", "3", "--until", until, "-o", "out.gflow")
    assert status == 0
    words = "is reached" if reached else "is not reached"
    value = next(line for line in out.splitlines() if line.startswith("validation")).split("RMSE ")[1].split(",")[0]
    line = next(line for line in out.splitlines() if line.startswith("RMSE<"))
    of = "80 sequences of the validation part"  # 20 batches of 4
    assert f"{words}: the RMSE is {value} after 3 iterations, of {of}. It was looked at here alone" in line
    assert line.endswith("evaluations are made every 4 iterations.")
    assert session.load("out.gflow").evaluations == (), "what a pause and going on would not have is not kept"


def test_a_bound_that_was_looked_at_and_not_reached_is_said(run: Run) -> None:
    status, out, _ = run("train", "mine.toml", "--iterations", "4", "--until", "RMSE<1e-9", "-o", "out.gflow")
    value = session.load("out.gflow").evaluations[-1].value
    assert status == 0
    of = "16 sequences of the validation part"  # 4 batches of 4
    assert f"RMSE<1e-9 is not reached: the RMSE is {figure(value)} after 4 iterations, of {of}.\n" in out


def test_where_more_sequences_say_otherwise_than_the_evaluation_that_ended_it_that_is_said(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "4", "-o", "probe.gflow")
    few, found = session.load("probe.gflow").evaluations[-1], session.load("probe.gflow")
    many = compute("judge", Judge(found.experiment, found.history[4], "validation", 80, shown=0))
    assert (many.sequences, many.loss != few.loss) == (80, True)
    sign = "<" if few.loss < many.loss else ">"
    bound = f"loss{sign}{figure((few.loss + many.loss) / 2, 6)}"
    _, out, _ = run("train", "mine.toml", "--iterations", "9", "--until", bound, "-o", "out.gflow")
    lines = out.splitlines()
    at = next(line for line in lines if "is reached: the loss" in line)
    assert at.endswith(f"the loss is {figure(few.loss)} after 4 iterations, of 16 sequences of the validation part.")
    place = next(number for number, line in enumerate(lines) if line.startswith("validation"))
    assert lines[place].endswith("of 80 sequences")
    assert lines[place + 1].startswith("Of 80 sequences loss")
    assert "is not reached: --until looks at the evaluations on the way, which are of fewer" in lines[place + 1]
    _, out, _ = run("train", "out.gflow", "--until", bound)
    assert at in out, "of a training that had come so far before, it is the same sentence"
    _, out, _ = run("train", "mine.toml", "--iterations", "4", "--until", "loss<1e9", "-o", "more.gflow")
    assert "Of 80 sequences" not in out, "they agree"


def test_an_evaluation_of_an_earlier_iteration_is_shown_with_that(run: Run) -> None:
    _, _, err = run("train", "mine.toml", "--iterations", "10", "-o", "out.gflow")
    assert [e.iteration for e in session.load("out.gflow").evaluations] == [4, 8]
    last = next(line for line in reversed(err.splitlines()) if line.startswith("iteration 10/10"))
    newest = session.load("out.gflow").evaluations[-1]
    words = f"validation {figure(newest.loss)} at 8, RMSE {figure(newest.value)} at 8, "
    assert words in last
    eighth = [line for line in err.splitlines() if line.startswith("iteration 8/10")]
    assert all(" at 8" not in line for line in eighth), "that one is now"


def test_what_is_prepared_is_said_before_anything_is_computed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    compute_it = engine.operations.run

    def look(*args: Any) -> Any:
        said.append(capsys.readouterr().err)
        return compute_it(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.operations.run", look)
        run("train", "mine.toml", "--iterations", "2", "-o", "out.gflow")
    assert said[0] == "Preparing 'Mine': GRU, sequences of 6 steps, 4 a batch, up to 2 iterations in all.\n"
    assert "Preparing" not in "".join(said[1:])


def test_a_preset_is_trained_with_its_view_and_its_name(run: Run) -> None:
    assert run("train", "sunspots", "--iterations", "1", "-o", "out.gflow")[0] == 0
    found, preset = session.load("out.gflow"), presets.load("sunspots")
    assert (found.preset, found.title) == ("sunspots", preset.title)
    assert (found.view.tracks, found.experiment) == (preset.view.tracks, preset.experiment)


def test_on_a_terminal_there_is_a_bar_that_goes_away_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, _, err = run("train", "mine.toml", "--iterations", "8", "-o", "out.gflow")
    assert "[####################] iteration 8/8" in err
    assert err.endswith("\r\033[K")
    prepared, bar = err.split("\n")
    assert prepared.startswith("Preparing 'Mine'")
    assert "iteration 8/8" in bar


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_the_bar_keeps_to_one_line_and_leaves_whole_words_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, _, err = run("train", "mine.toml", "--iterations", "8", "-o", "out.gflow")
    lines = [line for line in err.partition("\n")[2].split("\r\033[K") if line]
    for line in lines:
        assert len(line) < max(columns, 44)
        assert "iteration" in line
    assert lines[-1].endswith("each") is (columns == 200)


# -- history ----------------------------------------------------------------------------------------------------------


def test_the_history_is_what_was_recorded_to_the_bit(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "10", "-o", "out.gflow")
    said = "Saved in history.csv: 10 rows, iterations 0 to 9.\n"
    said += "Saved in flow.csv: 10 rows, iterations 0 to 9, 6 steps each.\n"
    assert run("history", "out.gflow", "-o", "history.csv", "--flow", "flow.csv") == (0, said, "")
    found = session.load("out.gflow")
    with Path("history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for name, column in found.log.columns().items():
        assert [float(row[name]) for row in rows] == column.tolist(), name
    assert [row["iteration"] for row in rows if row["validation loss"]] == ["4", "8"]
    assert [float(row["validation RMSE"]) for row in rows if row["validation RMSE"]] == [
        evaluation.value for evaluation in found.evaluations
    ]
    assert {"gradient norm l0", "gradient norm readout", "clipped", "learning rate"} <= set(rows[0])
    with Path("flow.csv").open(encoding="utf-8", newline="") as file:
        header, *flow = list(csv.reader(file))
    assert header == ["iteration", "1", "2", "3", "4", "5", "6"]
    expected = np.column_stack([found.log.iterations, found.log.flow_table().flow.astype(np.float64)])
    assert np.array_equal(np.array(flow, np.float64), expected)


def test_an_evaluation_after_the_last_iteration_has_a_row_of_its_own(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "4", "-o", "out.gflow")
    _, out, _ = run("history", "out.gflow", "-o", "history.csv")
    assert out == "Saved in history.csv: 5 rows, iterations 0 to 4.\n"
    with Path("history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["iteration"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[-1]["loss"] == ""
    assert float(rows[-1]["validation loss"]) == session.load("out.gflow").evaluations[-1].loss


def test_of_a_training_too_long_for_its_flow_every_iteration_has_its_numbers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.history.FLOW_BYTES", 10 * (6 * 4 + 8))
    monkeypatch.setattr("engine.training_loop.MOST_IN_A_CHUNK", 3)
    run("train", "mine.toml", "--iterations", "17", "-o", "out.gflow")
    run("train", "out.gflow", "--iterations", "21")
    assert_same_training(session.load("out.gflow"), 21)
    status, out, _ = run("history", "out.gflow", "-o", "history.csv", "--flow", "flow.csv")
    assert status == 0
    assert out.splitlines()[0] == "Saved in history.csv: 21 rows, iterations 0 to 20."
    assert out.splitlines()[1] == "Saved in flow.csv: 6 rows, iterations 0 to 20, 6 steps each."
    assert out.splitlines()[2].startswith("flow.csv has one iteration in 4;")
    assert out.count("\n") == 3
    rows = [table(name) for name in ("history.csv", "flow.csv")]
    assert [row[0] for row in rows[0][1:]] == [str(i) for i in range(21)]
    assert all(row[1] for row in rows[0][1:])
    assert [row[0] for row in rows[1][1:]] == ["0", "4", "8", "12", "16", "20"]


def test_rows_of_shorter_sequences_end_with_nothing(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "2", "-o", "out.gflow")
    found = session.load("out.gflow")
    longer = msgspec.structs.replace(found.experiment, task=AddingTask(steps=8, batch_size=4))
    session.save(replace(found, experiment=longer), "out.gflow")
    assert run("train", "out.gflow", "--iterations", "4")[0] == 0
    run("history", "out.gflow", "-o", "history.csv", "--flow", "flow.csv")
    header, *rows = table("flow.csv")
    assert header == ["iteration", *map(str, range(1, 9))]
    assert [(row[0], row[7:] == ["", ""]) for row in rows] == [("0", True), ("1", True), ("2", False), ("3", False)]


def test_numbers_that_are_not_finite_are_written_as_such(run: Run) -> None:
    run("train", "mine.toml", "--iterations", "2", "-o", "out.gflow")
    found = session.load("out.gflow")
    flow = np.array([[-np.inf, np.inf, np.nan, 0, 1, 2]] * 2, np.float32)
    rows = Rows(0, {"flow": flow, "flow_bad": np.array([True, False])})
    log = replace(found.log, flow=replace(found.log.flow, chunks=(rows,)))
    session.save(replace(found, log=log), "out.gflow")
    run("history", "out.gflow", "-o", "history.csv", "--flow", "flow.csv")
    lines = Path("flow.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["0,-inf,inf,nan,0.0,1.0,2.0", "1,-inf,inf,,0.0,1.0,2.0"], "steps without a sample are empty"


# -- an experiment in a TOML file -------------------------------------------------------------------------------------


def test_every_command_takes_an_experiment_in_a_toml_file(run: Run) -> None:
    target = resolve("mine.toml")
    assert (target.title, target.steps) == ("Mine", 6)
    assert run("check", "mine.toml")[0] == 0
    assert run("trace", "mine.toml", "-o", "x.npz") == (0, "", "")
    Path("Name of its own.toml").write_text(EXPERIMENT.replace('title = "Mine"', ""), encoding="utf-8")
    assert resolve("Name of its own.toml").title == "Name of its own"


# -- what is wrong ----------------------------------------------------------------------------------------------------

WRONG: list[tuple[list[str], str]] = [
    (["train"], "TARGET"),
    (["train", "sunspots", "--iterations", "5"], "-o/--output is missing"),
    (["train", "mine.toml", "--iterations", "5"], "-o/--output is missing"),
    (["train", "sunspots", "--iterations", "5", "-o", "x.npz"], ".gflow"),
    (["train", "sunspots", "--iterations", "5", "-o", "nowhere/x.gflow"], "folder is not there"),
    (["train", "sunspots", "-o", "x.gflow"], "iterations is missing"),
    (["train", "sunspots", "--iterations", "many", "-o", "x.gflow"], "'many' is not understood"),
    (["train", "sunspots", "--iterations", "-1", "-o", "x.gflow"], "not understood"),
    (["train", "sunspots", "--iterations", "2000000", "-o", "x.gflow"], "0 to 1,000,000"),
    (["train", "sunspots", "--until", "accuracy>0.9", "-o", "x.gflow"], "'loss' or 'RMSE'"),
    (["train", "sunspots", "--until", "loss", "-o", "x.gflow"], "as 'loss<0.02'"),
    (["train", "sunspots", "--until", "loss<nan", "-o", "x.gflow"], "as 'loss<0.02'"),
    (["train", "sunspots", "--until", "rmse<-1", "-o", "x.gflow"], "above 0"),
    (["train", "sunspots", "--iterations", "5", "-o", "recorded.gflow"], "no saved session"),
    (["train", "recorded.gflow", "--iterations", "5", "-o", "x.gflow"], "cannot be trained"),
    (["train", "broken.toml", "--iterations", "5", "-o", "x.gflow"], "broken.toml"),
    (["train", "odd.toml", "--iterations", "5", "-o", "x.gflow"], "odd.toml: "),
    (["train", "nowhere.toml", "--iterations", "5", "-o", "x.gflow"], "no file 'nowhere.toml'"),
    (["history", "untrained.gflow", "-o", "x.csv"], "no records of a training"),
    (["history", "recorded.gflow", "-o", "x.csv"], "no saved session"),
    (["history", "sunspots", "-o", "x.csv"], "no saved session"),
    (["history", "untrained.gflow"], "-o/--output"),
    (["history", "untrained.gflow", "-o", "x.txt"], ".csv"),
    (["history", "untrained.gflow", "-o", "x.csv", "--flow", "./x.csv"], "another file is needed"),
]


@pytest.mark.parametrize(("argv", "words"), WRONG, ids=[" ".join(argv) for argv, _ in WRONG])
def test_what_is_wrong_is_said_in_one_sentence_before_anything_is_trained(
    run: Run, monkeypatch: pytest.MonkeyPatch, argv: list[str], words: str
) -> None:
    torch.manual_seed(0)
    engine.trace(torch.nn.GRU(2, 3), torch.randn(4, 1, 2), loss=lambda y: y[-1].sum()).save("recorded.gflow")
    session.save(Session(presets.load("sunspots").experiment), "untrained.gflow")
    Path("broken.toml").write_text("[experiment\n", encoding="utf-8")
    Path("odd.toml").write_text(EXPERIMENT.replace("steps = 6", "steps = 0"), encoding="utf-8")
    there = sorted(Path().iterdir())

    def never(*_args: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr("engine.operations.run", never)
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("gradflow: ")
    assert words in err
    assert sorted(Path().iterdir()) == there, "nothing was written"
