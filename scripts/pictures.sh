#!/bin/sh
# The pictures of the README, made by the program itself.   usage: pictures.sh GRADFLOW
set -eu
gradflow=$1
mkdir -p docs/pictures
"$gradflow" render vanilla-rnn-forgets -o docs/pictures/vanishing.png --at backward:T/2 --size 1440x900 --theme dark
"$gradflow" render cell-state-carousel -o docs/pictures/lstm.png --at backward:T/2 --size 1440x900 --theme light
"$gradflow" render cliff-with-a-rope -o docs/pictures/clip.png --at clip --size 1440x900 --theme dark
