# Two commands for a newcomer: make demo, make test. "make help" tells more.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Version of PyTorch to install, and where CPU builds are (set it empty to take
# whatever pip is configured for).
TORCH ?= 2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# MMCV: lite (pure Python, minutes) or full (with compiled operators).
HAS_CUDA := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
MMCV_DEFAULT := $(if $(HAS_CUDA),full,lite)
MMCV ?= $(MMCV_DEFAULT)
ifeq ($(filter lite full,$(MMCV)),)
    $(error MMCV must be lite or full, not "$(MMCV)")
endif
# The other MMCV gets a folder of its own, so that switching costs nothing.
VENV ?= $(if $(filter $(MMCV_DEFAULT),$(MMCV)),.venv,.venv-$(MMCV))

STAMP := $(VENV)/.maxtron-$(MMCV)
RUN := $(VENV)/bin/python

# The demo: a held-out synthetic video, or VIDEO=path.
CONFIG ?= configs/maxtron/synthetic/maxtron-nearonline_tube-link_tiny_2xb3-5k_synthetic-vis.py
CHECKPOINT ?= demo/maxtron_tiny.pth
DATA := data/synthetic
OUT ?= demo/output
SPLIT := $(DATA)/youtube-vis/annotations/synthetic_vis_val.json
HELD_OUT := data/held-out.mp4
INPUT := $(if $(VIDEO),$(VIDEO),$(HELD_OUT))
DEMO_VIDEO := $(OUT)/$(basename $(notdir $(INPUT)))_maxtron.mp4

.PHONY: help setup demo test lint check clean-setup

help:
	@echo 'make demo             tracked masks on a held-out synthetic video, and its AP'
	@echo 'make demo VIDEO=path  tracked masks on a video of yours'
	@echo 'make test             the test suite'
	@echo 'make lint             style of the code'
	@echo 'make check            versions, MMCV, device, and remedies'
	@echo 'make setup            only the environment, which the others make when needed'
	@echo 'make clean-setup      remove the environment ($(VENV))'
	@echo
	@echo 'PYTHON=$(PYTHON)  VENV=$(VENV)  MMCV=$(MMCV) (lite or full)  TORCH=$(TORCH)'
	@echo "pip's own environment variables (PIP_INDEX_URL, PIP_FIND_LINKS, ...) count too."

setup: $(STAMP)

$(STAMP): $(wildcard requirements/*.txt) setup.py tools/misc/setup_venv.sh
	@HAS_CUDA='$(HAS_CUDA)' TORCH='$(TORCH)' TORCH_INDEX='$(TORCH_INDEX)' \
	    bash tools/misc/setup_venv.sh '$(PYTHON)' '$(VENV)' '$(MMCV)' '$(STAMP)'

demo: $(STAMP) $(if $(VIDEO),,$(HELD_OUT) $(SPLIT))
	@test -e '$(INPUT)' || { echo 'No such video: $(INPUT)' >&2; exit 2; }
	@mkdir -p '$(OUT)'
	@echo '== Tracking the things in $(INPUT)'
	@$(RUN) demo/video_demo.py '$(INPUT)' '$(CONFIG)' \
	    --checkpoint '$(CHECKPOINT)' --out '$(DEMO_VIDEO)'
ifndef VIDEO
	@echo '== AP of $(CHECKPOINT) on the held-out split of $(DATA)'
	@# without MMEngine's pages on the machine and the config
	@$(RUN) tools/test.py '$(CONFIG)' '$(CHECKPOINT)' --work-dir '$(OUT)/test' \
	    --cfg-options default_hooks.logger.interval=4 \
	    | sed -un '/ - Testing /,$$p'
endif
	@echo
	@echo 'Done. Look at $(DEMO_VIDEO)'

$(HELD_OUT): | $(STAMP)
	@echo '== Making a held-out synthetic video ($@)'
	@$(RUN) tools/dataset_converters/make_synthetic.py \
	    --video-out '$@' --height 384 --width 640

$(SPLIT): | $(STAMP)
	@echo '== Making the held-out split of the synthetic benchmark ($(DATA))'
	@$(RUN) tools/dataset_converters/make_synthetic.py '$(DATA)' \
	    --size demo --splits val --formats youtube-vis

test: $(STAMP)
	@$(RUN) -m pytest -q --durations=15 $(TESTS)

lint: $(STAMP)
	@$(RUN) -m ruff check .

check: $(STAMP)
	@$(RUN) tools/misc/check_env.py

clean-setup:
	rm -rf '$(VENV)'
