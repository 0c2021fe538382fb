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
    """Whether the answer at a step could be read at the next, at every step: scheduled sampling needs it."""
    return experiment.model.readout.at == "every" and not why_not_free(experiment)


def why_not_free(experiment: Experiment) -> str:
    """Why a network cannot go on by itself from the end of a sequence, each answer being its next input, as the end of
    a sentence; "" where it can: where it forecasts the one number or symbol that it reads next, at every step or at the
    last."""
    task, model = experiment.task, experiment.model
    if not isinstance(task, (ReberTask, TextTask, SeriesTask, SinesTask, SunspotsTask)):
        return f"what the network says at a step of {facts(task).noun} is not what it reads at the next"
    if model.readout.at not in ("last", "every"):
        return f"the read-out '{model.readout.at}' is about all steps; 'last' and 'every' say what comes next"
    if any(layer.bidirectional for layer in model.layers):
        return "a layer that runs backwards begins at an end that is not there yet"
    if any(layer.batch_norm for layer in model.layers):
        return "batch normalisation takes its means over sequences that are all there"
    if isinstance(task, (ReberTask, TextTask)):
        return ""
    if model.loss != "mse":
        return "it says whether the next number is higher, and reads the number itself"
    if isinstance(task, SeriesTask) and task.columns != (task.target,):
        many = f"{len(task.columns)} columns" if len(task.columns) > 1 else f"'{task.columns[0]}'"
        return f"it reads {many} and forecasts '{task.target}' alone"
    if isinstance(task, SeriesTask) and task.ahead > 1:
        return f"it forecasts {task.ahead} steps ahead, and reads every step"
    return ""
