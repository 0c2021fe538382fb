#!/bin/sh
# The wheel works on its own: built, installed with the constraints into an empty environment, a preset opened and
# rendered outside the checkout.   usage: wheel_test.sh PYTHON PYTHON_WITH_BUILD
set -eu
python=$1
build_python=$2
top=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build_python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
# Without a pip of its own: the one that is here installs into it.
"$python" -m venv --without-pip "$work/venv"
# Not compiled: of what is installed, three commands import a small part, and Python compiles that by itself, once.
unset PYTHONDONTWRITEBYTECODE
"$build_python" -m pip --python "$work/venv/bin/python" install -q --disable-pip-version-check --no-compile -c "$top/constraints.txt" "$work"/dist/*.whl
cd "$work"
QT_QPA_PLATFORM=offscreen
export QT_QPA_PLATFORM
gradflow="$work/venv/bin/gradflow"
test "$("$gradflow" presets | wc -l)" -eq "$(ls "$top"/presets/*.toml | wc -l)"
"$gradflow" check cell-state-carousel >check.txt || { cat check.txt; exit 1; }
"$gradflow" render sunspots -o sunspots.png --size 1200x800
test "$(wc -c <sunspots.png)" -gt 20000
echo "wheel: installed, presets found, a preset checked and rendered"
