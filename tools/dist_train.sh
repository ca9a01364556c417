#!/usr/bin/env bash
# Trains in several processes of one machine, one a GPU (or CPU processes).
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

need 2 $# "tools/dist_train.sh CONFIG PROCESSES [arguments of train.py]"
dist "$2" train.py "$1" "${@:3}"
