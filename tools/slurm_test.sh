#!/usr/bin/env bash
# Tests on a Slurm cluster.
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

need 4 $# "tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments]"
slurm "$1" "$2" test.py "$3" "$4" "${@:5}"
