"""A session whose own data are not on this computer: what can be read stays readable, and the data can be located."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine import operations
from engine.data import SeriesChoices, import_series, look_at, store
from engine.spec import Experiment, LayerSpec, ModelSpec
from engine.tasks import series
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import data_columns
from explorer.stage.tracks.lanes import lanes

PRICES = "day,open price\n" + "".join(f"{n},{n % 7}.5\n" for n in range(120))


@pytest.fixture
def lost(explorer: Explorer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    """A window over an experiment whose data have gone."""
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "kept"))
    (tmp_path / "a.csv").write_text(PRICES)
    task = import_series(look_at(tmp_path / "a.csv"), SeriesChoices(columns=("open price",), steps=5, batch_size=2))
    (store.folder() / f"{task.data}.gfdata").unlink()
    store._remembered.clear()
    series.prepared._made.clear()
    operations.forget()
    experiment = Experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),)), task=task)
    explorer.show(Opening(State(tracks=("data", "values.h"), experiment=experiment), View(), title="a"))
    qtbot.waitExposed(explorer.window)
    qtbot.waitUntil(lambda: explorer.window.stage.banner.isVisible(), timeout=20_000)
    return explorer


def test_what_is_missing_is_said_with_a_way_out(lost: Explorer) -> None:
    stage = lost.window.stage
    assert stage.banner.text() == "The data of 'a.csv' are not on this computer."
    assert [button.text() for button in stage.banner.buttons] == ["Locate…"]
    assert stage.canvas.message.startswith("The data of 'a.csv' are missing.")


def test_nothing_is_said_to_be_computed_of_data_that_are_missing(lost: Explorer) -> None:
    assert lost.controller.settled
    assert "computing" not in lost.window.status.audit.text()


def test_the_file_is_located_and_nothing_of_the_document_changes(lost: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    before = lost.document.experiment
    lost.bindings.own_data.locate(str(tmp_path / "a.csv"))
    qtbot.waitUntil(lambda: lost.controller.excerpt is not None, timeout=20_000)
    assert lost.window.stage.banner.text() == ""
    assert lost.document.experiment == before
    assert lost.document.undo_stack.count() == 0


def test_another_file_is_refused_and_can_be_chosen_again(lost: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(PRICES.replace("3.5", "4.5"))
    banner = lost.window.stage.banner
    lost.bindings.own_data.locate(str(tmp_path / "b.csv"))
    qtbot.waitUntil(lambda: not lost.reader.reading, timeout=20_000)
    assert banner.text() == "'b.csv' does not hold the missing data of 'a.csv': its SHA-256 is another."
    assert [button.text() for button in banner.buttons] == ["Locate…"]
    lost.bindings.own_data.locate(str(tmp_path / "a.csv"))
    qtbot.waitUntil(lambda: lost.controller.excerpt is not None, timeout=20_000)


def test_columns_of_a_series_have_their_names_on_the_stage(lost: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    lost.bindings.own_data.locate(str(tmp_path / "a.csv"))
    qtbot.waitUntil(lambda: lost.controller.excerpt is not None, timeout=20_000)
    excerpt = lost.controller.excerpt
    assert excerpt is not None
    assert excerpt.read_labels == {0: "open price"}
    assert data_columns.of(excerpt)[0].names == ("open price",)
    assert lanes(dataclasses.replace(excerpt, read_labels={0: "open_price"}), ScaleBook())[0].name == (
        "open_\u2060price"
    ), "not lowered as of a subscript"
