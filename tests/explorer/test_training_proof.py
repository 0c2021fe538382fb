"""An iteration that comes back otherwise than it was recorded says so, whatever was the reason; and where nothing is
wrong, nothing is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot
from training_window import experiment, settle

from engine import container, session
from engine.history import Log
from engine.measure import TOLERANCE
from engine.recipes import Origin
from engine.rows import Kept, Rows
from engine.spec import NO_WHAT_IF, AddingTask, TrainingSpec, WhatIf
from explorer.app import Explorer
from explorer.document import opening, proof
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.stage.notices import Notice


@pytest.fixture
def trained(qtbot: QtBot, explorer: Explorer) -> Explorer:
    """Twelve iterations, of which the first and the last are kept."""
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    keep(explorer, 0, 12)
    return explorer


def keep(explorer: Explorer, *iterations: int) -> None:
    state = explorer.document.state
    history = {k: w for k, w in state.history.items() if k in iterations}
    recipes = {k: r for k, r in state.past.recipes.items() if k in iterations}
    explorer.document._state = replace(state, past=replace(state.past, history=history, recipes=recipes))


def travel(qtbot: QtBot, explorer: Explorer, iteration: int) -> str:
    """The banner that comes of it."""
    explorer.bindings.travel.to(iteration)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == iteration, timeout=60_000)
    settle(qtbot, explorer)
    return explorer.window.stage.banner.text()


def with_column(log: Log, name: str, iteration: int, value: float) -> Log:
    columns = {key: log.column(key) for key in log.scalars.chunks[0].columns}
    changed = columns[name].copy()
    changed[iteration] = value
    rows = Rows(log.scalars.chunks[0].first, {**columns, name: changed})
    return replace(log, scalars=Kept(log.scalars.budget, (rows,)))


def corrupt(explorer: Explorer, iteration: int, value: float, name: str = "losses") -> None:
    state = explorer.document._state
    log = with_column(state.log, name, iteration, value)
    explorer.document._state = replace(state, past=replace(state.past, log=log))


def test_what_comes_back_as_it_was_recorded_says_nothing(qtbot: QtBot, trained: Explorer) -> None:
    for iteration in (7, 0, 11, 12):
        assert travel(qtbot, trained, iteration) == ""


@pytest.mark.parametrize("name", ["losses", "grad_norms"])
def test_a_record_that_is_not_what_comes_back_is_said_once_with_both_numbers(
    qtbot: QtBot, trained: Explorer, name: str
) -> None:
    right = float(trained.book.column(name)[7])
    corrupt(trained, 7, 2 * right, name)
    said = travel(qtbot, trained, 7)
    assert said.startswith("Iteration 7 is not as it was recorded: its ")
    assert ("loss" in said) == (name == "losses")
    assert f"{right:.3g}" in said.replace("e-0", "e-")
    assert f"{2 * right:.3g}" in said.replace("e-0", "e-")
    assert "torch" not in said, "it was recorded here"
    assert travel(qtbot, trained, 8) == "", "what was said of another iteration has gone"
    assert travel(qtbot, trained, 7) == "", "it has been said"


def test_the_last_bit_is_enough_where_it_was_recorded_here(qtbot: QtBot, trained: Explorer) -> None:
    right = float(trained.book.column("losses")[7])
    corrupt(trained, 7, float(np.nextafter(np.float32(right), np.float32(1))))
    said = travel(qtbot, trained, 7)
    first, second = said.removesuffix(" in the record.").partition(" loss is ")[2].split(" here, ")
    assert first != second, "as many digits as tell them apart"


def test_an_iteration_that_is_replayed_with_another_recipe_is_said(qtbot: QtBot, trained: Explorer) -> None:
    """As it would be if a state at which training was changed were lost."""
    document = trained.document
    quick = msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.5, evaluate_every=10))
    document.edit_experiment(quick)
    settle(qtbot, trained)
    trained.runner.start(goal=24)
    settle(qtbot, trained)
    recorded = float(trained.book.column("losses")[18])
    assert travel(qtbot, trained, 18) == ""
    travel(qtbot, trained, 24)
    keep(trained, 0, 24)
    said = travel(qtbot, trained, 18)
    assert said.startswith("Iteration 18 is not as it was recorded: its loss is ")
    assert f"{recorded:.3g} in the record." in said


@pytest.mark.parametrize("what", ["T", "batch", "what-if"])
def test_another_trace_of_an_iteration_is_not_compared_with_its_record(
    qtbot: QtBot, trained: Explorer, what: str
) -> None:
    document = trained.document
    if what == "what-if":
        document.edit_what_if(WhatIf(recurrent_scale=2.0))
    else:
        task = AddingTask(steps=11, batch_size=3) if what == "T" else AddingTask(steps=8, batch_size=5)
        document.edit_experiment(msgspec.structs.replace(experiment(), task=task))
    settle(qtbot, trained)
    assert travel(qtbot, trained, 7) == ""
    excerpt = trained.controller.excerpt
    assert excerpt is not None
    assert excerpt.loss != trained.book.column("losses")[7]


def test_a_what_if_that_was_trained_with_is_compared(qtbot: QtBot, trained: Explorer) -> None:
    trained.document.edit_what_if(WhatIf(recurrent_scale=1.5))
    settle(qtbot, trained)
    trained.runner.start(goal=20)
    settle(qtbot, trained)
    assert travel(qtbot, trained, 15) == ""
    corrupt(trained, 16, 1.0)
    assert "1.00 in the record." in travel(qtbot, trained, 16)


def test_records_of_another_number_type_are_not_compared(qtbot: QtBot, trained: Explorer) -> None:
    trained.document.edit_experiment(msgspec.structs.replace(experiment(), dtype="float64"))
    settle(qtbot, trained)
    assert trained.document.state.past.cast_before == 12
    kept = max(k for k in trained.document.state.history if k < 12)
    assert travel(qtbot, trained, kept) == "", "what is kept from before can be shown"
    assert travel(qtbot, trained, 12) == ""
    trained.runner.start(goal=20)
    settle(qtbot, trained)
    corrupt_last = trained.document.state.log
    assert travel(qtbot, trained, 15) == ""
    assert corrupt_last.recorded(15) is not None
    assert trained.document.state.past.recorded_with(15) is not None
    assert trained.document.state.past.recorded_with(11) is None


def saved_by(
    monkeypatch: pytest.MonkeyPatch, explorer: Explorer, path: Path, torch_version: str, device: str = "cpu"
) -> None:
    real = container.version_of
    monkeypatch.setattr(container, "version_of", lambda name: torch_version if name == "torch" else real(name))
    made = session_of(explorer.document, explorer.controller.excerpt)
    session.save(replace(made, device=device), path)
    monkeypatch.setattr(container, "version_of", real)


@pytest.mark.parametrize(
    ("version", "device", "factor", "named"),
    [
        ("1.2.3", "cpu", 1.5, True),
        (None, "cuda:0", 1.5, True),
        (None, "cpu", 1.5, False),
        ("1.2.3", "cpu", 1 + 1e-6, None),
        (None, "cpu", 1 + 1e-6, None),
    ],
)
def test_a_file_of_another_version_or_device_may_round_otherwise_and_is_named_where_it_is_more(
    qtbot: QtBot,
    trained: Explorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    device: str,
    factor: float,
    named: bool | None,
) -> None:
    right = float(trained.book.column("losses")[7])
    corrupt(trained, 7, right * factor)
    here = container.version_of("torch")
    saved_by(monkeypatch, trained, tmp_path / "a.gflow", version or here, device)
    trained.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, trained)
    said = travel(qtbot, trained, 7)
    if named is None:
        assert said == "", "that is rounding"
        return
    assert said.startswith("Iteration 7 is not as it was recorded: its loss is ")
    assert said.endswith(f" in the record (torch {version or here} on {device})." if named else " in the record.")
    assert (f" here (torch {here} on cpu), " in said) == named
    assert ("torch" in said) == named


def test_who_recorded_what_is_kept_when_somebody_else_trains_on_and_saves(
    qtbot: QtBot, trained: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_by(monkeypatch, trained, tmp_path / "a.gflow", "1.2.3")
    trained.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, trained)
    trained.runner.start(goal=20)
    settle(qtbot, trained)
    session.save(session_of(trained.document, trained.controller.excerpt), tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    here = container.version_of("torch")
    assert found.origins == (Origin(until=12, torch="1.2.3", device="cpu"),)
    assert found.recorded_by() == (*found.origins, Origin(until=20, torch=here, device="cpu"))


def test_rounding_is_what_the_engine_takes_for_it() -> None:
    assert {getattr(torch, name): value for name, value in proof.ROUNDING.items()} == TOLERANCE


def test_nothing_that_is_not_a_number_is_a_difference(qtbot: QtBot, trained: Explorer) -> None:
    excerpt = trained.controller.excerpt
    assert excerpt is not None
    state = trained.document.state
    for now, then, differs in (
        (np.nan, np.nan, False),
        (np.inf, np.inf, False),
        (np.nan, 1.0, True),
        (1.0, np.inf, True),
    ):
        past = replace(state.past, log=with_column(state.log, "losses", 7, then))
        wrong = replace(state, past=past, what_if=NO_WHAT_IF)
        assert bool(proof.difference(wrong, 7, replace(excerpt, loss=now, clip=None))) == differs


def test_the_longest_sentence_is_read_whole_in_a_narrow_window(qtbot: QtBot) -> None:
    sentence = proof._sentence(
        "loss", 12_345, 1.23e-9, 4.56e-9, (" (torch 2.13.0+cpu on cpu)", " (torch 2.9.1+cu128 on cuda:0)")
    )
    notice = Notice("Problem", "exploding")
    qtbot.addWidget(notice)
    notice.resize(706, 54)
    notice.set_text(sentence)
    assert notice.drawn() == sentence
    notice.set_text(3 * sentence)
    assert notice.drawn().endswith("…")
    assert len(notice.drawn()) > len(sentence), "two lines of it"
