"""What if…: interventions on top of the weights. They change the computation, never the weights that are kept."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.checks import check_fit, checked_what_if
from engine.errors import SpecError
from engine.quantities import CELL_TITLES, GATES, QUANTITIES
from engine.spec import (
    FORGET_BIAS_RANGE,
    NO_WHAT_IF,
    RECURRENT_SCALE_RANGE,
    ClipSpec,
    GateBias,
    LayerSpec,
    WhatIf,
)
from explorer.dock.fields import ChoiceField, NumberField, Segments, by, plain, times
from explorer.dock.flag import Disclosure
from explorer.dock.interventions import ClampList, CutList
from explorer.dock.problems import said_at_the_field
from explorer.dock.rows import FieldRow
from explorer.dock.slider import DragSlider
from explorer.dock.slider_row import (
    HUNDREDTHS,
    SliderRow,
    clip_last,
    clip_norm,
    clip_position,
    from_hundredths,
    radius,
    radius_position,
    scale_text,
    shift_text,
    short_norm,
    to_hundredths,
)
from explorer.dock.tab_order import set_tab_order
from explorer.theme.tokens import TIGHT

_SCALE, _RADIUS = "scale", "radius"
_FIRST = ("f", "z", "")
"""The gates that are shifted most often; the others are below "more"."""
_ORDER = tuple(dict.fromkeys(_FIRST + GATES["lstm"] + GATES["gru"]))
_TYPES = [
    ("", "as the model"),
    ("float64", "float64"),
    ("float32", "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
]


class WhatIfPanel(QWidget):
    """`dragged`: live, while a slider moves; `edited`: committed, one undo step."""

    dragged = Signal(object)
    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what_if = NO_WHAT_IF
        self._layers: tuple[LayerSpec, ...] = ()
        self._steps = 1
        self._radius_wanted = False
        self.way = Segments("Recurrent weights, changed by", [(_SCALE, "scale"), (_RADIUS, "spectral radius")])
        self.scale = _slider(
            "Recurrent weights",
            RECURRENT_SCALE_RANGE,
            10,
            NO_WHAT_IF.recurrent_scale,
            NumberField("Scale of the recurrent weights", show=scale_text, step=by(0.01, RECURRENT_SCALE_RANGE[0])),
        )
        self.scale.setToolTip("Multiplies every recurrent weight (weight_hh); the weights themselves are kept.")
        name = "Spectral radius"
        last = radius_position(RECURRENT_SCALE_RANGE[1])
        self.radius = SliderRow(
            name,
            NumberField(f"{name} of the recurrent weights", empty="as it is", step=by(0.01, 0.0)),
            DragSlider(name, 0, last, 10, 0),
            None,
            radius,
            radius_position,
        )
        self.radius.setToolTip("Each gate's block of every weight_hh is scaled to it. At the left end nothing is.")
        self.biases: dict[str, BiasRow] = {}
        """By gate, made when a stack first has it."""
        self._first = QWidget()
        self.disclosure = Disclosure("the gates' biases", "more gates", "fewer gates")
        self.more = QWidget()
        name = "What if: clip at"  # training has a clipping of its own, further down
        self.clip = SliderRow(
            name,
            NumberField(name, empty="off", show=plain, step=times),
            DragSlider(name, 0, clip_last(), 25, 0),
            NO_WHAT_IF.clip_norm,
            clip_norm,
            clip_position,
        )
        self.clamps, self.cuts = ClampList(), CutList()
        arithmetic = ChoiceField("Arithmetic", _TYPES)
        self.dtype = FieldRow("dtype", "arithmetic", arithmetic, "Everything is computed in it, and shown in it")

        column = _column(self, TIGHT)
        above = (self.way, self.scale, self.radius, self._first, self.disclosure, self.more)
        for part in (*above, self.clip, self.dtype, self.clamps, self.cuts):
            column.addWidget(part)
        column.insertSpacing(1, 2)
        self._columns = (_column(self._first, TIGHT), _column(self.more, TIGHT))
        self.more.hide()

        self.disclosure.toggled.connect(self.more.setVisible)
        self.way.edited.connect(self._choose_way)
        for row, drag, edit in (
            (self.scale, self._drag_scale, self._edit_scale),
            (self.radius, self._drag_radius, self._edit_radius),
            (self.clip, self._drag_clip, self._edit_clip),
        ):
            row.dragged.connect(drag)
            row.edited.connect(edit)
        self.dtype.edited.connect(self._edit_dtype)
        self.clamps.edited.connect(self._edit_clamps)
        self.cuts.edited.connect(self._edit_cuts)
        self.set_what_if(NO_WHAT_IF, (), ClipSpec())

    def set_what_if(
        self, what_if: WhatIf, layers: tuple[LayerSpec, ...], trained_with: ClipSpec, steps: int = 1
    ) -> None:
        """`trained_with`: the clipping that holds while the what-if has none. `steps`: T."""
        self._what_if, self._layers, self._steps = what_if, layers, steps
        self._show_way()
        self.scale.set_value(what_if.recurrent_scale)
        self.radius.set_value(what_if.spectral_radius)
        there = {gate for layer in layers for gate in GATES[layer.cell]}
        for gate in (gate for gate in _ORDER if gate in there or gate in self.biases):
            row = self.biases.get(gate) or self._make_bias(gate)
            row.set_value(shift_of(what_if, gate))
            row.setVisible(gate in there)
            row.explain(gate, layers)
        self._first.setVisible(any(gate in there for gate in _FIRST))
        others = [gate for gate in there if gate not in _FIRST]
        self.disclosure.setVisible(bool(others))
        if any(shift_of(what_if, gate) for gate in others):
            self.disclosure.setChecked(True)
        self.more.setVisible(bool(others) and self.disclosure.isChecked())
        self.clip.set_rest(trained_with.max_norm if trained_with.kind == "norm" else None)
        self.clip.set_value(what_if.clip_norm)
        self._say_clip(trained_with)
        self.dtype.set_value(what_if.dtype or "")
        self.clamps.set_items(what_if.clamps, layers)
        self.cuts.set_items(what_if.cuts, layers)

    def _make_bias(self, gate: str) -> BiasRow:
        made = self.biases[gate] = _bias(gate)
        made.shifted.connect(self._drag_bias)
        made.committed.connect(self._edit_bias)
        column = self._columns[gate not in _FIRST]
        column.insertWidget(sum(_ORDER.index(one) < _ORDER.index(gate) for one in self._beside(gate)), made)
        set_tab_order([self])  # what is made late would come last of the whole window
        return made

    def _beside(self, gate: str) -> list[str]:
        return [one for one in self.biases if one != gate and (one in _FIRST) == (gate in _FIRST)]

    def _say_clip(self, trained_with: ClipSpec) -> None:
        if trained_with.kind == "norm":
            self.clip.field.set_empty(f"training: ≤ {short_norm(trained_with.max_norm)}")
            rest = f"Where it stands now the training's own threshold holds, {plain(trained_with.max_norm)}."
            if self._what_if.clip_norm is not None:
                rest = f"At the left end the training's own threshold holds, {plain(trained_with.max_norm)}."
        elif trained_with.kind == "none":
            self.clip.field.set_empty("off")
            rest = "At the left end nothing is clipped."
        else:
            self.clip.field.set_empty("as trained")
            rest = "At the left end the training's own kind of clipping holds."
        self.clip.fit_field()
        self.clip.setToolTip(
            "What if the whole parameter gradient were clipped to this norm, instead of as Training, below, has it "
            f"under clip? {rest}"
        )

    # -- scale or spectral radius -------------------------------------------------------------------------------------

    def _show_way(self) -> None:
        what_if = self._what_if
        if what_if.spectral_radius is not None:
            self._radius_wanted = True
        elif what_if.recurrent_scale != NO_WHAT_IF.recurrent_scale:
            self._radius_wanted = False
        self.way.set_value(_RADIUS if self._radius_wanted else _SCALE)
        self.scale.setVisible(not self._radius_wanted)
        self.radius.setVisible(self._radius_wanted)

    def _choose_way(self, way: str) -> None:
        """One or the other: what the one had been set to is taken back, or it would go on unseen."""
        self._radius_wanted = way == _RADIUS
        bare = replace(self._what_if, recurrent_scale=NO_WHAT_IF.recurrent_scale, spectral_radius=None)
        if bare == self._what_if:
            self._show_way()
        else:
            self.edited.emit(bare)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _commit(self, row: SliderRow, what_if: WhatIf) -> None:
        try:
            self.edited.emit(checked_what_if(what_if))
        except SpecError as error:
            row.show_error(said_at_the_field(str(error)))

    def _drag_scale(self, value: float) -> None:
        self.dragged.emit(replace(self._what_if, recurrent_scale=value, spectral_radius=None))

    def _edit_scale(self, value: float) -> None:
        self._commit(self.scale, replace(self._what_if, recurrent_scale=float(value), spectral_radius=None))

    def _drag_radius(self, value: float | None) -> None:
        self.dragged.emit(_with_radius(self._what_if, value))

    def _edit_radius(self, value: float | None) -> None:
        self._commit(self.radius, _with_radius(self._what_if, value))

    def _drag_bias(self, gate: str, value: float) -> None:
        self.dragged.emit(with_shift(self._what_if, gate, value))

    def _edit_bias(self, gate: str, value: float) -> None:
        self._commit(self.biases[gate], with_shift(self._what_if, gate, float(value)))

    def _drag_clip(self, value: float | None) -> None:
        self.dragged.emit(replace(self._what_if, clip_norm=value))

    def _edit_clip(self, value: float | None) -> None:
        self._commit(self.clip, replace(self._what_if, clip_norm=value))

    def _edit_dtype(self, _name: str, value: Any) -> None:
        self.edited.emit(replace(self._what_if, dtype=value or None))

    def _edit_clamps(self, clamps: tuple[Any, ...], place: int) -> None:
        self._take(self.clamps, replace(self._what_if, clamps=clamps), place)

    def _edit_cuts(self, cuts: tuple[Any, ...], place: int) -> None:
        self._take(self.cuts, replace(self._what_if, cuts=cuts), place)

    def _take(self, within: ClampList | CutList, what_if: WhatIf, place: int) -> None:
        try:
            checked_what_if(what_if)
            if self._layers:
                check_fit(self._layers, self._steps, what_if)
        except SpecError as error:
            within.show_error(place, said_at_the_field(str(error)))
        else:
            self.edited.emit(what_if)


class BiasRow(SliderRow):
    """The shift of one gate's bias."""

    shifted = Signal(str, object)
    committed = Signal(str, object)

    def __init__(self, gate: str, title: str) -> None:
        low, high = (round(end * HUNDREDTHS) for end in FORGET_BIAS_RANGE)
        field = NumberField(f"{title}: shift", show=shift_text, step=by(0.01))
        super().__init__(title, field, DragSlider(title, low, high, 50, 0), 0.0, from_hundredths, to_hundredths)
        self.gate = gate
        self.dragged.connect(self._drag)
        self.edited.connect(self._edit)

    def _drag(self, value: object) -> None:
        self.shifted.emit(self.gate, value)

    def _edit(self, value: object) -> None:
        self.committed.emit(self.gate, value)

    def explain(self, gate: str, layers: tuple[LayerSpec, ...]) -> None:
        having = dict.fromkeys(CELL_TITLES[layer.cell] for layer in layers if gate in GATES[layer.cell])
        many = sum(gate in GATES[layer.cell] for layer in layers) > 1
        where = f" in every {' and '.join(having)} layer" if many else ""
        what = "Shifts the bias of the forget gate: to the right it stays open and keeps the cell state"
        self.setToolTip(f"{what if gate == 'f' else 'Shifts this bias'}{where}.")


def _bias(gate: str) -> BiasRow:
    known = {q.symbol: q.title for cell in ("lstm", "gru") for q in QUANTITIES[cell]}
    title = known.get(gate, "")
    if gate == "f":
        return BiasRow(gate, "Forget-gate bias")
    if gate == "z":
        return BiasRow(gate, "Update-gate bias")
    return BiasRow(gate, f"{title} bias {gate}" if gate else "Bias of the RNN")


def _slider(name: str, ends: tuple[float, float], page: int, default: float, field: NumberField) -> SliderRow:
    low, high = (round(end * HUNDREDTHS) for end in ends)
    slider = DragSlider(name, low, high, page, round(default * HUNDREDTHS))
    return SliderRow(name, field, slider, default, from_hundredths, to_hundredths)


def _with_radius(what_if: WhatIf, value: float | None) -> WhatIf:
    return replace(what_if, recurrent_scale=NO_WHAT_IF.recurrent_scale, spectral_radius=value)


def shift_of(what_if: WhatIf, gate: str) -> float:
    """The shift of a gate's bias, all that there is of it."""
    listed = sum(bias.shift for bias in what_if.gate_biases if bias.gate == gate)
    return listed + (what_if.forget_bias if gate == "f" else 0.0)


def with_shift(what_if: WhatIf, gate: str, shift: float) -> WhatIf:
    others = tuple(bias for bias in what_if.gate_biases if bias.gate != gate)
    if gate == "f":
        return replace(what_if, forget_bias=shift, gate_biases=others)
    return replace(what_if, gate_biases=(*others, GateBias(gate=gate, shift=shift)) if shift else others)


def _column(holder: QWidget, spacing: int) -> QVBoxLayout:
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(spacing)
    return column
