"""The one table of actions. It feeds the menus, the transport's tool tips, the command palette (Ctrl+Shift+P), the
shortcut sheet (F1), and a test that no two shortcuts clash.

Character and arrow keys act only while the stage has the focus (window-wide they would steal them from sliders and
fields); the forms with Alt, and the platform's own, work everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from PySide6.QtGui import QKeySequence

Menu = Literal["File", "Edit", "Model", "Tape", "Training", "Track", "View", "Help"]
MENUS: tuple[Menu, ...] = ("File", "Edit", "Model", "Tape", "Training", "Track", "View", "Help")
MNEMONICS: dict[Menu, str] = {"Training": "Tra&ining", "Track": "Tr&ack"}
"""Where it is not the first letter: Alt+T is the tape's, and Alt+R and Alt+K are taken."""


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    """Also the name of its slot, `do_<id>` in the file of its menu in explorer/commands/."""
    menu: Menu
    text: str
    """With & before the mnemonic, as it stands in the menu."""
    everywhere: tuple[str | QKeySequence.StandardKey, ...] = ()
    on_stage: tuple[str, ...] = ()
    on_stack: tuple[str, ...] = ()
    """While a card of the model's stack, or a field in one, has the focus."""
    checkable: bool = False
    group: str = ""
    """Actions of one group are alternatives (radio items)."""
    starts_section: bool = False
    tip: str = ""
    find: str = ""
    """More words that the palette finds it by."""
    repeats: bool = field(default=False)
    """Whether a held key repeats it."""
    takes_typed: bool = field(default=True)
    """Whether what is being typed in a field is taken first, as by Enter: these begin with the document as it is."""

    @property
    def words(self) -> str:
        return self.text.replace("&", "").rstrip("…")

    def sequences(self) -> list[QKeySequence]:
        return [key for one in self.everywhere for key in _sequences(one)]

    def stage_sequences(self) -> list[QKeySequence]:
        return [QKeySequence(one) for one in self.on_stage]

    def stack_sequences(self) -> list[QKeySequence]:
        return [QKeySequence(one) for one in self.on_stack]


def _sequences(key: str | QKeySequence.StandardKey) -> list[QKeySequence]:
    """The platform's first two forms of a standard key (some list a dozen)."""
    if not isinstance(key, QKeySequence.StandardKey):
        return [QKeySequence(key)]
    portable = QKeySequence.SequenceFormat.PortableText
    # Some platforms also list keys of their own ("Open", "Save") that few keyboards have.
    return [one for one in QKeySequence.keyBindings(key) if "+" in one.toString(portable)][:2]


_K = QKeySequence.StandardKey
_GLOSSARY = "glossary meaning definition explain dictionary symbols legend"

ACTIONS: tuple[Action, ...] = (
    Action("start_page", "File", "S&tart Page", ("Ctrl+Shift+H",), tip="The demonstrations and your recent sessions."),
    Action("new", "File", "&New Experiment", (_K.New,), tip="An empty stack, to put layers into."),
    Action("open", "File", "&Open…", (_K.Open,), tip="A session or a recorded trace (.gflow)."),
    Action(
        "open_data",
        "File",
        "Open &Data…",
        ("Ctrl+Shift+O",),
        tip="A table, a text or arrays of your own, looked at before they are used.",
        find="own csv tsv txt npy npz import file table series text sequences",
    ),
    Action("save", "File", "&Save", (_K.Save,), starts_section=True),
    Action("save_as", "File", "Save &As…", ("Ctrl+Shift+S",)),
    Action("export_picture", "File", "&Export Picture…", ("Ctrl+E",), tip="This window as a PNG."),
    Action(
        "reset",
        "File",
        "&Reset to How It Was Opened",
        ("Alt+R",),
        starts_section=True,
        tip="The preset or file, read anew.",
        takes_typed=False,
    ),
    Action("quit", "File", "&Quit", ("Ctrl+Q",), starts_section=True),
    Action(
        "stop",
        "Edit",
        "&Stop, or Back",
        ("Esc",),
        tip="Stops what is computed; leaves the start page.",
        takes_typed=False,
    ),
    Action("undo", "Edit", "&Undo", (_K.Undo,), starts_section=True, takes_typed=False),
    Action("redo", "Edit", "&Redo", (_K.Redo,), takes_typed=False),
    Action(
        "copy",
        "Edit",
        "&Copy the Value",
        (),
        ("Ctrl+C",),
        starts_section=True,
        tip="Under the pointer, else of the selected track at the playhead.",
        find="clipboard number reading",
    ),
    Action("palette", "Edit", "&Find a Command…", ("Ctrl+Shift+P",), starts_section=True),
    Action("add_rnn", "Model", "Add an &RNN Layer", ("Ctrl+Shift+R",), tip="On top of the stack."),
    Action("add_lstm", "Model", "Add an &LSTM Layer", ("Ctrl+Shift+L",), tip="On top of the stack."),
    Action("add_gru", "Model", "Add a &GRU Layer", ("Ctrl+Shift+G",), tip="On top of the stack."),
    Action(
        "attention",
        "Model",
        "Read-out by &Attention",
        starts_section=True,
        tip="Read from all steps, each weighed, and see the weights as a track.",
        find="attend weights alpha bahdanau",
    ),
    Action("layer_up", "Model", "Move the Layer &Up", (), (), ("Alt+Up",), starts_section=True, repeats=True),
    Action("layer_down", "Model", "Move the Layer &Down", (), (), ("Alt+Down",), repeats=True),
    Action("duplicate_layer", "Model", "Dupli&cate the Layer", (), (), ("Ctrl+D",)),
    Action("delete_layer", "Model", "D&elete the Layer", (), (), ("Del",)),
    Action("play", "Tape", "&Play or Pause", ("Alt+K",), ("Space",)),
    Action("step_forward", "Tape", "Step &Forward", ("Alt+Right",), ("Right",), starts_section=True, repeats=True),
    Action("step_back", "Tape", "Step &Back", ("Alt+Left",), ("Left",), repeats=True),
    Action(
        "gate_forward", "Tape", "One &Gate On", (), ("Shift+Right",), repeats=True, tip="One operation in the cell."
    ),
    Action("gate_back", "Tape", "One Gate Bac&k", (), ("Shift+Left",), repeats=True, tip="One operation in the cell."),
    Action("by_step", "Tape", "Step by Time Step", checkable=True, group="granularity", starts_section=True),
    Action("by_layer", "Tape", "Step by &Layer", checkable=True, group="granularity"),
    Action("by_gate", "Tape", "Step by Gate", checkable=True, group="granularity"),
    Action("at_end_stop", "Tape", "At the End: Stop", checkable=True, group="at_end", starts_section=True),
    Action("at_end_repeat", "Tape", "At the End: Play It Again", checkable=True, group="at_end"),
    Action(
        "at_end_next",
        "Tape",
        "At the End: Go On With the Next Iteration",
        checkable=True,
        group="at_end",
        tip="Playing trains on.",
    ),
    Action("next_phase", "Tape", "&Next Phase", (), ("Ctrl+Right",), starts_section=True, repeats=True),
    Action("previous_phase", "Tape", "Previo&us Phase", (), ("Ctrl+Left",), repeats=True),
    Action("to_start", "Tape", "To the &Start", ("Alt+Home",), ("Home",)),
    Action("to_end", "Tape", "To the &End", ("Alt+End",), ("End",)),
    Action("to_forward", "Tape", "Go to the Forward Pass", ("Alt+1",), starts_section=True),
    Action("to_loss", "Tape", "Go to the Loss", ("Alt+2",)),
    Action("to_backward", "Tape", "Go to the Backward Pass", ("Alt+3",)),
    Action("to_clip", "Tape", "Go to Clipping", ("Alt+4",)),
    Action("to_update", "Tape", "Go to the Update", ("Alt+5",)),
    Action(
        "cell_above",
        "Tape",
        "Cell of the Layer &Above",
        ("Ctrl+Alt+Up",),
        ("Ctrl+Up",),
        tip="The cell panel shows the next layer towards the read-out.",
        starts_section=True,
        repeats=True,
    ),
    Action(
        "cell_below",
        "Tape",
        "Cell of the Layer Belo&w",
        ("Ctrl+Alt+Down",),
        ("Ctrl+Down",),
        tip="The cell panel shows the next layer towards the input.",
        repeats=True,
    ),
    Action("next_event", "Tape", "Next Even&t", ("Alt+N",), ("N",), starts_section=True, repeats=True),
    Action("previous_event", "Tape", "P&revious Event", ("Alt+Shift+N",), ("Shift+N",), repeats=True),
    Action(
        "smallest_gradient",
        "Tape",
        "Go to the Step With the S&mallest Gradient",
        tip="Of the layer in the cell panel, over what the tape has reached.",
        find="minimum least vanishing norm",
    ),
    Action(
        "largest_gradient",
        "Tape",
        "Go to t&he Step With the Largest Gradient",
        tip="Of the layer in the cell panel, over what the tape has reached.",
        find="maximum peak exploding norm",
    ),
    Action("events", "Tape", "E&vents…", ("Ctrl+Shift+E",), ("E",), tip="All of them, to be searched and gone to."),
    Action("next_iteration", "Tape", "Next &Iteration", ("Alt+PgDown",), starts_section=True, repeats=True),
    Action("previous_iteration", "Tape", "Previous Iterati&on", ("Alt+PgUp",), repeats=True),
    Action(
        "train",
        "Training",
        "&Train or Pause",
        ("Ctrl+Return", "Ctrl+Enter"),
        tip="Iteration by iteration, until it is paused.",
        find="learn run start stop",
    ),
    Action("train_one", "Training", "&One Iteration", ("Ctrl+Alt+1",), repeats=True),
    Action("train_ten", "Training", "Te&n Iterations", ("Ctrl+Alt+0",)),
    Action("train_until", "Training", "&Until…", ("Ctrl+Alt+U",), tip="An iteration, or a bound on an evaluation."),
    Action(
        "newest_iteration",
        "Training",
        "To the N&ewest Iteration",
        ("Ctrl+Alt+End",),
        starts_section=True,
        tip="The stage follows it while training runs.",
        find="follow live last end",
    ),
    Action("first_iteration", "Training", "To the &First Iteration", ("Ctrl+Alt+Home",), find="begin start initial"),
    Action(
        "go_to_iteration",
        "Training",
        "&Go to Iteration…",
        ("Ctrl+G",),
        tip="Of those that are done; the stage travels there.",
        find="travel number jump time",
    ),
    Action(
        "best_iteration",
        "Training",
        "Go to the &Best Iteration",
        ("Ctrl+Alt+B",),
        tip="With the least validation loss.",
        find="least lowest minimum validation loss early stop checkpoint",
    ),
    Action(
        "keep_run",
        "Training",
        "&Keep as Comparison",
        ("Ctrl+Alt+K",),
        starts_section=True,
        tip="Loss and gradient norm of this run stay as curves beside the next; not saved with the session.",
        find="compare runs ghost side by side before after baseline pin",
    ),
    Action("remove_runs", "Training", "Remove Compa&risons", ("Ctrl+Alt+Shift+K",), find="ghost curves runs clear"),
    Action("focus_curves", "Training", "Go to the &Curves", ("Ctrl+Shift+C",), find="plot loss gradient travel"),
    Action(
        "judge",
        "Training",
        "E&valuate the Iteration",
        ("Ctrl+Shift+J",),
        starts_section=True,
        tip="Its answers to data it does not learn from, against what was due.",
        find="judge evaluation accuracy test validation predictions metric confusion",
    ),
    Action(
        "focus_answers",
        "Training",
        "Go to the Ev&aluation",
        ("Ctrl+Shift+A",),
        find="answers predictions text confusion tags",
    ),
    Action(
        "export_history",
        "Training",
        "E&xport History…",
        starts_section=True,
        tip="A row for each iteration as CSV: loss, gradient norms, learning rate, evaluations.",
        find="save table csv log records curves spreadsheet baseline",
    ),
    Action("add_track", "Track", "&Add or Remove…", ("Ctrl+T",), ("A",), tip="Everything there is to see, searched."),
    Action("select_above", "Track", "Select the One Above", (), ("Up",), starts_section=True, repeats=True),
    Action("select_below", "Track", "Select the One Below", (), ("Down",), repeats=True),
    Action("track_menu", "Track", "&Menu of the Selected…", (), ("M", "Return", "Enter"), starts_section=True),
    Action("show_table", "Track", "Show as a &Table", (), ("T",), tip="Exact numbers, to copy and to save."),
    Action(
        "fit_scale",
        "Track",
        "&Fit the Scale",
        (),
        ("Shift+F",),
        tip="To what is shown; of the flow over training, once more puts it back.",
        find="range colours autoscale",
    ),
    Action("duplicate_track", "Track", "&Duplicate for…", (), ("D",), tip="The same of another layer or unit."),
    Action("collapse_track", "Track", "&Collapse or Expand", (), ("C",)),
    Action("move_track_up", "Track", "Move &Up", (), ("Alt+Up",), starts_section=True, repeats=True),
    Action("move_track_down", "Track", "Move D&own", (), ("Alt+Down",), repeats=True),
    Action("taller_track", "Track", "Ta&ller", (), ("Shift+Down",), repeats=True),
    Action("lower_track", "Track", "Lo&wer", (), ("Shift+Up",), repeats=True),
    Action("remove_track", "Track", "&Remove", (), ("Delete", "Backspace"), starts_section=True),
    Action("zoom_in", "View", "Zoom &In", ("Ctrl++", "Ctrl+="), ("+",), repeats=True),
    Action("zoom_out", "View", "Zoom &Out", ("Ctrl+-",), ("-",), repeats=True),
    Action("fit", "View", "&Fit All Steps", ("Ctrl+0",), ("0", "F")),
    Action("pan_earlier", "View", "Ea&rlier Steps", (), ("Ctrl+Shift+Left",), repeats=True),
    Action("pan_later", "View", "La&ter Steps", (), ("Ctrl+Shift+Right",), repeats=True),
    Action(
        "show_steps",
        "View",
        "&Show Steps…",
        (),
        ("S",),
        tip="From one step to another; or drag on the time axis with Shift.",
    ),
    Action(
        "pin",
        "View",
        "&Pin This Trace for Comparison",
        ("Alt+P",),
        ("P",),
        starts_section=True,
        tip="Its norms stay beside those of what comes next.",
        find="compare keep before after",
    ),
    Action("unpin", "View", "Remove Pi&ns", ("Alt+Shift+P",), ("Shift+P",)),
    Action("show_model", "View", "&Model", ("Ctrl+1",), checkable=True, starts_section=True),
    Action("show_cell", "View", "&Cell", ("Ctrl+2",), checkable=True),
    Action("show_analysis", "View", "&Analysis", ("Ctrl+3",), checkable=True),
    Action(
        "show_drawer",
        "View",
        "Training and E&valuation",
        ("Ctrl+Shift+T",),
        checkable=True,
        tip="The drawer below the stage.",
        find="drawer curves loss learn judge evaluate",
    ),
    Action("focus_stage", "View", "Go to the Sta&ge", ("F6",)),
    Action("focus_model", "View", "Go to the Mod&el", ("Ctrl+Shift+M",)),
    Action(
        "larger",
        "View",
        "Ever&ything Larger",
        ("Alt++", "Alt+="),
        starts_section=True,
        tip="Text, lines and all: for a lecture hall.",
        find="size font text big bigger zoom scale enlarge",
    ),
    Action(
        "smaller",
        "View",
        "Everyt&hing Smaller",
        ("Alt+-",),
        tip="Text, lines and all.",
        find="size font text little zoom scale shrink",
    ),
    Action("usual_size", "View", "Usual Si&ze", ("Alt+0",), find="normal default font text scale 100 %"),
    Action(
        "full_screen",
        "View",
        "F&ull Screen",
        ("F11",),
        checkable=True,
        find="whole large maximise lecture beamer",
    ),
    Action("theme_system", "View", "Theme of the System", checkable=True, group="theme", starts_section=True),
    Action("theme_light", "View", "&Light", checkable=True, group="theme"),
    Action("theme_dark", "View", "&Dark", checkable=True, group="theme"),
    Action("shortcuts", "Help", "&Keyboard and Mouse", ("F1",), find="shortcuts keys gestures wheel"),
    Action("words", "Help", "&Words…", ("Ctrl+F1",), tip="What the words, symbols and marks mean.", find=_GLOSSARY),
    Action("about", "Help", "&About Gradient Flow Explorer"),
)

BY_ID = {action.id: action for action in ACTIONS}
