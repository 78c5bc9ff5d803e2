# Everything a fresh machine needs: an installed Python 3.11 to 3.13, make and git.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Node.js, Chromium and the checkers of the browser test, where they can be installed.
BROWSER := $(VENV)/.browser
# Apache Otava, LNT and a reader of JUnit, for the tests of exports.
TOOLS := $(VENV)/.tools
# Kernel files of distributions, which the tests of real kernels read.
KERNEL_FILES := $(VENV)/.kernels
# Options for every measurement, for instance FLAGS='--store-bypass off'.
FLAGS ?=
# Not empty where .venv's Python does not start: it was upgraded, removed, or half made.
GONE := $(shell test ! -d $(VENV) || $(PY) -c '' 2>/dev/null || echo gone)
# A module is compiled once, also where the caller keeps no bytecode: a test run starts a thousand processes.
KEEP = env -u PYTHONDONTWRITEBYTECODE
# What commands import is compiled when it is installed. pip would compile all modules, 8,000 more, for half of its time.
COMMANDS = import benchmarks.__main__, model.compiler.emit, results.__main__; from plots.drawing import figures; figures("run")
# Named once, when a recipe first needs it: Python is there by then.
RUN = $(eval RUN := results/runs/$(shell $(PY) -m benchmarks.run_name))$(RUN)

# One quoted word of a shell command, since a folder's name may hold anything; and the same for a nested make.
quoted = $(if $(1),'$(subst ','\'',$(1))')
passed = $(call quoted,$(subst $$,$$$$,$(1)))
IN = $(call quoted,$(RUN))

# The latest interrupted run.
STOPPED ?= $(patsubst %/run.json.partial,%,$(lastword $(sort $(wildcard results/runs/*/run.json.partial))))

.PHONY: gone help setup run kernel resume finish publish picture documents figures calibrate sharpness test fast images reliability mutations lint web clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY)  ## install what the commands need into .venv

run: $(READY)  ## measure the headline, draw it and print the answer, under results/runs/
	@mkdir -p $(IN)
	@$(PY) -m benchmarks --quick $(FLAGS) -o $(IN)/run.json
	@$(MAKE) --no-print-directory kernel RUN=$(call passed,$(RUN)) || echo 'not measured: your kernel; the lines above say why' >&2
	@$(MAKE) --no-print-directory finish RUN=$(call passed,$(RUN))

OWN_KERNEL ?= /boot/vmlinuz-$(shell uname -r)
kernel: $(READY)  ## price the free path of this machine's own kernel file, or of OWN_KERNEL=FILE
	@mkdir -p $(IN)
	@if test -r $(call quoted,$(OWN_KERNEL)); then \
	$(PY) -m benchmarks --vmlinux $(call quoted,$(OWN_KERNEL)) --quick $(FLAGS) -o $(IN)/kernel.json; \
	else printf 'not measured: your kernel, since %s cannot be read; make kernel OWN_KERNEL=FILE\n' $(call quoted,$(OWN_KERNEL)) >&2; fi

resume: $(READY)  ## resume the latest interrupted run, or STOPPED=results/runs/...
	@test -n '$(if $(STOPPED),yes)' || { echo 'make resume: no run under results/runs/ was stopped' >&2; exit 2; }
	@$(PY) -m benchmarks --resume $(call quoted,$(STOPPED))/run.json
	@$(MAKE) --no-print-directory finish RUN=$(call passed,$(STOPPED))

finish: $(READY)  ## tables, figures and report of a run: RUN=results/runs/...
	@$(PY) -m results show $(IN)/run.json --format markdown --force -o $(IN)/table.md
	@$(PY) -m plots $(IN)/run.json --force -o $(IN) >$(IN)/figures.txt 2>&1 || { grep "^cannot" $(IN)/figures.txt >&2; exit 2; }
	@$(PY) -m results claims $(IN)/run.json --force -o $(IN)/claims.txt || test $$? -eq 1  # one that fails is an answer
	@$(PY) -m results report $(IN)/run.json --force -o $(IN)/report.html
	@echo
	@$(PY) -m results answer $(IN)/run.json
	@echo
	@printf 'report:  %s/report.html\n' $(IN)
	@printf 'tables:  %s/table.md, claims.txt, figures beside them\n' $(IN)
	@printf 'next:    ./freepath results show %s/run.json\n' $(IN)
	@$(PY) -c 'from benchmarks.process_settings import can_hold_loads as can; raise SystemExit(not can())' || exit 0; \
	echo "         make run FLAGS='--store-bypass off'    with SSBD"

publish: $(READY)  ## copy the newest run, or RUN=FILE, to its machine's place in results/machines
	@$(PY) -m results publish $(if $(filter file,$(origin RUN)),$(call quoted,$(lastword $(sort $(wildcard results/runs/*/run.json)))),$(IN)) $(FLAGS)

picture: RUN := results/runs/$(shell date +%Y-%m-%d-%H%M%S)-picture
picture: $(READY)  ## README's picture of make run in a terminal
	@mkdir -p $(IN)
	@{ echo '$$ make run'; $(MAKE) --no-print-directory run RUN=$(call passed,$(RUN)); } >$(IN)/said.txt
	@$(PY) -m plots.terminal $(IN)/said.txt --force -o docs/figures/terminal.svg

documents: $(READY)  ## generate the tables of README and docs from results/machines
	@$(PY) -m results documents

FIGURES ?= results/runs/figures
# Kernel files to price, separated by blanks; and a part of the runs, by name: ONLY='sweep-*'.
KERNELS ?=
ONLY ?= *
figures: $(READY)  ## measure what the documents quote again, half an hour, and resume that; KERNELS='FILE FILE'
	@$(PY) -m benchmarks.figures -o $(call quoted,$(FIGURES)) --only $(call quoted,$(ONLY)) --kernels $(if $(KERNELS),$(call quoted,$(KERNELS)),'')
	@$(PY) -m results.filing $(call quoted,$(FIGURES))
	@$(PY) -m results documents
	@$(PY) -m plots.figures
	@$(PY) -m results.agreement $(call quoted,$(FIGURES)) || test $$? -eq 1  # what does not agree is a finding

calibrate: $(READY)  ## measure the instrument, and compare two seeds; fails when a target is missed
	@mkdir -p $(IN)
	@$(PY) -m benchmarks --calibrate $(FLAGS) -o $(IN)/calibration.json >/dev/null || test $$? -eq 1
	@$(PY) -m results calibration $(IN)/calibration.json --format json -o $(IN)/calibration-figures.json || test $$? -eq 1
	@$(PY) -m plots $(IN)/calibration.json -o $(IN) --format svg 2>/dev/null
	@for seed in 1 2; do $(PY) -m benchmarks --quick $(FLAGS) --seed $$seed -o $(IN)/seed-$$seed.json >/dev/null || exit 2; done
	@$(PY) -m results compare $(IN)/seed-1.json $(IN)/seed-2.json >$(IN)/seeds.txt || test $$? -eq 1
	@echo "two quick runs with two seeds: $$(tail -n 1 $(IN)/seeds.txt)"
	@$(PY) -m results calibration $(IN)/calibration.json

sharpness: $(READY)  ## this checkout against commit 3083954, in turn: how wide are the intervals after the same time
	@$(PY) -m tests.sharpness $(FLAGS)

FAST ?=
# One process forks the compilers of `images` and of the tests, and ends with this make (tests/compilers.py).
ASK = $(if $(FAST),,FREEPATH_TESTS_COMPILERS="$${TMPDIR:-/tmp}/freepath-make-$$PPID/$$PPID" )
test: $(READY)  ## every test; FAST=1: those that start no process, run no compiled code and read no kernel file
	@$(ASK)$(KEEP) $(MAKE) --no-print-directory -j 4 lint $(if $(FAST),fast,images $(BROWSER) $(TOOLS) $(KERNEL_FILES))
	$(if $(FAST),,@$(ASK)$(KEEP) $(PY) -m pytest -n 2 --dist worksteal)

fast: $(READY)
	@$(PY) -m pytest -n 2 --dist worksteal --fast -q -rN

images: $(READY)
	@$(PY) -m tests.images

reliability: $(READY)  ## 200 interrupted runs, 100,000 key flips, 200 cache flips, 10,000 hostile files, every sweep: an hour
	@$(PY) -m tests.kills 200
	@$(PY) -m tests.key_flips 100000
	@$(PY) -m tests.cache_flips 200
	@$(PY) -m tests.hostile 10000
	@$(PY) -m tests.full_runs
	@$(PY) -m pytest -n 2 --dist worksteal -m reliability

mutations: $(READY)  ## change operators and numbers of the modules that decide: how many of the defects do tests find
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[mutations]'
	@$(PY) -m tests.mutations $(FLAGS)

lint: $(READY)
	@$(VENV)/bin/ruff check -q .
	@$(VENV)/bin/ruff format -q --check .
	@$(VENV)/bin/mypy

$(READY): pyproject.toml $(if $(GONE),gone)
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(not ok and "Python 3.11 to 3.13 is needed, this is %s: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo 'this Python cannot make a virtual environment: apt install python3-venv (Debian, Ubuntu), then make again' >&2; exit 2; }
	@$(PYTHON) -m venv $(if $(GONE),--clear) $(VENV)
	@$(PY) -m pip install --quiet --no-compile --disable-pip-version-check -e '.[dev]'
	@$(KEEP) $(PY) -c '$(COMMANDS)'
	@touch $@

gone:
	@echo '$(PY) does not start: making $(VENV) again'

$(BROWSER): tests/set_up_browser.sh
	@if sh tests/set_up_browser.sh $(VENV)/web; then touch $@; fi

$(TOOLS): tests/set_up_tools.sh
	@if PYTHON=$(PY) sh tests/set_up_tools.sh $(VENV)/tools; then touch $@; fi

$(KERNEL_FILES): tests/set_up_kernels.sh
	@if sh tests/set_up_kernels.sh $(VENV)/kernels; then touch $@; fi

web: $(READY) $(BROWSER)  ## what the browser test of the report needs, where this machine can be given it

clean:  ## remove what make made, except measured runs
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
