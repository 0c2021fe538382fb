"""Scales chosen by hand: what is a scale and what is said of the rest, who shares it, and that a session keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic
from PySide6.QtWidgets import QLineEdit, QMenu
from pytestqt.qtbot import QtBot

from engine import presets, session
from engine.errors import SessionError
from engine.session import SessionView
from engine.tracks import parse
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.saving import session_of
from explorer.stage import classes, scales
from explorer.stage.scale_dialog import ScaleDialog, fields, read
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale, magnitude, signed
from explorer.stage.stage import Stage
from explorer.theme import current as theming


@pytest.mark.parametrize("scale", [GATE, signed(0.3), magnitude(-44, 4), Scale("signed", -1e28, 1e28, 0.1)])
def test_what_the_fields_say_at_first_is_the_scale_itself(scale: Scale) -> None:
    assert read(scale, [text for _, text in fields(scale)]) == scale


@pytest.mark.parametrize(
    ("scale", "texts", "expected"),
    [
        (magnitude(), ["1e-30", "1e0"], magnitude(-30, 0)),
        (magnitude(), ["1e-3", "100"], Scale("magnitude", 1e-3, 1e2)),
        (magnitude(), ["1e-15", "1e2"], Scale("magnitude", 1e-16, 1e2)),
        (magnitude(), ["0,01", "1"], magnitude(-2, 0)),
        (signed(1.0), ["2.5"], signed(2.5)),
        (Scale("signed", -10.0, 10.0, 0.1), ["1e3", "1"], Scale("signed", -1e3, 1e3, 1.0)),
        (GATE, ["−0.5", "0.5"], Scale("gate", -0.5, 0.5)),
    ],
)
def test_numbers_are_typed_as_people_type_them(scale: Scale, texts: list[str], expected: Scale) -> None:
    assert read(scale, texts) == expected


@pytest.mark.parametrize(
    ("scale", "texts", "words"),
    [
        (magnitude(), ["x", "1"], "From is 'x'; a number"),
        (magnitude(), ["1e-20", ""], "To is ''; a number"),
        (magnitude(), ["3", "100"], "From is 3; a power of ten"),
        (magnitude(), ["-1", "1"], "From is -1; a power of ten"),
        (magnitude(), ["1", "1e-6"], "To must be larger"),
        (magnitude(), ["1e-300", "1e300"], "600 decades; up to 479"),
        (signed(1.0), ["0"], "above 0"),
        (signed(1.0), ["inf"], "a number such as"),
        (Scale("signed", -10.0, 10.0, 0.1), ["10", "10"], "below 10"),
        (GATE, ["1", "1"], "To must be larger"),
    ],
)
def test_what_is_no_scale_is_said_in_one_sentence(scale: Scale, texts: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        read(scale, texts)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_the_widest_scale_that_is_accepted_keeps_its_bands_apart_from_the_classes() -> None:
    widest = read(magnitude(), ["1e-200", "1e279"])
    codes = classes.classify(np.array([1e-199, 1e278]), widest)
    assert classes.FIRST <= codes[0] < codes[1] <= classes.LAST


def test_gradients_share_theirs_and_values_have_their_own() -> None:
    e, book = synthetic.excerpt("lstm", T=6, H=3), ScaleBook()
    chosen = magnitude(-8, 0)
    book.choose(parse("l0.grads.c?order=mean"), e, chosen)
    book.choose(parse("values.c"), e, signed(9.0))
    assert book.gradients(e) == book.of(parse("grads.a_f"), e) == chosen
    assert book.of(parse("grads.h?show=signed"), e) == Scale("signed", -1.0, 1.0, 1e-8)
    assert book.of(parse("l0.values.c?unit=1"), e) == signed(9.0)
    assert book.of(parse("values.c?show=magnitude"), e) != signed(9.0)
    assert book.of(parse("values.h"), e) == signed(1.0)
    assert set(book.chosen) == {"grads.h", "l0.values.c"}
    book.forget(parse("grads.h"), e)
    assert book.gradients(e) == magnitude()
    book.reset()
    assert book.chosen == {}


def test_a_choice_that_is_no_scale_of_that_kind_is_passed_over() -> None:
    """A file may hold anything that its check lets through."""
    e, book = synthetic.excerpt("lstm", T=6, H=3), ScaleBook()
    book.set_chosen({"grads.h": (-1.0, 1.0, 0.0), "l0.values.h": (0.0, 1.0, 0.0)})
    assert book.gradients(e) == magnitude()
    assert book.of(parse("values.h"), e) == signed(1.0)


def _entry(menu: QMenu, words: str) -> None:
    next(action for action in menu.actions() if words in action.text().replace("&", "")).trigger()
    menu.close()


def _dialog(stage: Stage) -> ScaleDialog:
    (found,) = (dialog for dialog in stage.findChildren(ScaleDialog) if dialog.isVisible())
    return found


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(800, 600)
    stage.set_tracks(("values.h", "grads.h", "norms", "network"))
    stage.set_excerpt(synthetic.excerpt("rnn"))
    stage.show()
    return stage


def test_a_scale_is_set_announced_and_taken_back(qtbot: QtBot, stage: Stage) -> None:
    _entry(stage.track_menu.of("grads.h"), "Set the scale")
    dialog = _dialog(stage)
    low, high = dialog.findChildren(QLineEdit)
    assert (low.text(), high.text()) == ("1e-20", "1e2")
    low.clear()
    qtbot.keyClicks(low, "5")
    assert not dialog.ok.isEnabled()
    assert "a power of ten" in dialog.message.text()
    low.clear()
    qtbot.keyClicks(low, "1e-10")
    with qtbot.waitSignals([stage.scaleChanged, stage.scalesChosen]):
        dialog.ok.click()
    assert stage.gradient_decades() == (-10, 2)
    menu = stage.track_menu.of("grads.h")
    with qtbot.waitSignal(stage.scaleChanged) as said:
        _entry(menu, "back to its default")
    assert said.args == ["grads.h", "1e-20 … 1e2, 2 decades a band"]


def test_cancelling_changes_nothing(qtbot: QtBot, stage: Stage) -> None:
    said: list[object] = []
    stage.scaleChanged.connect(said.append)
    _entry(stage.track_menu.of("values.h"), "Set the scale")
    dialog = _dialog(stage)
    (bound,) = dialog.findChildren(QLineEdit)
    bound.setText("7")
    dialog.reject()
    assert not said
    assert stage._book.chosen == {}


def test_every_field_of_the_dialog_has_a_name(stage: Stage) -> None:
    _entry(stage.track_menu.of("norms"), "Set the scale")
    dialog = _dialog(stage)
    assert dialog.windowTitle() == "Scale of all gradients"
    assert all(field.accessibleName() for field in dialog.findChildren(QLineEdit))
    dialog.reject()


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.window.resize(1200, 800)
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def test_a_session_keeps_what_was_chosen_and_another_document_does_not_get_it(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path
) -> None:
    stage, document = explorer.window.stage, explorer.document
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    stage._book.choose(parse("grads.h"), excerpt, magnitude(-12, 0))
    stage._scale_changed("norms", "1e-12 … 1e0")
    said = explorer.window.statusBar().currentMessage()
    assert said.startswith("The scale of all gradients (")
    assert all(word in said for word in ("heatmaps", "norms", "wires", "flow matrix", "histogram"))
    assert said.endswith("is now 1e-12 … 1e0.")
    assert not document.dirty
    session.save(session_of(document, excerpt), tmp_path / "one.gflow")
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert stage.gradient_decades() != (-12, 0)
    explorer.show(opening.of_path(tmp_path / "one.gflow"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert stage.gradient_decades() == (-12, 0)
    assert scales.magnitude(-12, 0) == stage.canvas.tracks[stage.tracks().index("grads.h")]._scale


def test_heights_and_scales_of_what_the_network_no_longer_has_are_not_saved(explorer: Explorer) -> None:
    document, excerpt = explorer.document, explorer.controller.excerpt
    document.look(heights={"values.f": 90, "grads.h": 80}, scales={"l0.values.c": (-1.0, 1.0, 0.0)})
    view = session_of(document, excerpt).view
    assert (view.heights, view.scales) == ({"grads.h": 80}, {})


def test_a_session_with_a_wrong_scale_is_refused(explorer: Explorer, tmp_path: Path) -> None:
    import dataclasses

    saved = session_of(explorer.document, explorer.controller.excerpt)
    for scale, word in (
        ({"grads.h": (1.0, 0.0, 0.0)}, "no scale"),
        ({"grads.h": (0.0, float("inf"), 0.0)}, "no scale"),
        ({"values.f": (0.0, 1.0, 0.0)}, "values.f"),
        ({"nonsense": (0.0, 1.0, 0.0)}, "no track"),
    ):
        view = SessionView(tracks=("network",), scales=scale)
        with pytest.raises(SessionError, match=word):
            session.save(dataclasses.replace(saved, view=view), tmp_path / "x")
