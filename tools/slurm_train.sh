#!/usr/bin/env bash
# Trains on a Slurm cluster.
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

need 4 $# "tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments]"
slurm "$1" "$2" train.py "$3" --work-dir "$4" "${@:5}"
