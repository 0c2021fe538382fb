"""A recurrent layer of the stack as a card."""

from __future__ import annotations

from typing import Any

from engine.quantities import CELL_TITLES, layer_title
from engine.spec import LayerSpec
from explorer.dock.card import StackCard, count
from explorer.dock.edits import LAYER_EDITS, layer_values
from explorer.dock.fields import ChoiceField, NumberField, Segments, by, plain, times
from explorer.dock.flag import Flag
from explorer.dock.rows import RowPair

_WEIGHTS = [
    ("default", "default"),
    ("xavier", "Xavier"),
    ("he", "He"),
    ("orthogonal", "orthogonal"),
    ("identity", "identity"),
    ("normal", "normal"),
]
_ACTIVATIONS = [
    ("tanh", "tanh"),
    ("relu", "ReLU"),
    ("leaky_relu", "leaky ReLU"),
    ("sigmoid", "sigmoid"),
    ("identity", "identity"),
]
_MASKS = [("step", "new each step"), ("sequence", "one a sequence")]
_WORDS = dict(_WEIGHTS)
_ACTIVATION_WORDS = dict(_ACTIVATIONS)


class LayerCard(StackCard):
    """Its fields are made when it is first opened: a tall stack is on screen at once."""

    def __init__(self) -> None:
        super().__init__("Layer", "backward", movable=True)
        self.number = 0
        self._made = False
        self._values: dict[str, Any] = {}

    def set_layer(self, layer: LayerSpec, number: int, layers: int, parameters: int | None, known: bool = True) -> None:
        """`number`: from 0, of `layers`. `known` False: of a recorded trace, which tells only some of it."""
        self.number = number
        title = CELL_TITLES[layer.cell]
        self.title.set_text(title)
        self.name.set_text(
            layer_title(f"l{number}"), tip=f"Layer {number + 1} of {layers} from the input; torch calls it l{number}."
        )
        self.name.setVisible(layers > 1)
        self.chip.say(f"2 × {count(layer.hidden_size, 'unit')}" if layer.bidirectional else _units(layer))
        self._values = layer_values(layer)
        if not known:
            self._values |= dict.fromkeys(set(LAYER_EDITS) - {"cell", "hidden_size", "activation"})
        second = "" if parameters is None else count(parameters, "parameter")
        first = ("init", initial_words(layer)) if known else ("", "")
        name = f"Layer {number + 1}, {title}, {count(layer.hidden_size, 'unit')}"
        self.say(name, first, (extras_words(layer) if known else "", second))
        self._fill()

    def set_open(self, opened: bool) -> None:
        if opened and not self._made:
            self._make()
        super().set_open(opened)

    def _fill(self) -> None:
        if not self._made:
            return
        self.fill(self._values)
        shown = self._values
        cell, rows = shown["cell"], self.rows
        rows["activation"].setVisible(cell == "rnn")
        rows["forget_bias"].setVisible(cell == "lstm")
        rows["update_bias"].setVisible(cell == "gru")
        rows["chrono"].setVisible(cell != "rnn")
        rows["std"].setVisible("normal" in (shown["input"], shown["recurrent"]))
        rows["dropout_mask"].setVisible(bool(shown["dropout"]))
        rows["recurrent_mask"].setVisible(bool(shown["recurrent_dropout"]))
        rows["norm_eps"].setVisible(bool(shown["layer_norm"] or shown["batch_norm"]))

    def _make(self) -> None:
        self._made = True
        whole, probability = by(1, 1), by(0.05, 0.0)
        cells = Segments("Cell", [("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
        directions = Segments("Direction", [(False, "forward"), (True, "both")])
        self.add(
            self.row("cell", "", cells),
            self.row("hidden_size", "units", NumberField("Units", whole=True, step=whole)),
            self.row(
                "bidirectional",
                "direction",
                directions,
                "Forward, or a second set of weights that runs from the last step to the first beside it",
            ),
            self.row("activation", "activation", ChoiceField("Activation", _ACTIVATIONS)),
            RowPair(
                self.row(
                    "recurrent",
                    "Wₕₕ",
                    ChoiceField("Initial recurrent weights", _WEIGHTS),
                    "Initial recurrent weights, each gate's block by itself",
                ),
                self.row(
                    "gain", "×", NumberField("Gain", step=by(0.05, 0.0)), "Factor on the initial recurrent weights"
                ),
                (3, 1),
            ),
            self.row(
                "forget_bias",
                "forget bias",
                NumberField("Forget bias", empty="torch default", step=by(0.1)),
                "Initial bias of the forget gate (both bias vectors together). Empty: torch's default",
            ),
            self.row(
                "update_bias",
                "update bias",
                NumberField("Update bias", empty="torch default", step=by(0.1)),
                "Initial bias of the update gate z; positive keeps the old state. Empty: torch's default",
            ),
            self.row(
                "dropout",
                "dropout",
                NumberField("Dropout", step=probability),
                "Probability that a number of the layer's output is dropped",
            ),
            RowPair(
                self.row("layer_norm", "", Flag("Layer normalisation", "layer norm"), _LAYER_NORM),
                self.row("residual", "", Flag("Residual connection", "residual"), _RESIDUAL),
            ),
        )
        self.add_more(
            self.row("input", "W_ih", ChoiceField("Initial input weights", _WEIGHTS), "Initial input weights"),
            self.row(
                "std",
                "std of normal",
                NumberField("Standard deviation", step=times),
                "Standard deviation of weights that are drawn from N(0, std²)",
            ),
            self.row(
                "bias",
                "biases",
                ChoiceField("Initial biases", [("default", "default"), ("zero", "zero")]),
                "Both bias vectors: torch's default, or 0",
            ),
            self.row(
                "spectral_radius",
                "spectral radius",
                NumberField("Initial spectral radius", empty="as drawn", step=by(0.05, 0.0)),
                "Each gate's block of W_hh is scaled to it, after everything else. Empty: as it was drawn",
            ),
            self.row(
                "chrono",
                "chrono T_max",
                NumberField("Chrono initialisation", whole=True, empty="off", step=by(1, 3)),
                "Biases drawn for dependencies of up to so many steps (Tallec & Ollivier 2018)",
            ),
            self.row("dropout_mask", "dropout mask", ChoiceField("Dropout mask", _MASKS)),
            self.row(
                "recurrent_dropout",
                "recurrent dropout",
                NumberField("Recurrent dropout", step=probability),
                "Probability that a unit of h₋ is dropped where it meets W_hh (Gal & Ghahramani 2016). 0: none",
            ),
            self.row("recurrent_mask", "its mask", ChoiceField("Mask of the recurrent dropout", _MASKS)),
            self.row("batch_norm", "", Flag("Batch normalisation", "batch normalisation"), _BATCH_NORM),
            self.row("norm_eps", "ε", NumberField("Epsilon of the normalisation", step=times)),
        )
        self._fill()


_LAYER_NORM = "Each gate's pre-activation is normalised over the layer's units (Ba et al. 2016)"
_BATCH_NORM = "The output is normalised over the batch, step by step"
_RESIDUAL = "What the layer reads is added to its output; both must be equally wide"


def initial_words(layer: LayerSpec) -> str:
    """ "orthogonal × 1.5, forget bias 1"."""
    init = layer.init
    words = [_WORDS[init.recurrent] + (f" × {plain(init.gain)}" if init.gain != 1.0 else "")]
    if init.input != "default" and init.input != init.recurrent:
        words.append(f"W_ih {_WORDS[init.input]}")
    if init.spectral_radius is not None:
        words.append(f"ρ = {plain(init.spectral_radius)}")
    for bias, name in ((init.forget_bias, "forget bias"), (init.update_bias, "update bias")):
        if bias is not None:
            words.append(f"{name} {plain(bias)}")
    if init.chrono is not None:
        words.append(f"chrono {init.chrono}")
    return ", ".join(words)


def extras_words(layer: LayerSpec) -> str:
    """What is out of the ordinary: "both ways · dropout 0.2"; "forward" where nothing is."""
    words = []
    if layer.bidirectional:
        words.append("both ways")
    if layer.cell == "rnn":
        words.append(_ACTIVATION_WORDS[layer.activation])
    if layer.residual:
        words.append("residual")
    if layer.layer_norm:
        words.append("layer norm")
    if layer.batch_norm:
        words.append("batch norm")
    if layer.dropout:
        words.append(f"dropout {plain(layer.dropout)}")
    if layer.recurrent_dropout is not None:
        words.append(f"recurrent dropout {plain(layer.recurrent_dropout.p)}")
    return " · ".join(words) or "forward"


def _units(layer: LayerSpec) -> str:
    return count(layer.hidden_size, "unit")
