"""The embedded Reber grammar: every string is one of the language, drawn with the probability that it should have."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
import torch
from torch.nn import functional

from engine import reber, tasks
from engine.spec import EmbeddingSpec, ModelSpec, ReadoutSpec, ReberTask
from engine.tasks import Batch, baseline

# The language, written as an expression and not as a table: what may follow where T is repeated, and a word of it.
LOWER = "T*V(?:PXT*V)*(?:V|PS)"
WORD = f"B(?:TS*X(?:S|X{LOWER})|P{LOWER})E"
STRING = re.compile(f"B([TP]){WORD}\\1E")
MODEL = ModelSpec(layers=(), embedding=EmbeddingSpec(symbols=7), readout=ReadoutSpec(at="every"), loss="cross_entropy")
MANY = 4096


def drawn(task: ReberTask, iteration: int = 0) -> Batch:
    return tasks.batch(task, MODEL, 0, iteration)


def strings(batch: Batch) -> list[str]:
    assert batch.lengths is not None
    found = []
    for b, length in enumerate(batch.lengths.tolist()):
        inputs, targets = batch.x[:length, b].tolist(), batch.targets[:length, b].tolist()
        assert inputs[1:] == targets[:-1]
        found.append("".join("BTPSXVE"[symbol] for symbol in [*inputs, targets[-1]]))
    return found


@pytest.mark.parametrize(
    ("word", "accepted"),
    [
        # From the figures of the papers, and strings that they give as wrong.
        ("BTXSE", True),
        ("BPVVE", True),
        ("BTSSXSE", True),
        ("BTSSXXTVVE", True),
        ("BTXXVPSE", True),
        ("BPTVPXTTVVE", True),
        ("BTSSPXSE", False),
        ("BPTVVB", False),
        ("BTXXVVSE", False),
        ("BTSE", False),
    ],
)
def test_the_expression_of_these_tests_is_the_grammar_of_the_papers(word: str, accepted: bool) -> None:
    assert bool(re.fullmatch(WORD, word)) == accepted


@pytest.mark.parametrize("steps", [8, 9, 12, 24, 60])
def test_every_string_is_of_the_language_and_no_longer_than_asked_for(steps: int) -> None:
    batch = drawn(ReberTask(steps=steps, batch_size=1000))
    for string in strings(batch):
        assert STRING.fullmatch(string), string
        assert 9 <= len(string) <= steps + 1
    assert batch.lengths is not None
    assert int(batch.lengths.max()) == steps or steps > 24, "the longest that are asked for are drawn too"
    assert batch.x.shape == batch.targets.shape == (steps, 1000)


def test_past_the_end_there_is_nothing() -> None:
    batch = drawn(ReberTask(steps=24, batch_size=200))
    assert batch.lengths is not None
    for b, length in enumerate(batch.lengths.tolist()):
        assert not bool(batch.x[length:, b].any())
        assert not bool(batch.targets[length:, b].any())


def test_what_is_judged_is_the_last_symbol_but_one_which_the_second_tells() -> None:
    batch = drawn(ReberTask(batch_size=200))
    assert batch.judged is not None
    for b, string in enumerate(strings(batch)):
        assert batch.judged[:, b].nonzero().flatten().tolist() == [len(string) - 3]
        assert "BTPSXVE"[batch.targets[len(string) - 3, b]] == string[-2] == string[1]


def ways(longest: int) -> dict[str, float]:
    """The probability of every string of up to so many symbols, by writing all of them out: a choice halves it."""
    leads = {"0T": 1, "0P": 2, "1S": 1, "1X": 3, "2T": 2, "2V": 4, "3X": 2, "3S": 5, "4P": 3, "4V": 5}
    found, open_ = {}, {("", 0): 1.0}
    while open_:
        longer = {}
        for (word, state), share in open_.items():
            if state == 5:
                for around in "TP":
                    found[f"B{around}B{word}E{around}E"] = share / 2
                continue
            for key, to in leads.items():
                if key[0] == str(state) and len(word) < longest - 6:
                    longer[word + key[1], to] = share / 2
        open_ = longer
    total = sum(found.values())
    return {string: share / total for string, share in found.items()}


def test_strings_come_as_often_as_fair_choices_give_them() -> None:
    expected = ways(12)
    assert all(STRING.fullmatch(string) for string in expected)
    found = Counter(strings(drawn(ReberTask(steps=11, batch_size=MANY))))
    assert found.keys() == expected.keys()
    for string, share in expected.items():
        assert found[string] / MANY == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) / MANY)), string


@pytest.mark.parametrize("longest", [9, 10, 14, 17])
def test_the_baseline_is_the_entropy_of_each_steps_symbols(longest: int) -> None:
    expected = ways(longest)
    at = [Counter[str]() for _ in range(longest)]
    for string, share in expected.items():
        for place, symbol in enumerate(string[1:]):
            at[place][symbol] += share
    cost = sum(share * math.log(sum(one.values()) / share) for one in at for share in one.values())
    answers = sum(share * (len(string) - 1) for string, share in expected.items())
    assert baseline(ReberTask(steps=longest - 1), MODEL) == pytest.approx(cost / answers, rel=1e-12)


def test_the_shortest_strings_cost_five_coins() -> None:
    """B T B T X S E T E and its like: what stands second, the three symbols of the word and the last but one are each
    one of two."""
    assert baseline(ReberTask(steps=8), MODEL) == pytest.approx(5 * math.log(2) / 8, rel=1e-12)


def test_the_baseline_is_what_the_best_answers_cost_that_do_not_read() -> None:
    task = ReberTask(batch_size=MANY)
    batch = drawn(task)
    assert batch.lengths is not None
    real = torch.arange(task.steps)[:, None] < batch.lengths
    counts = (functional.one_hot(batch.targets, 7) * real[..., None]).sum(1).double()
    shares = counts / counts.sum(1, keepdim=True)
    cost = -float(torch.special.xlogy(counts, shares).sum() / real.sum())
    assert cost == pytest.approx(baseline(task, MODEL), abs=0.01)


def test_longer_strings_than_there_are_change_no_baseline() -> None:
    assert reber.cost_by_step(100_001) == reber.cost_by_step(10_000)
    assert reber.cost_by_step(401) == pytest.approx(reber.cost_by_step(201), rel=1e-12)


@pytest.mark.parametrize(
    ("word", "wrong", "belongs"),
    [
        ("", None, False),
        ("BTBTXSETE", None, True),
        ("BPBPVVEPE", None, True),
        ("BTBTXSEPE", 7, False),  # the other one around it
        ("BTBTXSET", None, False),  # not at its end
        ("BTBTXSETEB", 9, False),  # nothing comes after it
        ("BTBTVSETE", 4, False),
        ("EBTBTXSETE", 0, False),
        ("BB", 1, False),
        ("BTT", 2, False),
        ("BTBE", 3, False),
        ("BTBTXEETE", 5, False),
    ],
)
def test_a_string_is_checked_symbol_by_symbol(word: str, wrong: int | None, belongs: bool) -> None:
    assert reber.first_wrong(word) == wrong
    assert reber.belongs(word) == belongs == bool(STRING.fullmatch(word))


def test_what_may_follow_is_what_follows_in_the_language() -> None:
    """Of every string of up to 16 symbols, all beginnings: the symbols that some string goes on with. Longer strings
    add nothing to those of up to 12 symbols."""
    follows: dict[str, set[str]] = {}
    for string in ways(16):
        for place in range(len(string)):
            follows.setdefault(string[:place], set()).add(string[place])
    for string in ways(12):
        may = reber.following(string)
        assert [set(one) for one in may[:-1]] == [follows[string[:place]] for place in range(len(string))]
        assert may[-1] == ""


def test_any_row_of_symbols_is_of_the_language_where_the_expression_has_it() -> None:
    source = torch.Generator().manual_seed(0)
    for string in list(ways(12))[:200]:
        place, symbol = (int(torch.randint(high, (1,), generator=source)) for high in (len(string), 7))
        other = string[:place] + "BTPSXVE"[symbol] + string[place + 1 :]
        assert reber.belongs(other) == bool(STRING.fullmatch(other)), other
