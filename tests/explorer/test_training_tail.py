"""What the collapsed bar says of a training is read from the end of it alone, however long it is."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from training_window import experiment, settle

from engine.rows import Kept, Rows
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.document.turns import Turn
from explorer.training.book import Book
from explorer.training.curves import Curves, last_losses
from explorer.training.words import TAIL, summary


def kept_of(losses: np.ndarray, chunk: int = 97, budget: int = 2**30) -> Kept:
    kept = Kept(budget)
    for first in range(0, len(losses), chunk):
        kept = kept.appended(Rows(first, {"losses": losses[first : first + chunk]}))
    return kept


@pytest.mark.parametrize("turned", [None, 5, 700, 1400, 1500, 1501, 1700, 1995])
@pytest.mark.parametrize("n", [1, 9, 300, TAIL, TAIL + 1, 2000])
def test_the_end_says_the_same_as_all_of_it(n: int, turned: int | None) -> None:
    """Losses around the baseline of 1, so that every iteration that is missed or too many may change the words."""
    losses = np.where(np.arange(n) % 700 < 350, 1.2, 0.8) + np.random.default_rng(0).normal(0, 0.3, n)
    turns = () if turned is None or turned >= n else (Turn(turned, "T 6 → 9", apart=True),)
    norms = np.ones(n)
    clipped = np.zeros(n, bool)
    whole = Curves(np.arange(n), losses, norms, norms, clipped, baseline=1.0, turns=turns, count=n)
    iterations, tail = last_losses(kept_of(losses), TAIL)
    short = Curves(iterations, tail, norms[-1:], norms[-1:], clipped[-1:], baseline=1.0, turns=turns, count=n)
    assert summary(short, shown=n) == summary(whole, shown=n)


def test_the_amount_that_is_read_does_not_grow_with_the_run() -> None:
    for n in (2_000, 200_000):
        losses = np.arange(float(n))
        iterations, found = last_losses(kept_of(losses, 1000), 500)
        assert len(found) == 500
        assert np.array_equal(found, losses[-500:])
        assert np.array_equal(iterations, np.arange(n - 500, n))
    assert [len(one) for one in last_losses(Kept(1), 500)] == [0, 0]


def test_of_a_thinned_past_every_loss_has_its_iteration() -> None:
    kept = kept_of(np.arange(1000.0), budget=8 * 300)
    assert kept.stride == 4
    iterations, found = last_losses(kept, 50)
    assert np.array_equal(iterations, found)
    assert np.array_equal(iterations, kept.iterations[-50:])


def test_while_the_drawer_is_closed_no_whole_column_is_put_together(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.show(Opening(State(tracks=("network",), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    read: list[str] = []
    column, iterations = Book.column, Book.iterations
    monkeypatch.setattr(Book, "column", lambda book, name: read.append(name) or column(book, name))
    monkeypatch.setattr(Book, "iterations", lambda book: read.append("iterations") or iterations(book))
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    assert "iteration 12" in explorer.window.drawer.summary.words.text()
    assert read == []
    explorer.window.drawer.show_tab("training")
    assert "losses" in read  # whole curves are drawn of them: what is counted here is what is read
