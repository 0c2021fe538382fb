"""A loss that runs away and stays finite is said, with ways back to where it was well; training is not stopped."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from training_window import act, experiment, settle

from engine.run_away import LATELY, TIMES
from engine.spec import ClipSpec, OptimizerSpec
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.training.ways_out import ways_back

WELL = 12
"""Iterations at a rate that is well, before one that is not."""


def adam(rate: float, **training: object) -> object:
    return experiment(optimizer=OptimizerSpec(kind="adam"), learning_rate=rate, evaluate_every=100, **training)


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    """Run away while it trains: Adam's steps are as long as the rate, whatever the gradient; nothing overflows."""
    explorer.show(Opening(State(tracks=("norms",), experiment=adam(0.02)), View(), title="training"))
    settle(qtbot, explorer)
    explorer.runner.start(goal=WELL)
    settle(qtbot, explorer)
    explorer.document.edit_experiment(adam(1e6))
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: bool(explorer.window.stage.banner.text()), timeout=60_000)
    return explorer


def press(qtbot: QtBot, explorer: Explorer, start: str) -> None:
    button = next(b for b in explorer.window.stage.banner.buttons if b.text().startswith(start))
    button.click()


def test_it_is_said_with_the_last_good_iteration_and_training_goes_on(qtbot: QtBot, explorer: Explorer) -> None:
    said = explorer.window.stage.banner.text()
    assert explorer.runner.running, "a notice, no stop"
    losses = explorer.book.column("losses")
    begun = max(losses[0], explorer.book.baseline)
    good = max(k for k in range(WELL + 1) if losses[k] <= begun)
    assert (losses[WELL + 1 : WELL + 1 + LATELY] > TIMES * begun).all(), "the rig itself runs away"
    assert said.startswith("At iteration ")
    assert " the loss has run away: the median of 10 losses is " in said
    assert f"iteration {good} was the last not above that." in said
    words = [button.text() for button in explorer.window.stage.banner.buttons]
    assert words == [f"Show iteration {good}", f"From {good} with rate 0.02", f"From {good} with clipping at norm 1"]
    act(explorer, "train")
    settle(qtbot, explorer)
    assert explorer.window.stage.banner.text() == said, "a pause leaves it there"
    act(explorer, "train")
    assert explorer.window.stage.banner.text() == ""
    qtbot.waitUntil(lambda: explorer.book.next > len(losses) + 2 * LATELY, timeout=60_000)
    assert explorer.window.stage.banner.text() == "", "who trains on has seen it"
    act(explorer, "train")
    settle(qtbot, explorer)


def test_back_to_the_last_good_iteration(qtbot: QtBot, explorer: Explorer) -> None:
    good = int(explorer.window.stage.banner.buttons[0].text().split()[-1])
    count = explorer.book.next
    press(qtbot, explorer, "Show iteration")
    settle(qtbot, explorer)
    assert not explorer.runner.running
    assert explorer.document.view.iteration == good
    assert explorer.book.next >= count > good, "nothing is lost"
    assert explorer.window.stage.banner.text() == ""


def test_on_from_there_at_the_rate_that_was_well(qtbot: QtBot, explorer: Explorer) -> None:
    good = int(explorer.window.stage.banner.buttons[0].text().split()[-1])
    before = explorer.book.column("losses")[: good + 1]
    press(qtbot, explorer, f"From {good} with rate")
    qtbot.waitUntil(lambda: explorer.runner.running and explorer.book.next > good + 2 * LATELY, timeout=60_000)
    act(explorer, "train")
    settle(qtbot, explorer)
    assert explorer.document.experiment.training.learning_rate == 0.02
    losses = explorer.book.column("losses")
    assert (losses[: good + 1] == before).all(), "what was well is as it was"
    assert losses.max() < TIMES * max(losses[0], explorer.book.baseline)
    assert explorer.window.stage.banner.text() == ""


def test_undo_of_what_has_run_away_takes_its_notice_along(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    settle(qtbot, explorer)
    assert explorer.window.stage.banner.text()
    for _ in range(3):
        if explorer.book.next > WELL:
            act(explorer, "undo")
            settle(qtbot, explorer)
    assert explorer.book.next <= WELL
    assert explorer.window.stage.banner.text() == ""


@pytest.mark.parametrize(
    ("rate", "led", "clip", "offered"),
    [
        (1e6, 0.01, "none", ["Show iteration 66", "From 66 with rate 0.01", "From 66 with clipping at norm 1"]),
        (0.5, 0.5, "norm", ["Show iteration 66", "From 66 with rate 0.05"]),
        (0.1, 0.5, "norm", ["Show iteration 66", "From 66 with rate 0.01"]),
    ],
)
def test_a_way_back_lowers_the_rate(rate: float, led: float, clip: str, offered: list[str]) -> None:
    now, before = (experiment(learning_rate=one, clip=ClipSpec(kind=clip)) for one in (rate, led))
    ways = ways_back(now, before, 66)
    assert [way.words for way in ways] == offered
    assert all(way.experiment.training.learning_rate <= rate for way in ways)
