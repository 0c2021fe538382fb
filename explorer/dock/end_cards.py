"""The two ends of the stack as cards: what is read out of it, and what goes in."""

from __future__ import annotations

from typing import Any

from engine.parameters import input_size, output_size
from engine.spec import CopyTask, Experiment
from explorer.dock.card import StackCard, count
from explorer.dock.fields import ChoiceField, NumberField, by
from explorer.dock.rows import RowPair

_LOSSES = [("mse", "MSE"), ("cross_entropy", "cross-entropy"), ("binary_cross_entropy", "binary cross-entropy")]
_CHIPS = {"mse": "MSE", "cross_entropy": "cross-entropy", "binary_cross_entropy": "binary c.-e."}
_PLACES = [("last", "last step"), ("every", "every step"), ("mean", "mean of steps"), ("attention", "attention")]
_TASKS = [("adding", "adding problem"), ("sunspots", "sunspots"), ("copy", "copy memory")]


class ReadoutCard(StackCard):
    def __init__(self) -> None:
        super().__init__("Read-out", "loss")
        places = ChoiceField("Loss taken at", _PLACES)
        size = NumberField("Size of the attention", whole=True, step=by(1, 1))
        self.add(
            self.row("loss", "loss", ChoiceField("Loss", _LOSSES)),
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
        taken = dict(_PLACES)[values["at"]] + (
            f", size {values['attention_size']}" if values["at"] == "attention" else ""
        )
        counted = "" if parameters is None else count(parameters, "parameter")
        self.say(f"Read-out, {dict(_LOSSES)[values['loss']]}", ("taken at", taken), (linear, counted))

    def set_recorded(self) -> None:
        self.chip.say("")
        self.say("Read-out, not recorded", ("", ""))


class InputCard(StackCard):
    def __init__(self) -> None:
        super().__init__("Input", "border")
        whole = by(1, 1)
        batch = NumberField("Batch size", whole=True, step=whole)
        delay = NumberField("Delay", whole=True, step=whole)
        shortest = NumberField("Shortest sequence", whole=True, empty="all have T steps", step=by(1, 2))
        embedding = NumberField("Size of the embedding", whole=True, empty="none", step=whole)
        self.add(
            self.row("task", "task", ChoiceField("Task", _TASKS)),
            RowPair(
                self.row("steps", "T", NumberField("Time steps T", whole=True, step=whole), "Time steps"),
                self.row("batch_size", "batch", batch, "Sequences at a time"),
            ),
            self.row("delay", "delay", delay, "Steps for which ten symbols must be remembered; T is 20 more"),
            self.row("shortest", "shortest", shortest, "Sequences have lengths from this to T. Empty: all have T"),
            self.row(
                "embedding",
                "embedding",
                embedding,
                "Size of the vectors that symbols become. Empty: none, for input that is numbers",
            ),
        )

    def set_experiment(self, experiment: Experiment, values: dict[str, Any], parameters: int | None) -> None:
        self.fill(values)
        task, embedding = values["task"], experiment.model.embedding
        self.rows["shortest"].setVisible(task == "adding")
        self.rows["delay"].setVisible(task == "copy")
        self.rows["embedding"].setVisible(task == "copy" or embedding is not None)
        steps = self.rows["steps"]
        steps.field.setEnabled(task != "copy")  # its delay says how many
        size = count(input_size(experiment.model, experiment.task), "feature")
        self.chip.say("10 symbols" if isinstance(experiment.task, CopyTask) else size)
        word = dict(_TASKS)[task]
        shortest = f"{values['shortest']} … " if values["shortest"] is not None else ""
        length, batch = f"T = {shortest}{values['steps']}", str(values["batch_size"])
        first, second = (word, length), ("batch", batch)
        if embedding is not None:
            counted = "" if parameters is None else count(parameters, "parameter")
            first = (word, f"{length} · batch {batch}")
            second = (f"embedding {embedding.symbols} → {embedding.size}", counted)
        self.say(f"Input, {word}", first, second)

    def set_recorded(self, steps: int, batch_size: int) -> None:
        self.chip.say("recorded")
        self.say("Input, recorded", ("", f"T = {steps} · batch {batch_size}"))
        self.rows["shortest"].hide()
        self.rows["delay"].hide()
        self.rows["embedding"].hide()
