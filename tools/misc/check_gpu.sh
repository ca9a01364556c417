#!/usr/bin/env bash
# tools/misc/check_gpu.py on a machine that has PyTorch for its GPU, but no
# network and none of the OpenMMLab packages:
#   check_gpu.sh pack            with a network: writes .gpu/site.tar.xz
#   check_gpu.sh run FOLDER ...  there: unpacks it and runs check_gpu.py --out
#                                FOLDER with further arguments
# Environment: PYTHON_VERSION of that machine (3.12).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
SITE=.gpu/site

# pinned NAME: the requirement of one package in mminstall.txt
pinned() { grep -E "^$1[=<>]" requirements/mminstall.txt; }

pack() {
    local version=${PYTHON_VERSION:-3.12} mmdet platforms=() n
    for n in 2_28 2_27 2_24 2_17; do
        platforms+=(--platform "manylinux_${n}_x86_64")
    done
    rm -rf .gpu
    # MMDetection comes as source, which pip does not install for another
    # Python; its wheel is pure Python.
    mmdet=$(pinned onedl-mmdetection)
    python3 -m pip wheel -q --no-deps -w .gpu/wheels "$mmdet"
    python3 -m pip install -q --no-deps --no-compile --only-binary=:all: \
        --python-version "$version" --implementation cp "${platforms[@]}" \
        --platform manylinux2014_x86_64 --find-links .gpu/wheels \
        --target "$SITE" "$mmdet" "$(pinned onedl-mmengine)" \
        mmcv-lite==2.2.0 pycocotools addict yapf platformdirs termcolor \
        terminaltables av shapely imaug 'setuptools<81'
    XZ_OPT=-1 tar -C "$SITE" -cJf .gpu/site.tar.xz .
    rm -rf "$SITE" .gpu/wheels
    ls -l .gpu/site.tar.xz
}

run() {
    local folder=$1 site
    shift
    site=$(mktemp -d)
    tar -C "$site" -xJf .gpu/site.tar.xz
    PYTHONPATH=$PWD:$site PYTHONUNBUFFERED=1 \
        exec "${PYTHON:-python3}" tools/misc/check_gpu.py --out "$folder" "$@"
}

case ${1:-} in
pack) pack ;;
run) shift && run "$@" ;;
*) sed -n '2,8s/^# \?//p' "$0" >&2 && exit 2 ;;
esac
