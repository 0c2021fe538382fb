"""One table defines the actions: complete, without clashes, and every row does something."""

from __future__ import annotations

from collections import Counter

from PySide6.QtGui import QKeySequence
from pytestqt.qtbot import QtBot

from explorer.actions import ACTIONS, MENUS, Action
from explorer.app import Explorer


def test_no_two_actions_share_a_key(qtbot: QtBot) -> None:
    # A key that works everywhere would also fire on the stage and on the stack, so each is counted with it. Stage and
    # stack never have the focus both at once.
    for place in (Action.stage_sequences, Action.stack_sequences):
        used = Counter(
            key.toString(QKeySequence.SequenceFormat.PortableText)
            for action in ACTIONS
            for key in {*action.sequences(), *place(action)}
        )
        assert [key for key, count in used.items() if count > 1] == []


def test_every_key_is_one_that_qt_knows(qtbot: QtBot) -> None:
    for action in ACTIONS:
        written = [key for key in (*action.everywhere, *action.on_stage, *action.on_stack) if isinstance(key, str)]
        for key in written:
            assert QKeySequence(key).toString(), f"{action.id}: {key}"


def test_ids_are_unique_and_every_slot_is_that_of_an_action_of_its_menu(explorer: Explorer) -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for menu, slots in explorer.commands.slots.items():
        found = {name.removeprefix("do_") for name in vars(type(slots)) if name.startswith("do_")}
        assert found == {action.id for action in ACTIONS if action.menu == menu}, menu


def test_plain_letters_and_arrows_act_on_the_stage_only(qtbot: QtBot) -> None:
    # Window-wide they would steal typing and arrow keys from fields and sliders.
    for action in ACTIONS:
        for key in action.everywhere:
            if isinstance(key, str) and not key.startswith("F") and key != "Esc":
                assert key.startswith(("Ctrl+", "Alt+")), f"{action.id}: {key}"


def test_every_menu_has_entries_and_mnemonics_do_not_clash_within_one() -> None:
    for menu in MENUS:
        entries = [a for a in ACTIONS if a.menu == menu]
        assert entries
        mnemonics = [a.text[a.text.index("&") + 1].lower() for a in entries if "&" in a.text]
        assert len(mnemonics) == len(set(mnemonics)), menu


def test_menus_name_the_simple_key_of_the_stage_first(explorer: Explorer) -> None:
    made = explorer.commands.actions
    shown = {name: made[name].text().partition("\t")[2] for name in ("play", "step_forward", "gate_back", "train")}
    native = QKeySequence.SequenceFormat.NativeText
    space, right, everywhere = (QKeySequence(key).toString(native) for key in ("Space", "Right", "Alt+Right"))
    assert shown["play"].split(" or ")[0] == space
    assert shown["step_forward"] == f"{right} or {everywhere}"
    assert shown["gate_back"] == QKeySequence("Shift+Left").toString(native)
    assert shown["train"] == "", "it has none but the one that Qt shows"
    assert made["step_forward"].shortcut() == QKeySequence("Alt+Right"), "and that works everywhere"
