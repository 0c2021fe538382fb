"""Reads the command line and hands over to one module per command."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.metadata
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from engine.errors import EngineError
from engine.plaintext import one_line
from explorer import sizes
from explorer.cli.fresh import MISSING, TASKS
from explorer.cli.target import UsageError, resolve

_OF_TRAIN = ("--iterations", "--until", "--seed", "--cell", "--target", "--missing", "-o", "--output")
_COMMANDS = ("presets", "render", "trace", "check", "train", "history")

_USAGE = """gradflow [TARGET] [--scale PERCENT]
       gradflow presets
       gradflow render TARGET -o FILE.png [--at MOMENT] [--size 1600x1000] [--theme light|dark]
                [--scale PERCENT] [--drawer training|evaluation]
       gradflow trace TARGET -o FILE.npz
       gradflow check TARGET
       gradflow train TARGET --iterations N [--until METRIC<VALUE] [-o FILE.gflow]
                [--seed S] [--cell rnn|lstm|gru] [--target COLUMN] [--missing interpolate|last|leave-out]
       gradflow history FILE.gflow -o FILE.csv [--flow FILE.csv]"""

_DESCRIPTION = "See where the gradient goes in a recurrent network."

_EPILOG = """commands:
  (none)    open the window on TARGET, or on the first preset
  presets   list the presets: name, tab, title
  render    draw the window to a PNG, without a display
  trace     compute a trace and write every array of it to an .npz
  check     compare a trace with autograd; exit status 1 where it is off by more than the tolerance
  train     train TARGET and save the session; Ctrl+C pauses, and the same command goes on, to the bit; METRIC is
            loss, and accuracy or RMSE (in the data's units), of the validation part; exit status 1 where it diverges,
            130 where it was paused
  history   write the records of a session's training to a .csv: loss, norms, learning rate, evaluations

TARGET is one of
  the name of a preset (gradflow presets);
  a .gflow file: a saved session or a recorded trace;
  a task: {tasks};
  your own data: .csv or .tsv (a series, or sequences with an answer), .txt, .npy, .npz (for train and the window);
  a .toml file with an [experiment] as in presets/.
A task and data get one layer of 16 units, a GRU unless --cell says otherwise; where a preset has a task's name, the
preset is meant, and with --cell the task.
MOMENT is forward:t, loss, backward:t, clip or update, with t from 1; T and T/2 stand for the last and the middle step.

  gradflow sunspots
  gradflow render vanilla-rnn-forgets -o forgets.png --at backward:T/2 --theme dark
  gradflow check cell-state-carousel
  gradflow train sunspots --iterations 500 --until "RMSE<15" -o out.gflow
  gradflow train temporal-order --iterations 2000 --until "accuracy>0.95" -o order.gflow
  gradflow train echo --cell lstm --iterations 500 -o echo.gflow
  gradflow train echo --seed 3 --iterations 500 -o echo-3.gflow
  gradflow train prices.csv --target close --iterations 500 -o prices.gflow
  gradflow train prices.csv --missing interpolate --iterations 500 -o prices.gflow

What each of these options does: gradflow train --help. (prices.csv stands for a table of yours with a column close.)"""

_TRAIN_EPILOG = """examples:
  gradflow train adding --iterations 1000 --until "loss<0.02" -o adding.gflow
      up to 1000 iterations, or until an evaluation of the validation part has a loss below 0.02
  gradflow train adding.gflow --iterations 2000
      goes on where that stopped, up to 2000 in all, in the same file
  gradflow train echo --cell lstm --iterations 500 -o echo.gflow
      --cell: the task with an LSTM layer; without it a GRU
  gradflow train echo --seed 3 --iterations 500 -o echo-3.gflow
      --seed: other initial weights and other batches, to see how much of a result is chance; the same seed gives
      the same training again, to the bit
  gradflow train prices.csv --target close --iterations 500 -o prices.gflow
      --target: of a table of yours, the column that is forecast one row ahead; where it holds words, they are the
      classes of the rows; without it the last column that can be forecast
  gradflow train prices.csv --missing interpolate --iterations 500 -o prices.gflow
      --missing: of a series in which numbers are missing, a straight line between their neighbours; last: the last
      value once more; leave-out: the rows are left out, and no window goes over them; without it a missing number
      is refused, with its line and column"""


_MISSING_HELP = (
    "of a series, where a number is missing: a straight line between its neighbours, the last value, or the rows are "
    "left out (without it: refused)"
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        if choice := re.match(r"argument (\S+): invalid choice: (.*?) \(choose from", message):
            option = self._option_string_actions[choice[1]]
            raise UsageError(f"{choice[1]} is {choice[2]}; {', '.join(map(str, option.choices or ()))} are accepted.")
        if lacks := message.removeprefix("the following arguments are required: ") if "required" in message else "":
            raise UsageError(f"{lacks} {'are' if ', ' in lacks else 'is'} missing; see {self.prog} --help.")
        sentence = message[:1].upper() + message[1:].rstrip(".")
        typed = message.removeprefix("unrecognized arguments: ").split(" ")[0].split("=")[0]
        near = difflib.get_close_matches(typed, self._option_string_actions, n=1, cutoff=0.6)
        raise UsageError(f"{sentence}; " + (f"did you mean {near[0]}?" if near else "see gradflow --help."))


def run(argv: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no ∂ gets a question mark instead of a traceback.
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="replace")
    try:
        return _run(list(argv))
    except SystemExit as end:  # argparse, after it has printed its help
        return int(end.code or 0)
    except EngineError as error:
        print(f"gradflow: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gradflow: Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # gradflow presets | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(argv: list[str]) -> int:
    if argv and argv[0] == "help" and not os.path.lexists("help"):
        argv = [*argv[1:2], "--help"]
    if argv and argv[0] in _COMMANDS:
        return _command(argv[0], argv[1:])
    parser = _Parser(
        prog="gradflow",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG.format(tasks=", ".join(TASKS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", help="see below")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--scale", metavar="PERCENT", help="the size of everything in this window, 80 to 250")
    parser.add_argument("--resume", type=Path, help=argparse.SUPPRESS)  # what an earlier window has handed over
    known, left = parser.parse_known_args(argv)
    if known.version:
        print(f"gradflow {importlib.metadata.version('gradient-flow-explorer')}")
        return 0
    if left:
        near = difflib.get_close_matches(known.target or "", _COMMANDS, n=1, cutoff=0.6)
        hint = f"; did you mean gradflow {near[0]}?" if near else "; see gradflow --help."
        if not near and left[0].split("=")[0] in _OF_TRAIN:
            hint = ": it is an option of gradflow train; see gradflow train --help."
        raise UsageError(f"'{one_line(left[0], 60)}' is not understood{hint}")
    from explorer.cli.open import open_window

    return open_window(known.target, None if known.scale is None else parsed_scale(known.scale), known.resume)


def parsed_scale(text: str) -> int:
    """ "125" or "125%" → 125. Raises UsageError."""
    bare = text.strip().removesuffix("%").rstrip()
    percent = int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 5 else 0
    if not sizes.LEAST <= percent <= sizes.MOST:
        raise UsageError(
            f"The scale '{one_line(text, 20)}' is not understood; "
            f"from {sizes.LEAST} to {sizes.MOST} percent is accepted."
        )
    return percent


def _iterations(text: str) -> int:
    """ "2000" → 2000. Raises UsageError."""
    bare = text.strip().replace(",", "").replace("_", "")
    if not (bare.isascii() and bare.isdigit() and len(bare) < 10):
        raise UsageError(f"The number of iterations '{one_line(text, 20)}' is not understood; 500, say, is accepted.")
    return int(bare)


def _seed(text: str) -> int:
    """ "3" → 3. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"The seed '{one_line(text, 20)}' is not understood; a whole number from 0 on is accepted.")
    return int(text)


def _command(name: str, argv: list[str]) -> int:
    parser = _Parser(
        prog=f"gradflow {name}",
        epilog=_TRAIN_EPILOG if name == "train" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if name == "history":
        parser.add_argument("target", metavar="FILE.gflow", help="a saved session")
    elif name != "presets":
        what = "a preset's or a task's name, a .gflow or .toml file" + (", or data" if name == "train" else "")
        parser.add_argument("target", metavar="TARGET", help=f"{what}; see gradflow --help")
    suffix = {"render": "png", "trace": "npz", "train": "gflow", "history": "csv"}.get(name)
    if suffix is not None:
        parser.add_argument("-o", "--output", metavar=f"FILE.{suffix}", type=Path, required=name != "train")
    if name == "render":
        parser.add_argument("--at", metavar="MOMENT", help="forward:t, loss, backward:t, clip or update; t from 1")
        parser.add_argument("--size", metavar="WIDTHxHEIGHT", default="1600x1000", help="in pixels (1600x1000)")
        parser.add_argument("--theme", choices=("light", "dark"), default="dark", help="(dark)")
        parser.add_argument("--drawer", choices=("training", "evaluation"), default="", help="open at one of its tabs")
        parser.add_argument("--scale", metavar="PERCENT", default="100", help="the size of everything, 80 to 250 (100)")
    if name == "train":
        parser.add_argument("--iterations", metavar="N", type=_iterations, help="in all, those done before too")
        parser.add_argument("--until", metavar="METRIC<VALUE", help="stop when the validation part says so: loss<0.02")
        parser.add_argument("--seed", metavar="S", type=_seed, help="of weights and batches (as the experiment has it)")
        parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), help="the layer that a task or data get (gru)")
        what = "of a table: what is forecast, or the classes (the last)"
        parser.add_argument("--target", dest="column", metavar="COLUMN", help=what)
        parser.add_argument("--missing", choices=tuple(MISSING), help=_MISSING_HELP)
    if name == "history":
        parser.add_argument("--flow", metavar="FILE.csv", type=Path, help="log₁₀ ‖∂L/∂h_t‖, a column for each step")
    args = parser.parse_args(argv)
    if name == "presets":
        from explorer.cli.presets import list_presets

        return list_presets()
    # Before torch is imported: threads that spin make it slow, and one gives the numbers that the window shows.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    target = resolve(args.target)
    if name == "render":
        from explorer.cli.render import render

        return render(target, args.output, args.at, args.size, args.theme, parsed_scale(args.scale), args.drawer)
    if name == "trace":
        from explorer.cli.trace import trace

        return trace(target, args.output)
    if name == "train":
        from explorer.cli.train import Asked, train

        missing = None if args.missing is None else MISSING[args.missing]
        asked = Asked(args.seed, args.cell, args.column, missing)
        return train(target, args.iterations, args.until, args.output, asked)
    if name == "history":
        from explorer.cli.history import history

        return history(target, args.output, args.flow)
    from explorer.cli.check import check

    return check(target)
