"""Scheduled sampling (Bengio, Vinyals, Jaitly & Shazeer 2015), and running free.

Of a task that predicts what it reads next, each input of a training sequence is the truth with probability ε_i, and
else what the network itself said at the step before: a symbol drawn from its probabilities, or its forecast. ε_i falls
with the iteration i (section 2.4). What is chosen is data: no gradient passes through the choice. Which inputs are
chosen, and the symbols drawn, follow from the seed, the iteration and the parameters.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from engine.draws import generator, uniform
from engine.network import Network
from engine.spec import Experiment, SamplingSpec
from engine.stepping import Stepper
from engine.task_facts import form
from engine.tasks import Batch
from engine.tracing import Initial


def truth_share(sampling: SamplingSpec, iteration: int) -> float:
    """ε_i: the probability that an input is the truth, at an iteration from 0."""
    k, i = sampling.k, iteration
    if sampling.decay == "linear":
        return max(sampling.floor, k - sampling.c * i)
    if sampling.decay == "exponential":
        return float(k**i)
    return k / (k + math.exp(i / k)) if i / k < 700 else 0.0  # of which the exponential is out of range


def sampled(network: Network, batch: Batch, iteration: int, initial: Initial = None) -> Batch:
    """The batch of an iteration as it is read: with the inputs that the network said itself in the place of some. The
    targets stay. The first step reads the truth. Without scheduled sampling it is the batch itself."""
    experiment = network.experiment
    if experiment.training.sampling is None:
        return batch
    (T, B), source = batch.x.shape[:2], generator(experiment.seed, "scheduled sampling", iteration)
    own = uniform((T, B), 0.0, 1.0, source) >= truth_share(experiment.training.sampling, iteration)
    own[0] = False
    if batch.lengths is not None:
        own &= torch.arange(T, device="cpu")[:, None] < batch.lengths.cpu()
    if not bool(own.any()):
        return batch
    draws = uniform((T, B), 0.0, 1.0, generator(experiment.seed, "sampled symbols", iteration))
    x, where = batch.x.clone(), own.to(batch.x.device)
    stepper = Stepper(network, T, B, initial, iteration)
    for t in range(int(own.any(1).nonzero().max())):
        said = as_input(experiment, choice(experiment, stepper(x[t]), draws[t]), x)
        chosen = where[t + 1].view(-1, *[1] * (x.dim() - 2))
        x[t + 1] = torch.where(chosen, said, x[t + 1])
    return replace(batch, x=x)


def run_free(
    network: Network, batch: Batch, count: int, number: int = 0, initial: Initial = None, *, greedy: bool = False
) -> Tensor:
    """(B, count): what a network says that goes on by itself, each answer being its next input, from the end of each
    sequence that it was given: numbers, or symbols (int64) drawn from its probabilities (`greedy`: the likeliest).
    `number` is that of the batch, for the draws.

    Of a sequence x_1 … x_T answer k is what it would say at the end of x_1 … x_T, a_1 … a_(k−1), the states going on
    from the first step. So it is with an answer at every step and with one at the last alone, which a longer sequence
    has one step later.
    """
    experiment, (T, B) = network.experiment, batch.x.shape[:2]
    lengths = torch.full((B,), T, device="cpu") if batch.lengths is None else batch.lengths.cpu()
    draws = uniform((T + count, B), 0.0, 1.0, generator(experiment.seed, "free running", number))
    stepper = Stepper(network, T + count, B, initial, number)
    said: list[Tensor] = []
    read = batch.x[0]
    for t in range(int(lengths.max()) + count - 1):
        answer = choice(experiment, stepper(read), None if greedy else draws[t])
        said.append(answer.cpu())
        read = as_input(experiment, answer, batch.x)
        if t + 1 < T:
            given = (t + 1 < lengths).to(read.device).view(-1, *[1] * (read.dim() - 1))
            read = torch.where(given, batch.x[t + 1], read)
    every = torch.stack(said)
    return every.gather(0, lengths - 1 + torch.arange(count, device="cpu")[:, None]).T


def choice(experiment: Experiment, outputs: Tensor, draw: Tensor | None) -> Tensor:
    """What is said, (B,), from the outputs (B, O) of a step: the number, or the symbol at which the probabilities
    summed up pass `draw` (B,), float64 on the CPU, uniform; None: the likeliest."""
    if not form(experiment.task).symbols:
        return outputs[:, 0]
    if draw is None:
        return outputs.argmax(1)
    below = outputs.cpu().double().softmax(1).cumsum(1)
    symbols = torch.searchsorted(below, draw[:, None], right=True)[:, 0].clamp_max(outputs.shape[1] - 1)
    return symbols.to(outputs.device)


def as_input(experiment: Experiment, said: Tensor, like: Tensor) -> Tensor:
    """(B, D), or symbols (B,), as the network reads it."""
    if not form(experiment.task).symbols:
        return said[:, None].to(like.dtype)
    if experiment.model.embedding is not None:
        return said
    return nn.functional.one_hot(said, form(experiment.task).symbols).to(like.dtype)
