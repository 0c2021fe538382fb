"""What the iterations of a training were trained with and what recorded them, and to which of them one can go back.
Plain data, no torch.

An iteration whose state is not kept is trained again from the nearest one before it, with what it was trained with.
What that was is kept with the state up to which it led. Of a training that was changed very often the oldest is let go,
and what came before can no longer be trained again: with another recipe it would be a network that never was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from engine.checks import checked, checked_what_if
from engine.errors import SessionError, SpecError
from engine.parameters import parameter_shapes
from engine.spec import NO_WHAT_IF, Dtype, Experiment, Spec, TrainingSpec, WhatIf

MAX_ITERATION = 10**9
MAX_RECIPES = 256
MAX_ORIGINS = 64


class Recipe(Spec, frozen=True, kw_only=True):
    """What iterations were trained with: those after the recipe before it, up to `until`."""

    until: int
    experiment: Experiment
    what_if: WhatIf = NO_WHAT_IF


def alike(one: Recipe, other: Recipe) -> bool:
    """Whether both train in the same way."""
    return (one.experiment, one.what_if) == (other.experiment, other.what_if)


def of_one_network(one: Experiment, other: Experiment) -> bool:
    """Whether a state of one could be one of the other, as far as its parameters go."""
    try:
        return one.dtype == other.dtype and (
            one.model == other.model or parameter_shapes(checked(one)) == parameter_shapes(checked(other))
        )
    except SpecError:
        return False


def in_dtype(recipe: Recipe, dtype: Dtype) -> Recipe:
    """What led to where the number type was changed goes on in the new one, but else as it was."""
    return msgspec.structs.replace(recipe, experiment=msgspec.structs.replace(recipe.experiment, dtype=dtype))


def recipes_until(recipes: Sequence[Recipe], iteration: int) -> tuple[Recipe, ...]:
    """What the iterations up to one were trained with."""
    found: list[Recipe] = []
    for recipe in recipes:
        if recipe.until <= iteration or (found[-1].until if found else 0) < iteration:
            found.append(msgspec.structs.replace(recipe, until=min(recipe.until, iteration)))
    return tuple(found)


class Origin(Spec, frozen=True, kw_only=True):
    """What the records of iterations were made by: those from the origin before it on, up to and without `until`."""

    until: int
    torch: str
    """The version."""
    device: str = ""
    """ "cpu", "cuda:0"; "": not known."""


def out_of_reach(iteration: int, kept: Collection[int], known_from: int, cast_before: int = 0) -> str:
    """Why one cannot go back to an iteration, in one sentence; "" where one can. `kept`: the iterations whose state is
    kept; `known_from`: from which one on it is known what they were trained with; `cast_before`: those before it were
    trained in another number type. Iteration 0 is what the seed says."""
    if iteration >= known_from or iteration == 0 or iteration in kept:
        return ""
    if iteration < cast_before:
        return (
            f"Iteration {iteration:,} cannot be gone back to: the iterations before {cast_before:,} were trained in "
            "another number type, and of them only those whose state is kept can be shown."
        )
    return (
        f"Iteration {iteration:,} cannot be gone back to: what it was trained with is known only from iteration "
        f"{known_from:,} on, for the training was changed so often, or its states are so large, that no more is kept."
    )


def as_traced(experiment: Experiment, what_if: WhatIf) -> tuple[Experiment, WhatIf]:
    """As far as the trace of an iteration depends on it, its weights aside: how a step is made comes after it."""
    of = experiment.training
    training = TrainingSpec(truncation=of.truncation, carry=of.carry, sampling=of.sampling)
    return (
        msgspec.structs.replace(experiment, training=training),
        msgspec.structs.replace(what_if, clip_norm=None),
    )


def check_recipes(recipes: Sequence[Recipe], of: Experiment) -> None:
    """Raises SpecError or SessionError."""
    if len(recipes) > MAX_RECIPES:
        raise SessionError(f"It was trained with {len(recipes)} recipes; up to {MAX_RECIPES} are accepted.")
    last = -1
    for recipe in recipes:
        checked(recipe.experiment)
        checked_what_if(recipe.what_if)
        if not last < recipe.until <= MAX_ITERATION:
            raise SessionError(f"A recipe leads up to iteration {recipe.until}; {last + 1} or more is needed.")
        last = recipe.until
        if recipe.experiment.dtype != of.dtype or parameter_shapes(recipe.experiment) != parameter_shapes(of):
            raise SessionError(f"The recipe up to iteration {recipe.until} is another network's.")


def check_origins(origins: Sequence[Origin]) -> None:
    """Raises SessionError."""
    if len(origins) > MAX_ORIGINS:
        raise SessionError(f"It was recorded by {len(origins)} versions; up to {MAX_ORIGINS} are accepted.")
    last = 0
    for origin in origins:
        if not last < origin.until <= MAX_ITERATION:
            raise SessionError(f"A version recorded up to iteration {origin.until}; {last + 1} or more is needed.")
        last = origin.until


def recorded_until(origins: Sequence[Origin], iteration: int) -> tuple[Origin, ...]:
    """What recorded the iterations before one."""
    found: list[Origin] = []
    for origin in origins:
        if not found or found[-1].until < iteration:
            found.append(msgspec.structs.replace(origin, until=min(origin.until, iteration)))
    return tuple(found) if iteration > 0 else ()


def with_origin(origins: Sequence[Origin], newest: Origin) -> tuple[Origin, ...]:
    """With those that follow, up to `newest.until`. Where there are too many, the oldest count as the next one's."""
    found = list(recorded_until(origins, newest.until))
    if newest.until > (found[-1].until if found else 0):
        if found and (found[-1].torch, found[-1].device) == (newest.torch, newest.device):
            found.pop()
        found.append(newest)
    return tuple(found[-MAX_ORIGINS:])
