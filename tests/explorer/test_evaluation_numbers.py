"""What the evaluation tab says is what the numbers are: worked out by hand, from a network whose answers are known."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from judgements import CLASSES, SERIES, experiment, judged, peaked, steps

from engine import tasks
from engine.network import Network
from engine.operations import run
from engine.reber import SYMBOLS
from engine.requests import Computed
from engine.spec import Experiment, ReberTask
from engine.training_requests import Judge
from explorer.evaluation import words
from explorer.evaluation.answers import answers_of, top, wrong
from explorer.evaluation.chances import chances_of
from explorer.evaluation.evaluator import Extent, judge_of
from explorer.evaluation.flow import broken
from explorer.evaluation.scale import span_of
from explorer.evaluation.tables import CONFUSION, SEQUENCE, SEQUENCES, tables_of
from explorer.widgets.labels import lettered, spoken, written

CHANCES = np.array([0.05, 0.3, 0.25, 0.15, 0.1, 0.08, 0.07])
"""Of the seven symbols of the grammar: T is the likeliest."""


def of_constant_answers(given: Experiment) -> dict[str, np.ndarray]:
    """Weights with which a network says CHANCES whatever it reads: its read-out has no weights, and biases log p."""
    drawn = {name: p.detach().numpy().copy() for name, p in Network(given).weights.items()}
    drawn["readout.weight"][:] = 0
    drawn["readout.bias"][:] = np.log(CHANCES)
    return drawn


def test_a_network_that_always_says_the_same_is_judged_as_by_hand() -> None:
    given = experiment(ReberTask(steps=16, batch_size=3))
    asked = judge_of(Computed(given, of_constant_answers(given)), Extent())
    found = run("judge", asked)
    answers = answers_of(found, 7, given)
    targets: list[int] = []
    counted: list[int] = []
    for number in range(4):
        batch = tasks.batch(given.task, given.model, given.seed, number, part="validation")
        for n, length in enumerate(batch.lengths.tolist()):
            targets += batch.targets[:length, n].tolist()
            counted.append(int(batch.targets[length - 2, n]))  # the one that the second symbol decides
    assert found.value == pytest.approx(np.mean([one == 1 for one in counted]), abs=1e-12)
    assert found.loss == pytest.approx(-np.mean(np.log(CHANCES[targets])), rel=1e-5)
    assert words.metric_value(found) == words.percent(counted.count(1) / len(counted))
    assert answers.counted == "last but one"
    assert (answers.kind, answers.every, answers.count) == ("symbols", True, 12)
    for n in range(answers.count):
        truth = answers.truth(n)
        assert len(truth) == answers.length(n) == len(answers.read(n))
        np.testing.assert_allclose(answers.probabilities(n), np.tile(CHANCES, (len(truth), 1)), rtol=1e-5)
        assert wrong(truth, answers.answer(n)).tolist() == [one != 1 for one in truth]
        assert truth[:-1].tolist() == answers.read(n)[1:].tolist()  # what is due is what is read next
    table = tables_of(answers, 0)[SEQUENCE]
    assert table.columns == ("t", "read", "truth", "answer", "probability of the truth", "probability of the answer")
    first = int(answers.truth(0)[0])
    assert [table.cell(0, c) for c in range(4)] == ["1", "B", SYMBOLS[first], "T"]
    assert float(table.cell(0, 4)) == pytest.approx(CHANCES[first], rel=1e-5)
    assert float(table.cell(0, 5)) == pytest.approx(0.3, rel=1e-5)
    counts = tables_of(answers, 0)[CONFUSION]
    assert [counts.cell(k, 0) for k in range(7)] == list(SYMBOLS)
    assert [int(counts.cell(k, 2)) for k in range(7)] == [counted.count(k) for k in range(7)]


def test_the_five_likeliest_are_told_with_the_truth_among_them() -> None:
    assert [k for k, _ in top(CHANCES)] == [1, 2, 3, 4, 5]
    told = chances_of(tuple(SYMBOLS), CHANCES, 0.0)
    assert [(one.label, one.share, one.is_truth) for one in told] == [
        ("T", 0.3, False),
        ("P", 0.25, False),
        ("S", 0.15, False),
        ("X", 0.1, False),
        ("V", 0.08, False),
        ("B", 0.05, True),
    ]
    said = words.at_class(steps([0, 1], [CHANCES, CHANCES], tuple(SYMBOLS)), 0, 0)
    assert said == (
        "t = 1: ‘B’ was due, its probability 5.0 %: wrong. Likeliest: ‘T’ 30.0 %, ‘P’ 25.0 %, ‘S’ 15.0 %, ‘X’ 10.0 %, "
        "‘V’ 8.0 %."
    )


@pytest.mark.parametrize(
    ("loss", "baseline", "said"),
    [
        (0.5, 2.0, "Its loss is 25.0 % of the baseline."),
        (3.0, 2.0, "Worse than having learned nothing: 1.50 times that loss."),
        (1.99, 2.0, "No better than having learned nothing."),
        (0.5, None, "Nobody knows what answers would lose here that have learned nothing."),
        (0.5, 0.0, "Answers that have learned nothing lose nothing here."),
        (math.nan, 2.0, "The loss is not a finite number: the network’s answers have run away."),
        (math.inf, None, "The loss is not a finite number: the network’s answers have run away."),
    ],
)
def test_the_loss_is_set_against_the_baseline_in_words(loss: float, baseline: float | None, said: str) -> None:
    assert words.against_baseline(judged("tag", loss=loss, baseline=baseline)) == said


def test_where_not_all_is_judged_it_says_how_much() -> None:
    assert words.how_much(judged("value")) == ""
    assert words.how_much(judged("value", sequences=46, there=46)) == ""
    said = "Evaluated on 64 of 1,780 sequences, evenly over the part."
    assert words.how_much(judged("value", sequences=64, there=1780)) == said


def test_only_nothing_and_all_are_written_as_such() -> None:
    shares = (0.0, 1e-5, 0.125, 0.9999, 1.0, math.nan)
    assert [words.percent(one) for one in shares] == ["0 %", "< 0.1 %", "12.5 %", "> 99.9 %", "100 %", "NaN"]


def test_a_series_has_its_steps_its_errors_and_what_it_says_running_free() -> None:
    truth, said = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 2.5, 3.0]])
    found = judged(
        "value",
        inputs=np.array([[[0.5], [1.0], [2.0]]]),
        targets=truth,
        predictions=said,
        lengths=np.array([3]),
        errors=(said - truth) ** 2,
        free=np.array([[3.0, 2.0]]),
        metric="rmse",
    )
    answers = answers_of(found, 0, SERIES)
    table = tables_of(answers, 0)[SEQUENCE]
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert rows == [
        ["t", "target", "prediction", "squared error", "running free"],
        ["2", "1", "1", "0", ""],
        ["3", "2", "2.5", "0.25", ""],
        ["4", "4", "3", "1", "3"],  # the first step that it says by itself is the one after what it was given
        ["5", "", "", "", "2"],
    ]
    assert words.at_number(answers, 0, 1) == "t = 3: target 2, prediction 2.5, squared error 0.25."
    assert words.at_number(answers, 0, 4) == "t = 5: 2, running free on its own answers."
    known = answers_of(replace(found, came=np.array([[4.0, np.nan]])), 0, SERIES)
    assert words.at_number(known, 0, 3) == "t = 4: target 4, running free on its own answers 3."
    assert words.at_number(known, 0, 4) == "t = 5: 2, running free on its own answers."
    assert list(csv.reader(io.StringIO(tables_of(known, 0)[SEQUENCE].csv()))) == rows, "what is not known is empty"
    known = answers_of(replace(found, came=np.array([[4.0, 5.5]])), 0, SERIES)
    assert list(csv.reader(io.StringIO(tables_of(known, 0)[SEQUENCE].csv())))[4] == ["5", "5.5", "", "", "2"]


def test_one_class_a_sequence_has_a_line_for_each() -> None:
    chances = np.array([[[0.7, 0.1, 0.1, 0.1]], [[0.2, 0.2, 0.5, 0.1]]])
    found = judged(
        "class",
        inputs=np.zeros((2, 5)),
        targets=np.array([[0.0], [3.0]]),
        predictions=np.array([[0.0], [2.0]]),
        probabilities=chances,
        lengths=np.array([5, 5]),
        labels=("AA", "AB", "BA", "BB"),
        confusion=np.diag([3, 0, 0, 1]) + np.eye(4, k=1, dtype=np.int64),
    )
    tables = tables_of(answers_of(found, 0, CLASSES), 0)
    assert list(csv.reader(io.StringIO(tables[SEQUENCES].csv())))[1:] == [
        ["1", "AA", "AA", "0.7", "0.7"],
        ["2", "BB", "BA", "0.1", "0.5"],
    ]
    assert list(csv.reader(io.StringIO(tables[CONFUSION].csv())))[:2] == [
        ["truth \\ answer", "AA", "AB", "BA", "BB"],
        ["AA", "3", "1", "0", "0"],
    ]


def test_symbols_that_cannot_be_seen_are_written_and_spoken_by_a_sign_or_a_name() -> None:
    seen = {" ": "␣", "\n": "↵", "\t": "⇥", "\x1b": "ESC", "\x7f": "DEL", "\u200b": "U+200B", "\u00a0": "U+00A0"}
    assert {one: written(one) for one in seen} == seen
    assert [written(one) for one in ("e", "中", "\u0301", "", "\n\n")] == ["e", "中", "◌\u0301", "∅", "↵"]
    assert len(written("w" * 500)) == 24
    assert all(written(chr(one)).strip() for one in range(0x3000))
    assert [spoken(one) for one in (" ", "\n\n", "e", "…")] == ["space", "line break", "‘e’", "any other symbol"]
    assert spoken("\u00a0") == "‘U+00A0’"


def test_letters_of_tags_tell_them_apart() -> None:
    assert lettered(("no", "yes")) == ("no", "yes")
    assert lettered(("PERSON", "PLACE", "other")) == ("PE", "PL", "o" + "t")
    fifty = tuple(f"category number {k}" for k in range(50))
    assert len(set(lettered(fifty))) == 50


def test_cells_are_broken_into_lines_that_fit() -> None:
    lines = broken(np.array([10.0, 10.0, 10.0, 50.0, 10.0]), 32.0, gap=1.0)
    assert [list(lines.cells(k)) for k in range(lines.count)] == [[0, 1, 2], [3], [4]]
    assert lines.left.tolist() == [0.0, 11.0, 22.0, 0.0, 0.0]
    assert (lines.at(0, 21.5), lines.at(0, 22.0), lines.at(0, 40.0), lines.at(9, 1.0)) == (None, 2, None, None)
    forced = broken(np.full(5, 10.0), 1000.0, np.array([False, True, False, False, True]))
    assert [list(forced.cells(k)) for k in range(forced.count)] == [[0, 1], [2, 3, 4]]
    assert broken(np.zeros(0), 100.0).count == 0


def test_answers_that_run_away_do_not_press_the_targets_together() -> None:
    span = span_of(np.array([0.0, 1.0]), np.array([0.5, 1e9, np.nan, np.inf]))
    assert span.low < 0 < 1 < span.high < 2.5
    assert [text for _, text in span.ticks(4)] == ["0", "1", "2"]
    flat = span_of(np.array([3.0, 3.0]), np.array([3.0]))
    assert flat.low < 3 < flat.high


def test_what_comes_along_has_room_in_memory_and_runs_free_only_where_it_can() -> None:
    asked = judge_of(Computed(experiment(ReberTask(steps=16))), Extent("test", 32))
    assert (asked.part, asked.sequences, asked.shown, asked.free_running) == ("test", 32, 16, 17)
    assert judge_of(Computed(CLASSES), Extent()).free_running == 0
    long = judge_of(Computed(experiment(ReberTask(steps=100_000))), Extent())
    assert long.shown * 100_000 * 7 <= 2**22
    assert isinstance(asked, Judge)


def test_peaked_is_what_the_other_tests_take_it_for() -> None:
    chances = peaked([1, 0], 3, 0.8)
    np.testing.assert_allclose(chances, [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
