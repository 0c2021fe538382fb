#!/bin/sh
# Makes the virtual environment, and on Debian and Ubuntu the system libraries that Qt needs.
# usage: setup.sh PYTHON VENV
set -eu
python=$1
venv=$2

libraries="libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0"
on_screen="libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"

missing() {
  for name in "$@"; do
    # Ubuntu 24.04 renamed some packages with a t64 behind their names.
    dpkg-query -W -f='${db:Status-Status}\n' "$name" "${name}t64" 2>/dev/null | grep -qx installed || printf '%s ' "$name"
  done
}

if command -v apt-get >/dev/null 2>&1; then
  wanted=$(missing $libraries $on_screen)
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  no_venv=
  "$python" -c 'import ensurepip, venv' 2>/dev/null || { no_venv=yes; wanted="$wanted python$version-venv"; }
  if [ -n "$wanted" ]; then
    if [ "$(id -u)" = 0 ]; then
      sudo=
    elif sudo -n true 2>/dev/null; then
      sudo="sudo -n"
    else
      sudo=no
    fi
    if [ "$sudo" = no ]; then
      echo "Some system libraries are missing. Please run this line, then try again:"
      echo "    sudo apt-get update && sudo apt-get install -y $wanted"
      # Without the libraries for a screen everything still works offscreen.
      [ -z "$no_venv$(missing $libraries)" ] || exit 1
    else
      $sudo apt-get update -q
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $wanted
    fi
  fi
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "Python 3.10 or newer is needed; $("$python" --version) was found. Name another one: make PYTHON=python3.12 setup"
  exit 1
}
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
# On every core, where pip would compile on one. Like pip's own, what cannot be compiled is no error: packages bring
# templates and syntax of later Pythons with them.
"$venv/bin/python" -m compileall -qq -j 0 "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
