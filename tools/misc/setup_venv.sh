#!/usr/bin/env bash
# Makes a virtual environment with everything this project needs.
# Called by the Makefile: setup_venv.sh PYTHON VENV MMCV STAMP
# Environment: HAS_CUDA (yes or empty), TORCH (version), TORCH_INDEX (URL of
# CPU builds, or empty), and all variables of pip.
set -euo pipefail

PYTHON=$1 VENV=$2 MMCV=$3 STAMP=$4
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PIP=("$VENV/bin/python" -m pip install)
MMCV_LITE=mmcv-lite==2.2.0
# Both ask for other versions of NumPy, without need, so without dependencies.
PANOPTICAPI=panopticapi-lite==0.2.0
TRACKEVAL=(trackeval==1.3.0 tabulate==0.10.0)
TRITON=triton==3.6.0 # its interpreter runs the GPU kernels in a test
TRANSFORMERS=transformers==5.24.0
SUPERVISION=(supervision==0.31.2 defusedxml==0.7.1 pydeprecate==0.13.0
    requests==2.34.2 urllib3==2.8.0 idna==3.20 charset-normalizer==3.5.3
    certifi==2026.10.19.post1)
RAY=(ray==2.60.0 msgpack==1.2.4 jsonschema==4.26.0
    jsonschema-specifications==2025.9.1 referencing==0.37.0 rpds-py==2026.9.1
    attrs==26.1.0 requests==2.34.2 urllib3==2.8.0 idna==3.20
    charset-normalizer==3.5.3 certifi==2026.10.19.post1)
# For the test of the web pages: Gradio and Selenium, and what they need beside
# the other packages. Gradio asks for an older Pillow, without need.
WEB=(gradio==6.31.0 gradio_client==2.7.2 brotli==1.2.1 fastapi==0.165.0
    groovy==0.1.2 hf-gradio==0.4.1 httpx==0.28.1 httpcore==1.0.9
    certifi==2026.10.19.post1 orjson==3.13.0 pandas==3.1.1 pydub==0.25.1
    python-multipart==0.0.34 pytz==2026.6 safehttpx==0.1.7
    semantic-version==2.10.0 starlette==1.10.0 tomlkit==0.14.0 uvicorn==0.54.0
    opentelemetry-api==1.45.2 selenium==4.51.0 urllib3==2.8.0
    websocket-client==1.9.2)

say() { printf '\n== %s\n' "$*"; }

# pinned NAME: the requirement of one package in mminstall.txt
pinned() { grep -E "^$1[=<>]" requirements/mminstall.txt; }

make_venv() {
    if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -m pip --version \
        >/dev/null 2>&1; then
        say "Updating $VENV"
        return
    fi
    say "Creating $VENV with $("$PYTHON" --version 2>&1) ($PYTHON)"
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo 'Python 3.10 or newer is needed: make PYTHON=/path/to/python' >&2
        exit 1
    fi
    "$PYTHON" -m venv --clear "$VENV" || {
        echo 'On Debian and Ubuntu: apt install python3-venv' >&2
        exit 1
    }
}

# The index of CPU builds, as pip options. On Linux the build of PyPI brings
# gigabytes of CUDA. Where pip is told its own sources, those count alone.
cpu_index() {
    if [ -z "$TORCH_INDEX" ] || [ "$(uname -s)" != Linux ]; then return; fi
    if [ -n "${PIP_INDEX_URL:-}${PIP_EXTRA_INDEX_URL:-}${PIP_FIND_LINKS:-}${PIP_NO_INDEX:-}" ]; then
        return
    fi
    if "$VENV/bin/python" -c 'import sys, urllib.request as request
request.urlopen(sys.argv[1] + "/torch/", timeout=10).read(1)' \
        "$TORCH_INDEX" 2>/dev/null; then
        echo "--extra-index-url $TORCH_INDEX"
    else
        echo "$TORCH_INDEX does not answer; the build of PyPI is taken" >&2
    fi
}

install_torch() {
    local index=''
    if [ "$MMCV" = lite ] || [ -z "$HAS_CUDA" ]; then
        index=$(cpu_index)
        say "PyTorch $TORCH for the CPU (the largest download, about 200 MB)"
    else
        say "PyTorch $TORCH with CUDA (some gigabytes)"
    fi
    # shellcheck disable=SC2086  # options, perhaps none
    "${PIP[@]}" $index "torch==$TORCH"
}

install_lite() {
    # Both own the folder mmcv/, so one has to go first.
    "$VENV/bin/python" -m pip uninstall -y -q onedl-mmcv 2>/dev/null
    say "$MMCV_LITE (no compiled operators; MMCV=full builds them)"
    "${PIP[@]}" --no-deps "$MMCV_LITE"
}

install_full() {
    local wanted
    wanted=$(pinned onedl-mmcv)
    "$VENV/bin/python" -m pip uninstall -y -q mmcv-lite 2>/dev/null
    say "$wanted, with compiled operators: looking for a prebuilt file"
    if "${PIP[@]}" --only-binary onedl-mmcv "$wanted"; then return; fi
    if [ -n "$HAS_CUDA" ]; then
        say 'Asking mim for a file for this CUDA and PyTorch'
        "${PIP[@]}" -q onedl-mim
        if "$VENV/bin/mim" install --only-binary onedl-mmcv "$wanted"; then
            return
        fi
    fi
    say "None found: compiling it, 20 to 30 minutes (MMCV=lite needs none)"
    # In an environment of its own the build would not find PyTorch, and would
    # then leave the operators out without an error.
    "${PIP[@]}" packaging wheel ninja
    "${PIP[@]}" --no-build-isolation "$wanted"
}

# install_apart SIZE PACKAGE==VERSION [DEPENDENCY...]: in a folder of its own,
# $VENV/PACKAGE, which only its test uses. PyTorch imports Triton, and
# MMDetection imports transformers, if they find them: up to three seconds for
# each process.
install_apart() {
    local folder=$VENV/${2%%==*}
    if [ -d "$folder/${2/==/-}.dist-info" ]; then return; fi
    rm -rf "$folder"
    say "$2 for the tests ($1)"
    "${PIP[@]}" -q --no-deps --no-compile --target "$folder" "${@:2}"
}

# MMDetection's dependencies bring an OpenCV with windows, which does not load
# on a server without graphics libraries; the other one does.
mend_opencv() {
    if "$VENV/bin/python" -c 'import cv2' 2>/dev/null; then return; fi
    local version
    version=$("$VENV/bin/python" -c 'from importlib.metadata import version
print(version("opencv-python"))')
    say 'No graphics libraries here: taking the OpenCV that does without'
    "$VENV/bin/python" -m pip uninstall -y -q opencv-python
    "${PIP[@]}" --force-reinstall --no-deps "opencv-python-headless==$version"
}

make_venv
rm -f "$VENV"/.maxtron-*
install_torch
say 'MMEngine and MMDetection'
"${PIP[@]}" "$(pinned onedl-mmengine)" "$(pinned onedl-mmdetection)"
if [ "$MMCV" = full ]; then install_full; else install_lite; fi
say 'This project, and what its tests need'
"${PIP[@]}" -r requirements/runtime.txt -r requirements/tests.txt 'setuptools>=64'
"${PIP[@]}" --no-deps "$PANOPTICAPI" "${TRACKEVAL[@]}"
if [ "$(uname -s)" = Linux ] && [ -z "$HAS_CUDA" ]; then
    install_apart '188 MB' "$TRITON"
fi
install_apart '12 MB' "$TRANSFORMERS"
install_apart '1 MB' "${SUPERVISION[@]}"
install_apart '60 MB' "${WEB[@]}"
install_apart '80 MB' "${RAY[@]}"
"${PIP[@]}" -q --no-build-isolation --no-deps -e .
mend_opencv
say 'Checking the environment'
"$VENV/bin/python" tools/misc/check_env.py
touch "$STAMP"
