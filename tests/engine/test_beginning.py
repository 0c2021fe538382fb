"""What a new experiment is trained with learns, where plain descent does not."""

from __future__ import annotations

from engine import beginning
from engine.checks import checked
from engine.spec import EchoTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec, TrainingSpec
from engine.task_facts import baseline
from engine.training_loop import fit

ITERATIONS = 150


def loss(training: TrainingSpec) -> tuple[float, float]:
    """The mean of the last ten iterations, and the baseline of answers that have learned nothing."""
    model = ModelSpec(layers=(LayerSpec(cell="lstm"),), readout=ReadoutSpec(at="every"))
    experiment = checked(Experiment(model=model, task=EchoTask(steps=20, delay=3), training=training, device="cpu"))
    *_, last = fit(experiment, ITERATIONS, budget=1)
    nothing = baseline(experiment.task, model)
    assert nothing is not None
    return float(last.log.column("losses")[-10:].mean()), nothing


def test_an_experiment_that_is_new_learns_an_echo_and_plain_descent_hardly_does() -> None:
    learned, nothing = loss(beginning.TRAINING)
    plain, _ = loss(TrainingSpec())
    assert learned < 0.3 * nothing, "within the first few hundred iterations"
    assert plain > 0.8 * nothing, "or it would be no worse a beginning"
