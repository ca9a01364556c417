# Sourced by the dist_*.sh and slurm_*.sh scripts: starts tools/train.py or
# tools/test.py in several processes, from any folder.
set -euo pipefail

TOOLS="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHON="${PYTHON:-python}"
export PYTHONPATH="${TOOLS%/*}${PYTHONPATH:+:$PYTHONPATH}"

# need COUNT GIVEN USAGE: end with the usage where arguments are missing
need() {
    if [ "$2" -lt "$1" ]; then
        echo "Usage: $3" >&2
        exit 2
    fi
}

# dist PROCESSES SCRIPT ARGS...: PyTorch's launcher on this machine, or on
# several with NNODES, NODE_RANK, MASTER_ADDR and PORT set
dist() {
    exec "$PYTHON" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$1" \
        "$TOOLS/$2" "${@:3}" --launcher pytorch
}

# slurm PARTITION JOB_NAME SCRIPT ARGS...: srun, with GPUS, GPUS_PER_NODE,
# CPUS_PER_TASK and SRUN_ARGS from the environment
slurm() {
    set -x
    # shellcheck disable=SC2086  # SRUN_ARGS is a list of arguments
    exec srun -p "$1" \
        --job-name="$2" \
        --gres="gpu:${GPUS_PER_NODE:-8}" \
        --ntasks="${GPUS:-8}" \
        --ntasks-per-node="${GPUS_PER_NODE:-8}" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "$PYTHON" -u "$TOOLS/$3" "${@:4}" --launcher slurm
}
