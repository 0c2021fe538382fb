"""The tape's moments, and what a person may write for one."""

from __future__ import annotations

import pytest

from engine.errors import SpecError
from engine.tape import Moment, Phase, Tape


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_every_position_is_a_moment_and_back(steps: int) -> None:
    tape = Tape(steps)
    assert len(tape) == 2 * steps + 3
    for position in range(len(tape)):
        moment = tape.moment(position)
        assert tape.position(moment) == position
        assert tape.parse(str(moment)) == moment
        assert position in tape.span(moment.phase)


def test_t_and_its_half_are_understood() -> None:
    assert Tape(7).parse(" Backward:T/2 ") == Moment(Phase.BACKWARD, 3)
    assert Tape(1).parse("forward:t/2") == Moment(Phase.FORWARD, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 1000,
        "forward:0",
        "forward:6",
        "forward:" + "9" * 5000,
        "loss:3",
        "forward:²",
        "a\nb",
        "\u202eloss",
        "\0",
    ],
)
def test_anything_else_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        Tape(5).parse(text)
    sentence = str(refused.value)
    assert len(sentence) < 160
    assert sentence.isprintable()
    assert sentence.endswith(".")
