"""Whether everything in a session fits together, and is what somebody's own program may rely on. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine import tracks
from engine.checks import checked, checked_what_if
from engine.errors import SessionError
from engine.parameters import parameter_shapes
from engine.plaintext import one_line
from engine.recipes import MAX_ITERATION, check_origins, check_recipes
from engine.requests import Weights
from engine.session_view import check_pin, check_view
from engine.spec import Experiment
from engine.training_state import (
    STEPS,
    carried_of,
    carried_shapes,
    optimizer_of,
    optimizer_shapes,
    parameters_of,
    wrong_steps,
)

if TYPE_CHECKING:
    from engine.session import Session

MAX_PINS = 6


def check(session: Session) -> Session:
    """The session itself, if everything in it fits together. Raises SpecError or SessionError with one sentence."""
    experiment, view = checked(session.experiment), session.view
    checked_what_if(session.what_if)
    for iteration in (session.iteration, *session.history):
        if isinstance(iteration, bool) or not 0 <= iteration <= MAX_ITERATION:
            raise SessionError(f"iteration is {iteration}; 0 to {MAX_ITERATION:,} is accepted.")
    if session.iteration not in session.history and session.iteration != 0:
        raise SessionError(f"The weights of iteration {session.iteration}, which it shows, are missing.")
    check_recipes(session.recipes, experiment)
    _check_ends(session)
    check_origins(session.origins)
    if session.known_from and session.known_from not in session.history:
        raise SessionError(f"The weights of iteration {session.known_from}, from which it is known, are missing.")
    if not 0 <= session.cast_before <= MAX_ITERATION:
        raise SessionError(f"cast_before is {session.cast_before}; 0 to {MAX_ITERATION:,} is accepted.")
    for iteration, weights in session.history.items():
        _check_weights(iteration, weights, session.trained(iteration).experiment)
    check_view(view, experiment)
    layers = tracks.layer_kinds(experiment.model.layers)
    for key, array in session.fingerprint.items():
        tracks.check(tracks.parse(key), layers)
        if array.shape != (experiment.task.steps,) or array.dtype != np.float64:
            raise SessionError(f"The saved norms of {key} are not one float64 a step.")
    if len(session.pins) > MAX_PINS:
        raise SessionError(f"It has {len(session.pins)} pins; up to {MAX_PINS} are accepted.")
    for pin in session.pins:
        check_pin(pin)
    return session


def _check_ends(session: Session) -> None:
    """That nothing is of iterations that were not done. Raises SessionError."""
    last = session.furthest
    if session.recipes and session.recipes[-1].until > last:
        until = session.recipes[-1].until
        raise SessionError(f"A recipe leads up to iteration {until}, and its last state is of {last}.")
    if session.log.next is not None and session.log.next > last:
        raise SessionError(f"Its records lead up to iteration {session.log.next}, and its last state is of {last}.")
    if session.evaluations and (of := max(evaluation.iteration for evaluation in session.evaluations)) > last:
        raise SessionError(f"An evaluation is of iteration {of}, and its last state is of {last}.")
    if session.known_from > last:
        raise SessionError(f"It is known from iteration {session.known_from} on, and its last state is of {last}.")


def _check_weights(iteration: int, weights: Weights, experiment: Experiment) -> None:
    expected = parameter_shapes(experiment)
    if set(parameters_of(weights)) != set(expected):
        raise SessionError(f"The weights of iteration {iteration} are not {', '.join(expected)}.")
    for part, shapes in ((optimizer_of, optimizer_shapes), (carried_of, carried_shapes)):
        if names := set(part(weights)):  # a file may have the parameters alone
            expected |= shapes(experiment)
            if names != set(shapes(experiment)):
                odd = one_line(min(names ^ set(shapes(experiment))), 80)
                raise SessionError(f"The state of iteration {iteration} has '{odd}' too much or too little.")
    if wrong := wrong_steps(weights):
        raise SessionError(f"{STEPS} of iteration {iteration} {wrong}.")
    for name, shape in expected.items():
        array = weights[name]
        if array.shape != shape or array.dtype != np.dtype(experiment.dtype):
            raise SessionError(
                f"{name} of iteration {iteration} is {array.shape} of {array.dtype}; "
                f"{shape} of {experiment.dtype} is needed."
            )
