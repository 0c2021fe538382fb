"""Training held to its ranges, as engine.checks holds the rest of an experiment. Plain data, no torch."""

from __future__ import annotations

from engine.errors import SpecError
from engine.figures import figure
from engine.ranges import real, whole
from engine.spec import Experiment, TrainingSpec
from engine.task_facts import facts
from engine.task_specs import ReberTask, SeriesTask, SinesTask, SunspotsTask, TextTask

MAX_ITERATIONS = 1_000_000


def check_training(training: TrainingSpec) -> None:
    """Raises SpecError."""
    optimizer, schedule = training.optimizer, training.schedule
    real("training.learning_rate", training.learning_rate, 0.0, 1e6)
    for field in ("momentum", "alpha", "beta1", "beta2"):
        if not 0.0 <= (value := getattr(optimizer, field)) < 1.0:
            raise SpecError(
                f"training.optimizer.{field} is {figure(value, 6)}; a number from 0 to below 1 is accepted."
            )
    real("training.optimizer.epsilon", optimizer.epsilon, 0.0, 1.0)
    if optimizer.nesterov and not (optimizer.kind == "sgd" and optimizer.momentum > 0):
        raise SpecError(
            f"training.optimizer.nesterov is true with kind '{optimizer.kind}' and momentum {optimizer.momentum:g}; "
            "'sgd' with a momentum above 0 is accepted."
        )
    whole("training.schedule.warmup", schedule.warmup, 0, MAX_ITERATIONS)
    whole("training.schedule.every", schedule.every, 1, MAX_ITERATIONS)
    real("training.schedule.factor", schedule.factor, 0.0, 1.0)
    whole("training.schedule.length", schedule.length, 1, MAX_ITERATIONS)
    real("training.schedule.floor", schedule.floor, 0.0, 1.0)
    real("training.l1", training.l1, 0.0, 1e6)
    real("training.l2", training.l2, 0.0, 1e6)
    if (sampling := training.sampling) is not None:
        high = 1e6 if sampling.decay == "inverse_sigmoid" else 1.0
        real("training.sampling.k", sampling.k, 1.0 if sampling.decay == "inverse_sigmoid" else 0.0, high)
        real("training.sampling.c", sampling.c, 0.0, 1.0)
        real("training.sampling.floor", sampling.floor, 0.0, 1.0)
    if (stop := training.early_stop) is not None:
        whole("training.early_stop.patience", stop.patience, 1, MAX_ITERATIONS)
        real("training.early_stop.least", stop.least, 0.0, 1e6)
    whole("training.evaluate_every", training.evaluate_every, 1, MAX_ITERATIONS)
    whole("training.iterations", training.iterations, 0, MAX_ITERATIONS)


def check_goes_on(experiment: Experiment) -> None:
    """That what training needs of task and model is there: sequences that go on, inputs that are the answers before.
    Raises SpecError."""
    task, training, model = experiment.task, experiment.training, experiment.model
    if training.carry:
        if not (isinstance(task, TextTask) and task.order == "stream"):
            raise SpecError(
                f"training.carry is true, but the sequences of {facts(task).noun} do not go on from batch to batch; "
                "a text task with order 'stream' is accepted."
            )
        for place, layer in enumerate(model.layers):
            if layer.bidirectional:
                raise SpecError(
                    f"training.carry is true, but model.layers[{place}] runs in both directions, and the reverse one "
                    "begins at the end; forward layers alone are accepted."
                )
    if training.sampling is not None and not feeds_itself(experiment):
        raise SpecError(
            f"training.sampling is set, but what the network says at a step of {facts(task).noun} is not what it reads "
            "at the next; a task that predicts the next symbol, or a single series' next value, at every step of "
            "forward layers without batch normalisation is accepted."
        )


def feeds_itself(experiment: Experiment) -> bool:
    """Whether the answer at a step could be read at the next: free running and scheduled sampling need it."""
    task, model = experiment.task, experiment.model
    if model.readout.at != "every" or any(layer.bidirectional or layer.batch_norm for layer in model.layers):
        return False
    if isinstance(task, (ReberTask, TextTask)):
        return True
    if isinstance(task, SeriesTask):
        return task.columns == (task.target,) and task.ahead == 1
    return isinstance(task, (SinesTask, SunspotsTask)) and model.loss == "mse"
