"""The size of everything: chosen, remembered, on the command line; and the document comes along when the window is
opened anew for it, unsaved work and all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from engine import presets, session
from engine.errors import SessionError
from explorer import menus, reopening, settings, sizes
from explorer.app import Explorer
from explorer.cli.commands import parsed_scale
from explorer.cli.target import UsageError
from explorer.document import opening
from explorer.settings import Settings


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "_kept", None)


def test_sizes_go_up_and_down_in_steps_and_stop_at_their_ends() -> None:
    assert [sizes.larger(100), sizes.larger(110), sizes.larger(250)] == [110, 125, 250]
    assert [sizes.smaller(100), sizes.smaller(125), sizes.smaller(80)] == [90, 110, 80]
    assert (sizes.STEPS[0], sizes.STEPS[-1]) == (80, 250)  # what the design asks for
    assert sizes.larger(133) == 150


@pytest.mark.parametrize(("given", "percent", "factor"), [(None, 200, "2"), ("1.5", 200, "3"), ("1.5", 100, "1.5")])
def test_the_size_comes_on_top_of_one_for_all_programs_and_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch, given: str | None, percent: int, factor: str
) -> None:
    monkeypatch.setattr(sizes, "_in_force", 100)
    monkeypatch.delenv("QT_SCALE_FACTOR", raising=False)
    if given is not None:
        monkeypatch.setenv("QT_SCALE_FACTOR", given)
    with sizes.applied(percent):
        assert os.environ.get("QT_SCALE_FACTOR") == factor
    assert os.environ.get("QT_SCALE_FACTOR") == given
    assert sizes.in_force() == percent


def test_an_application_is_made_in_that_size() -> None:
    """In a process of its own, since the factor is read once."""
    program = "from explorer.app import application; print(application(250).primaryScreen().devicePixelRatio())"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert float(done.stdout) == 2.5


@pytest.mark.parametrize(("text", "percent"), [("80", 80), ("125%", 125), (" 250 % ", 250)])
def test_the_command_line_takes_percent(text: str, percent: int) -> None:
    assert parsed_scale(text) == percent


@pytest.mark.parametrize("text", ["79", "251", "1.5", "large", "", "-100", "99999", "²"])
def test_another_scale_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(UsageError, match="from 80 to 250 percent"):
        parsed_scale(text)


def test_the_size_is_remembered_and_one_beyond_the_ends_is_not_ours() -> None:
    settings.save(Settings(scale=175))
    assert settings.load().scale == 175
    settings.file().write_bytes(msgspec.json.encode({"scale": 9000}))
    assert settings.load() == Settings()


@pytest.mark.parametrize("typed", ["large", "font", "size", "text bigger", "full screen"])
def test_it_is_found_by_what_people_call_it(qtbot: QtBot, explorer: Explorer, typed: str) -> None:
    explorer.show(opening.of_nothing())
    palette = menus.Palette(explorer.commands.actions, explorer.window)
    qtbot.addWidget(palette)
    qtbot.keyClicks(palette._field, typed)
    found = [palette._list.item(n).data(Qt.ItemDataRole.UserRole) for n in range(palette._list.count())]
    assert {"larger", "full_screen"} & set(found)


def _answer(monkeypatch: pytest.MonkeyPatch, word: str) -> list[str]:
    """Press the button with this word; what the box said is returned as it is said."""
    said: list[str] = []

    def exec_(box: QMessageBox) -> int:
        said.append(f"{box.text()} {box.informativeText()}")
        button = next(b for b in box.buttons() if word in b.text().replace("&", ""))
        button.click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", exec_)
    return said


def test_opening_anew_takes_an_unsaved_document_along_whole(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch, nothing_kept: None
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(QApplication, "exit", ended.append)
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    d = explorer.document
    d.edit_tracks(("norms", "values.h"), "test")
    d.look(position=77)
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.bindings.pins.pin()
    said = _answer(monkeypatch, "Open Anew Now")
    explorer.commands.actions["larger"].trigger()
    assert "unsaved changes" in said[0]
    assert "110 %" in said[0]
    assert ended == [reopening.STATUS]
    assert explorer.files.settings.scale == 110
    assert reopening._kept is not None
    folder, scale = reopening._kept
    line = reopening.command(folder, scale)
    assert line[-4:] == ["--resume", str(folder), "--scale", "110"]
    assert folder.stat().st_mode & 0o077 == 0
    found = reopening.taken_up(folder)
    assert not folder.exists()
    assert found.unsaved
    assert (found.title, found.path, found.preset) == (d.title, "", "cell-state-carousel")
    assert found.state.experiment == d.experiment
    assert found.state.tracks == ("norms", "values.h")
    assert found.view.position == 77
    assert len(found.view.pins) == 1
    mine, its = d.state.history[0], found.state.history[0]
    assert {name: array.tobytes() for name, array in mine.items()} == {n: a.tobytes() for n, a in its.items()}
    explorer.show(found)
    assert explorer.document.dirty


def test_a_saved_document_still_belongs_to_its_file_and_is_not_called_unsaved(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, nothing_kept: None
) -> None:
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.files._save_to(str(tmp_path / "mine.gflow"))
    reopening.hand_over(explorer.document, explorer.controller.excerpt, 125)
    assert reopening._kept is not None
    found = reopening.taken_up(reopening._kept[0])
    assert found.path == str(tmp_path / "mine.gflow")
    assert not found.unsaved


def test_what_another_program_has_written_before_it_opens_anew_is_not_saved_over_unasked(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_kept: None
) -> None:
    path = tmp_path / "mine.gflow"
    monkeypatch.setattr(QApplication, "exit", lambda _status: None)
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.files._save_to(str(path))
    session.save(replace(session.load(path), notes="from another program"), path)
    explorer.files._open_anew(125)
    assert reopening._kept is not None
    explorer.show(reopening.taken_up(reopening._kept[0]))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    asked: list[str] = []
    monkeypatch.setattr(explorer.files, "_ask_about_newer", lambda at: asked.append(at) or "")
    assert not explorer.files.save()
    assert asked == [str(path)]
    assert session.load(path).notes == "from another program"


def test_where_the_document_cannot_come_along_nothing_happens(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch, nothing_kept: None
) -> None:
    explorer.show(opening.of_nothing())  # cannot be traced yet, so no session can hold it
    ended: list[int] = []
    complaints: list[str] = []
    monkeypatch.setattr(QApplication, "exit", ended.append)
    monkeypatch.setattr(explorer.files, "_complain", lambda _title, sentence: complaints.append(sentence))
    _answer(monkeypatch, "Open Anew Now")
    explorer.commands.actions["larger"].trigger()
    assert not ended
    assert "At the Next Start" in complaints[0]
    assert explorer.files.settings.scale == 100
    _answer(monkeypatch, "Next Start")
    explorer.commands.actions["larger"].trigger()
    assert (explorer.files.settings.scale, explorer.files.scale) == (110, 110)
    assert not ended


def test_what_was_not_handed_over_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="Nothing has been handed over"):
        reopening.taken_up(tmp_path)
    (tmp_path / "note.json").write_bytes(b'{"title": 3}')
    with pytest.raises(SessionError, match="Nothing has been handed over"):
        reopening.taken_up(tmp_path)


def test_full_screen_and_back_and_the_menu_follows(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opening.of_nothing())
    entry = explorer.commands.actions["full_screen"]
    entry.trigger()
    qtbot.waitUntil(explorer.window.isFullScreen)
    assert entry.isChecked()
    explorer.window.showNormal()
    qtbot.waitUntil(lambda: not entry.isChecked())


PANELS = ("show_model", "show_cell", "show_analysis")


def ticks(explorer: Explorer) -> tuple[bool, ...]:
    return tuple(explorer.commands.actions[name].isChecked() for name in PANELS)


def shown(explorer: Explorer) -> tuple[bool, ...]:
    window = explorer.window
    return tuple(panel.isVisible() for panel in (window.dock_area, window.cell, window.analysis))


def test_each_action_brings_back_its_own_panel_and_ticks_tell_what_is_on_screen(
    qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.window.resize(853, 533)  # 1280 x 800 at 150 %
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    qtbot.waitExposed(explorer.window)
    actions = explorer.commands.actions
    assert shown(explorer) == ticks(explorer) == (True, False, False)
    for name, there in (
        ("show_cell", (True, True, False)),
        ("show_analysis", (True, True, True)),
        ("show_cell", (True, False, True)),
        ("show_model", (False, False, True)),
        ("show_analysis", (False, False, False)),
        ("show_cell", (False, True, False)),
    ):
        actions[name].trigger()
        assert explorer.window.side.isVisible() is any(there[1:]), "no empty column stays"
        assert shown(explorer) == ticks(explorer) == there, name
    explorer.window.resize(840, 533)
    assert shown(explorer) == ticks(explorer) == (False, True, False), "what was asked for stays"
    actions["show_model"].trigger()
    explorer.window.resize(1300, 800)
    assert shown(explorer) == ticks(explorer) == (True, True, False)


def test_where_panels_have_given_way_a_button_at_the_edge_says_so_and_brings_them_back(
    qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.window.resize(640, 400)  # 1280 x 800 at 200 %
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    window = explorer.window
    assert (window.width(), window.height()) == (640, 400)
    assert shown(explorer) == ticks(explorer) == (False, False, False)
    for edge, text, there in (
        (window.side_edge, "Show Cell and Analysis", (False, True, True)),
        (window.model_edge, "Show Model", (True, True, True)),
    ):
        assert edge.isVisible()
        assert edge.accessibleName() == text
        assert edge.height() > edge.sizeHint().height(), "its words are whole"
        qtbot.mouseClick(edge, Qt.MouseButton.LeftButton)
        assert not edge.isVisible()
        assert shown(explorer) == ticks(explorer) == there
    explorer.commands.actions["show_model"].trigger()
    assert not window.model_edge.isVisible(), "it did not give way: it was put away by hand"


@pytest.mark.parametrize("width", [512, 559, 560, 640, 679, 680, 760])
def test_in_a_narrow_window_nothing_of_the_transport_lies_over_the_tape(
    qtbot: QtBot, explorer: Explorer, width: int
) -> None:
    explorer.window.resize(width, 400)
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    qtbot.waitExposed(explorer.window)
    QApplication.processEvents()  # what has come back gets its place
    bar = explorer.window.transport
    parts = (bar.start_button, bar.play_button, bar.end_button, bar.speed, bar.scrubber, bar.iteration, bar.where)
    boxes = [part.geometry() for part in parts if part.isVisible()]
    assert all(bar.rect().contains(box) for box in boxes)
    assert not [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if a.intersects(b)]


_OLD_PIXELS = """
import synthetic
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QWidget
from explorer.app import application
from explorer.stage.stage import Stage
from explorer.theme import current as theming

app = application(150)
theming.apply("light")
stage = Stage()
stage.resize(701, 643)
stage.set_tracks(("network", "data", "values.f", "grads.c", "norms", "values.c"))
stage.set_excerpt(synthetic.excerpt("lstm", T=40, H=5))
stage.set_position(60)
stage.show()
view = stage.canvas.viewport()


def picture(old):
    ratio = view.devicePixelRatioF()
    image = QImage(round(view.width() * ratio), round(view.height() * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(old))
    view.render(image, QPoint(0, 0), view.rect(), QWidget.RenderFlag(0))
    return image


for height in range(70, 74):
    stage.set_heights({"values.f": height})
    QApplication.processEvents()
    assert view.devicePixelRatioF() == 1.5
    assert picture("red") == picture("lime"), height
print("clean")
"""


def test_at_a_size_that_is_no_whole_number_nothing_old_is_left_between_the_tracks() -> None:
    """Their rows begin and end between two pixels of the screen."""
    here = str(Path(__file__).parent)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    done = subprocess.run(
        [sys.executable, "-c", _OLD_PIXELS], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.stdout.strip() == "clean", done.stderr
