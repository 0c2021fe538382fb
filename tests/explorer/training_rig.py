"""A runner whose answers come when a test gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lessons import trained
from slow_courier import SlowCourier
from synthetic import excerpt as synthetic

from engine.requests import Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from engine.training_requests import Diverged, Judged, Train
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.training.runner import JUDGE, RUN, Runner
from explorer.training.standing import Ending

STEPS = 10


def experiment(units: int = 4, **training: Any) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=units),)),
        task=AddingTask(steps=STEPS, batch_size=3),
        training=TrainingSpec(**{"evaluate_every": 1000, **training}),
    )


def weights(iteration: int) -> dict[str, Any]:
    return {"weight_hh_l0": np.full((4, 4), iteration, np.float32)}


class Rig:
    """A document whose picture is there; answers come when a test gives them."""

    def __init__(self, of: Experiment) -> None:
        self.courier = SlowCourier()
        self.courier.set_scope = lambda _scope: None  # type: ignore[attr-defined]
        self.courier.cancel = lambda *_: None  # type: ignore[attr-defined]
        self.courier.idle = lambda: True  # type: ignore[attr-defined]
        self.document = Document(State(tracks=("norms",), experiment=of), View())
        self.controller = Controller(self.document, self.courier)  # type: ignore[arg-type]
        self.runner = Runner(self.document, self.controller, self.courier)  # type: ignore[arg-type]
        self.endings: list[Ending] = []
        self.runner.ended.connect(self.endings.append)
        self.controller.refresh()
        self.show()

    def show(self) -> None:
        """The picture that was asked for last."""
        generation, look = self.courier.last("excerpt")
        assert isinstance(look, Look)
        made = synthetic("rnn", T=STEPS, H=4)
        drawn = weights(0) if look.source.weights is None else None
        self.courier.answered.emit("excerpt", generation, replace(made, weights=drawn))

    @property
    def asked(self) -> Train:
        return self.courier.last(RUN)[1]

    def answer(self, done: int | None = None, diverged: Diverged | None = None, seconds: float = 0.01) -> None:
        """`seconds`: that each iteration says it took."""
        asked = self.asked
        count = asked.count if done is None else done
        made = trained(asked.iteration, count, weights(asked.iteration + count), STEPS, diverged)
        timed = replace(made, records=replace(made.records, seconds=np.full(count, seconds)))
        self.courier.reply(RUN, timed)
        self.soon()

    def judge(self, loss: float) -> None:
        self.courier.reply(JUDGE, judged(loss))
        self.soon()

    def soon(self) -> None:
        """What is due in the event loop."""
        if self.runner._again.isActive():
            self.runner._again.stop()
            self.runner._go_on()


def judged(loss: float) -> Judged:
    few = np.zeros((1, 1))
    return Judged(
        part="validation",
        loss=loss,
        metric="rmse",
        value=loss**0.5,
        baseline=1 / 6,
        shape="value",
        inputs=few,
        predictions=few,
        probabilities=None,
        targets=few,
        lengths=np.ones(1, np.int64),
        confusion=None,
        labels=(),
    )
