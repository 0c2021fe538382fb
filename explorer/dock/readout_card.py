"""The top of the stack as a card: what is read out of it, and the loss."""

from __future__ import annotations

from typing import Any

from engine.parameters import output_size
from engine.spec import Experiment
from explorer.dock.card import StackCard, count
from explorer.dock.fields import ChoiceField, NumberField, by
from explorer.dock.words import LOSSES, PLACES

_CHIPS = {"mse": "MSE", "cross_entropy": "cross-entropy", "binary_cross_entropy": "binary c.-e."}


class ReadoutCard(StackCard):
    def __init__(self) -> None:
        super().__init__("Read-out", "loss")
        places = ChoiceField("Loss taken at", PLACES)
        size = NumberField("Size of the attention", whole=True, step=by(1, 1))
        self.add(
            self.row("loss", "loss", ChoiceField("Loss", LOSSES)),
            self.row("at", "taken at", places, "What the read-out reads, and so where the loss is taken"),
            self.row("attention_size", "size", size, "Rows of W in softmax(vᵀ tanh(W h + b)) (Bahdanau et al. 2015)"),
        )

    def set_experiment(self, experiment: Experiment, values: dict[str, Any], parameters: int | None) -> None:
        self.fill(values)
        self.rows["attention_size"].setVisible(values["at"] == "attention")
        self.chip.say(_CHIPS[values["loss"]])
        layers = experiment.model.layers
        writes = output_size(experiment.model, experiment.task)
        linear = f"linear {layers[-1].width} → {writes}" if layers else "nothing to read yet"
        taken = dict(PLACES)[values["at"]] + (
            f", size {values['attention_size']}" if values["at"] == "attention" else ""
        )
        counted = "" if parameters is None else count(parameters, "parameter")
        self.say(f"Read-out, {dict(LOSSES)[values['loss']]}", ("taken at", taken), (linear, counted))

    def set_recorded(self) -> None:
        self.chip.say("")
        self.say("Read-out, not recorded", ("", ""))
