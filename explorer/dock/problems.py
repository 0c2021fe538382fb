"""Which card and field a spec's sentence is about, and what is left of it there. Plain functions.

A sentence begins with its field: "model.layers[1].residual is true, but …".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import SpecError

READOUT, INPUT, RUN, TRAINING = "readout", "input", "run", "training"
_OUT_OF_RANGE = re.compile(r"[\w.\[\]]+ is ([^ ;]+); (.+ (?:is|are) accepted(?: only .+)?\.)")
_LAYER = re.compile(r"model\.layers\[(\d+)\]\.(.+)")
_PATH = re.compile(
    r"^(?:(?:experiment|model|task|training|what_if|layer)[\w\[\]]*(?:\.[\w\[\]]+)*)(?= (?:is|has|and)\b)"
)
_OTHER = re.compile(r"\b(?:task|model|training)\.(?:\w+\.)*(\w+)\b")

# Fields by the path that the engine's sentences have; those of a layer without "model.layers[k].".
_NAMES = {
    "init.input": "input",
    "init.recurrent": "recurrent",
    "init.std": "std",
    "init.gain": "gain",
    "init.spectral_radius": "spectral_radius",
    "init.forget_bias": "forget_bias",
    "init.update_bias": "update_bias",
    "init.chrono": "chrono",
    "recurrent_dropout.p": "recurrent_dropout",
    "model.loss": "loss",
    "model.readout.at": "at",
    "model.readout.attention_size": "attention_size",
    "model.embedding": "embedding",
    "model.embedding.size": "embedding",
    "task.steps": "steps",
    "task.shortest": "shortest",
    "task.delay": "delay",
    "task.batch_size": "batch_size",
    "task.waves": "waves",
    "task.noise": "noise",
    "task.target": "target",
    "task.ahead": "ahead",
    "task.stride": "stride",
    "task.symbols": "symbols",
    "task.split.train": "train_share",
    "task.split.validation": "validation_share",
    "training.learning_rate": "learning_rate",
    "training.clip.kind": "clip",
    "training.clip.max_norm": "max_norm",
    "training.clip.max_value": "max_value",
    "training.clip.ratio": "ratio",
    "training.truncation": "truncation",
    "training.truncation.k2": "truncation",
    "training.truncation.k1": "truncation_every",
    "training.optimizer.momentum": "momentum",
    "training.optimizer.nesterov": "nesterov",
    "training.optimizer.alpha": "alpha",
    "training.optimizer.beta1": "beta1",
    "training.optimizer.beta2": "beta2",
    "training.optimizer.epsilon": "epsilon",
    "training.schedule.warmup": "warmup",
    "training.schedule.every": "schedule_every",
    "training.schedule.factor": "factor",
    "training.schedule.length": "length",
    "training.schedule.floor": "schedule_floor",
    "training.l1": "l1",
    "training.l2": "l2",
    "training.carry": "carry",
    "training.sampling": "sampling",
    "training.sampling.k": "sampling_k",
    "training.sampling.c": "sampling_c",
    "training.sampling.floor": "sampling_floor",
    "training.evaluate_every": "evaluate_every",
    "training.early_stop.patience": "patience",
    "training.early_stop.least": "least",
    "training.iterations": "iterations",
    "seed": "seed",
}
_CARDS = {"model.readout": READOUT, "model.loss": READOUT, "model.embedding": INPUT, "task": INPUT}


@dataclass(frozen=True)
class Problem:
    """A sentence for a place of the dock."""

    card: str
    """"readout", "input", "run", "training"; of a layer "l0", …; "" where it names none of them (the whole stack)."""
    field: str
    """The field's name in its card; "" where it has none."""
    sentence: str


def problem(error: SpecError) -> Problem:
    sentence = str(error)
    path = sentence.split(" ", 1)[0]
    if found := _LAYER.match(path):
        field = found[2]
        return Problem(f"l{found[1]}", _NAMES.get(field, field), said_at_the_field(sentence))
    card = next((card for start, card in _CARDS.items() if path == start or path.startswith(f"{start}.")), "")
    if not card and path.startswith("training."):
        card = TRAINING
    elif path == "seed":
        card = RUN
    field = _NAMES.get(path, "")
    return Problem(card, field, said_at_the_field(sentence) if card else sentence)


def said_at_the_field(sentence: str) -> str:
    """A spec's sentence without the field's path: it stands at the field, which may have another name there. Where it
    speaks of another field, that has its word: "batch size"."""
    if found := _OUT_OF_RANGE.fullmatch(sentence):
        return f"{found[1]}: {found[2]}"
    path = _PATH.match(sentence)
    rest = sentence if path is None else f"{path[0].rpartition('.')[2]}{sentence[path.end() :]}"
    return _plain(rest)


def _plain(sentence: str) -> str:
    said = re.sub(r"\bmodel\.layers\[(\d+)\]", r"layer l\1", sentence)
    for path, word in _PATHS.items():
        said = said.replace(path, word)
    said = _OTHER.sub(lambda found: found[1], said)
    for spec, word in _WORDS.items():
        said = re.sub(rf"\b{spec}\b", word, said)
    return said[:1].upper() + said[1:]


_PATHS = {
    "model.readout.at is": "the loss is taken at",
    "training.clip.kind": "clipping of kind",
    "with task.shortest": "with a shortest length",
    "task.split.train": "the training part",
    "task.split.validation": "the validation part",
}
_WORDS = {
    "batch_size": "batch size",
    "batch_norm is true": "batch normalisation is on",
    "layer_norm is true": "layer normalisation is on",
    "residual is true": "the residual connection is on",
    "carry is true": "carry is on",
    "nesterov is true with kind": "Nesterov's momentum is on with",
    "sampling is set": "scheduled sampling is on",
    "hidden_size": "units",
    "at is": "the loss is taken at",
    "cross_entropy": "cross-entropy",
    "binary_cross_entropy": "binary cross-entropy",
}
