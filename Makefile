# Start with "make demo" and "make test". "make help" lists all commands.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Version of PyTorch to install, and index of CPU builds (if empty, pip uses the
# index it is configured for).
TORCH ?= 2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# MMCV: lite (pure Python, minutes) or full (with compiled operators).
HAS_CUDA := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
MMCV_DEFAULT := $(if $(HAS_CUDA),full,lite)
MMCV ?= $(MMCV_DEFAULT)
ifeq ($(filter lite full,$(MMCV)),)
    $(error MMCV must be lite or full, not "$(MMCV)")
endif
# The other MMCV gets a separate folder, so that switching needs no installation.
VENV ?= $(if $(filter $(MMCV_DEFAULT),$(MMCV)),.venv,.venv-$(MMCV))

STAMP := $(VENV)/.maxtron-$(MMCV)
RUN := $(VENV)/bin/python

# The demo runs an instance and a panoptic model on a held-out synthetic video,
# or on VIDEO=path; with MODEL=name, it runs the released model instead.
CONFIG ?= configs/maxtron/synthetic/maxtron-nearonline_tube-link_tiny_1xb3-8k_synthetic-association-vis.py
CHECKPOINT ?= demo/maxtron_tiny.pth
PANOPTIC_CONFIG ?= configs/maxtron/synthetic/maxtron-nearonline_video-kmax_tiny_1xb4-8k_synthetic-association-vps.py
PANOPTIC_CHECKPOINT ?= demo/maxtron_tiny_panoptic.pth
DATA := data/synthetic-association
OUT ?= demo/output
SPLIT := $(DATA)/youtube-vis/annotations/synthetic_vis_val.json
PANOPTIC_SPLIT := $(DATA)/vipseg/VIPSeg_720P/panoptic_gt_VIPSeg_val.json
HELD_OUT := data/held-out.mp4
TRUTH := data/held-out_truth.mp4
INPUT := $(if $(VIDEO),$(VIDEO),$(HELD_OUT))
# Names of the drawn videos, by kind of model. They contain the path and suffix
# of the input, so that two videos never have the same output.
NAME := $(if $(VIDEO),$(subst ../,up/,$(patsubst /%,%,$(VIDEO))),held-out)
DEMO_VIDEO = $(OUT)/$(NAME)_$(1).mp4
SHEET = $(OUT)/$(NAME)_sheet.png

.PHONY: help setup demo demo-instances demo-panoptic demo-model models test test-fast lint docs docs-picture check clean-setup

help:
	@echo 'make demo             run both models on a held-out synthetic video, and'
	@echo '                      measure AP and VPQ on the held-out split'
	@echo 'make demo VIDEO=path  run both models on your own video, without measuring'
	@echo 'make demo VIDEO=path MODEL=name'
	@echo '                      run a released model, whose weights are downloaded'
	@echo 'make models           list the names of the released models'
	@echo 'make demo-instances   run only the instance model (also with VIDEO=path)'
	@echo 'make demo-panoptic    run only the panoptic model (also with VIDEO=path)'
	@echo 'make test             run the test suite'
	@echo 'make test-fast        run the tests without the slow ones (90 seconds)'
	@echo 'make lint             check style and types of the code'
	@echo 'make docs             build the site build/site (needs requirements/docs.txt)'
	@echo 'make docs-picture     draw the picture of README.md again, after the demo'
	@echo 'make check            print versions, MMCV, device, and remedies'
	@echo 'make setup            make the environment (the others do so when needed)'
	@echo 'make clean-setup      remove the environment ($(VENV))'
	@echo
	@echo 'PYTHON=$(PYTHON)  VENV=$(VENV)  MMCV=$(MMCV) (lite or full)  TORCH=$(TORCH)'
	@echo "pip reads its environment variables (PIP_INDEX_URL, PIP_FIND_LINKS, ...)."

setup: $(STAMP)

$(STAMP): $(wildcard requirements/*.txt) setup.py tools/misc/setup_venv.sh
	@HAS_CUDA='$(HAS_CUDA)' TORCH='$(TORCH)' TORCH_INDEX='$(TORCH_INDEX)' \
	    bash tools/misc/setup_venv.sh '$(PYTHON)' '$(VENV)' '$(MMCV)' '$(STAMP)'

# $(call track,WHAT,MODEL,KIND,CHECKPOINT), without CHECKPOINT for a released
# model.
define track
@test -e '$(INPUT)' || { echo 'No such video: $(INPUT)' >&2; exit 2; }
@mkdir -p '$(OUT)'
@echo '== Tracking $(1) in $(INPUT)'
@$(RUN) demo/video_demo.py '$(INPUT)' '$(2)' \
    $(if $(4),--checkpoint '$(4)') --out '$(call DEMO_VIDEO,$(3))'
endef

# $(call measure,METRIC,CONFIG,CHECKPOINT). The output starts after MMEngine's
# description of the machine and the config.
define measure
@echo '== $(1) of $(3) on the held-out split of $(DATA)'
@$(RUN) tools/test.py '$(2)' '$(3)' --work-dir '$(OUT)/test' \
    --cfg-options default_hooks.logger.interval=4 \
    | sed -un '/ - Testing /,$$p'
endef

KINDS := $(if $(MODEL),$(MODEL),instances panoptic)
SHEET_ROWS := 'input=$(INPUT)' $(if $(VIDEO),,'truth=$(TRUTH)') \
    $(foreach kind,$(KINDS),'$(kind)=$(call DEMO_VIDEO,$(kind))')

demo: $(if $(MODEL),demo-model,demo-instances demo-panoptic)
	@$(RUN) tools/analysis_tools/contact_sheet.py '$(SHEET)' $(SHEET_ROWS)
	@echo
	@echo 'Done. Look at'
	@printf '    %s\n' '$(SHEET)' \
	    $(foreach kind,$(KINDS),'$(call DEMO_VIDEO,$(kind))')

# The picture of README.md, from the demo without VIDEO and MODEL.
docs-picture: demo
	@$(RUN) tools/analysis_tools/contact_sheet.py docs/images/demo.webp \
	    $(SHEET_ROWS) --frames 4 --width 960

demo-model: $(STAMP) $(if $(VIDEO),,$(HELD_OUT))
	$(call track,with $(MODEL),$(MODEL),$(MODEL))

models: $(STAMP)
	@$(RUN) tools/misc/download_weights.py --list

# Tiny models gain little from threads, which are slow beside other programs.
demo-instances demo-panoptic: export OMP_NUM_THREADS ?= 1

demo-instances: $(STAMP) $(if $(VIDEO),,$(HELD_OUT) $(SPLIT))
	$(call track,the things,$(CONFIG),instances,$(CHECKPOINT))
	$(if $(VIDEO),,$(call measure,AP,$(CONFIG),$(CHECKPOINT)))

demo-panoptic: $(STAMP) $(if $(VIDEO),,$(HELD_OUT) $(PANOPTIC_SPLIT))
	$(call track,things and stuff,$(PANOPTIC_CONFIG),panoptic,$(PANOPTIC_CHECKPOINT))
	$(if $(VIDEO),,$(call measure,VPQ and STQ,$(PANOPTIC_CONFIG),$(PANOPTIC_CHECKPOINT)))

# Run the parts one after the other, even with make -j.
.NOTPARALLEL:

$(HELD_OUT): | $(STAMP)
	@echo '== Making a held-out synthetic video ($@)'
	@$(RUN) tools/dataset_converters/make_synthetic.py \
	    --size association --video-out '$@' --truth-out '$(TRUTH)' \
	    --height 384 --width 640 --seed 2

# $(call make_split,FORMAT)
define make_split
@echo '== Making the held-out split of the synthetic benchmark ($(DATA), $(1))'
@$(RUN) tools/dataset_converters/make_synthetic.py '$(DATA)' \
    --size association --splits val --formats $(1)
endef

$(SPLIT): | $(STAMP)
	$(call make_split,youtube-vis)

$(PANOPTIC_SPLIT): | $(STAMP)
	$(call make_split,vipseg)

# One process per core. An idle process takes over half of another one's tests.
# TESTS='tests/test_apis -k video -n0' runs some tests in one process.
WORKERS := -n logical --maxprocesses 8 --dist worksteal

test: $(STAMP)
	@$(RUN) -m pytest -q --durations=15 $(WORKERS) $(TESTS)

test-fast: $(STAMP)
	@$(RUN) -m pytest -q -m 'not slow' $(WORKERS) $(TESTS)

lint: $(STAMP)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

# The site mirrors the repository, so that links to configs and code work.
docs: $(STAMP)
	@$(RUN) -c 'import mkdocs' 2>/dev/null || { echo 'MkDocs is not installed:'\
	    '$(RUN) -m pip install -r requirements/docs.txt' >&2; exit 2; }
	@rm -rf build/site-source && mkdir -p build/site-source
	@cp -r *.md LICENSE CITATION.cff docs configs projects build/site-source
	@$(RUN) -m mkdocs build --strict

check: $(STAMP)
	@$(RUN) tools/misc/check_env.py

clean-setup:
	rm -rf '$(VENV)'
