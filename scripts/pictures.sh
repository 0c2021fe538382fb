#!/bin/sh
# The pictures of the README, made by the program itself.   usage: pictures.sh GRADFLOW
set -eu
gradflow=$1
mkdir -p docs/pictures
"$gradflow" render vanilla-rnn-forgets -o docs/pictures/vanishing.png --at backward:T/2 --size 1440x900 --theme dark
"$gradflow" render cell-state-carousel -o docs/pictures/lstm.png --at backward:T/2 --size 1440x900 --theme light
"$gradflow" render cliff-with-a-rope -o docs/pictures/clip.png --at clip --size 1440x900 --theme dark

# The drawer, on a training of its own.
trained=$(mktemp -d)/trained.gflow
trap 'rm -r "$(dirname "$trained")"' EXIT
"$gradflow" train learning-to-add --iterations 300 -o "$trained"
"$gradflow" render "$trained" -o docs/pictures/training.png --at backward:1 --drawer training --size 1440x900 --theme light
"$gradflow" train next-symbol --iterations 250 -o "$trained.2.gflow"
"$gradflow" render "$trained.2.gflow" -o docs/pictures/evaluation.png --at backward:1 --drawer evaluation --size 1440x900 --theme dark
