#!/usr/bin/env bash
# Tests in several processes of one machine, one a GPU (or CPU processes).
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

need 3 $# "tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of test.py]"
dist "$3" test.py "$1" "$2" "${@:4}"
