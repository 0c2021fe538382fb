"""Saving leaves what the file held before beside it: that is said once, and the backup opens without becoming the file
that is saved to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from engine import session
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from explorer import backups
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.state import State, View

EXPERIMENT = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)), task=AddingTask(steps=8, batch_size=3)
)


@pytest.fixture
def shown(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def save(qtbot: QtBot, explorer: Explorer, path: Path, seed: int) -> None:
    explorer.document.edit_experiment(msgspec.structs.replace(EXPERIMENT, seed=seed))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.window.statusBar().clearMessage()
    assert explorer.files._save_to(str(path))
    assert explorer.files.finish_saving()


def test_where_the_former_version_is_is_said_once_and_then_on_hovering(
    qtbot: QtBot, shown: Explorer, tmp_path: Path
) -> None:
    path, bar, saved = tmp_path / "mine.gflow", shown.window.statusBar(), shown.window.status.saved
    save(qtbot, shown, path, 1)
    assert (bar.currentMessage(), saved.toolTip()) == ("", ""), "there is no former version yet"
    save(qtbot, shown, path, 2)
    assert "mine.gflow.bak" in bar.currentMessage()
    assert "File ▸ Open" in bar.currentMessage(), "how somebody gets back to it"
    save(qtbot, shown, path, 3)
    assert bar.currentMessage() == "", "everybody knows by now"
    assert "mine.gflow.bak" in saved.toolTip()
    assert session.load(tmp_path / "mine.gflow.bak").experiment.seed == 2


def test_a_backup_opens_as_what_the_file_held_before_and_is_not_what_saving_writes_to(
    qtbot: QtBot, shown: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.gflow"
    save(qtbot, shown, path, 1)
    save(qtbot, shown, path, 2)
    before = (tmp_path / "mine.gflow.bak").read_bytes()
    shown.files.open_path(str(tmp_path / "mine.gflow.bak"))
    qtbot.waitUntil(lambda: shown.controller.settled, timeout=60_000)
    assert shown.document.experiment is not None
    assert shown.document.experiment.seed == 1
    assert shown.document.path == ""
    asked: list[bool] = []
    monkeypatch.setattr(shown.files, "save_as", lambda: bool(asked.append(True)))
    shown.files.save()
    assert asked == [True], "where to is asked"
    assert (tmp_path / "mine.gflow.bak").read_bytes() == before


def test_whoever_opens_a_backup_is_told_what_it_is(tmp_path: Path) -> None:
    for seed in (1, 2):
        session.save(session.Session(msgspec.structs.replace(EXPERIMENT, seed=seed)), tmp_path / "mine.gflow")
    found = opening.of_path(tmp_path / "mine.gflow.bak")
    assert found.prompt == "This is mine.gflow as it was before it was last saved. Save asks for a name."
    assert found.title == "mine"
    assert opening.of_path(tmp_path / "mine.gflow").prompt == ""


def test_the_backup_of_a_link_lies_beside_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.gflow", tmp_path / "link.gflow"
    session.save(session.Session(EXPERIMENT), target)
    link.symlink_to(target)
    session.save(session.Session(EXPERIMENT), link)
    assert backups.beside(str(link)) == target.with_name("real.gflow.bak")
    assert backups.beside(str(tmp_path / "never.gflow")) is None
