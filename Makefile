# nemo-bridge: set up, build, demonstrate, test.   `make help` lists the targets.
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
STAMP := build/stamps
JOBS  := $(shell nproc 2>/dev/null || echo 2)

FORTRAN := $(shell find fortran_stubs -type f -name '*.f90' -o -name '*.F90' -o -name '*.h90' -o -name '*.c' -o -name '*.h' -o -name '*.cmake' -o -name CMakeLists.txt 2>/dev/null)
LINT_FLAGS  := -std=f2008 -Wall -Wextra -Werror -O1
PYTEST_FLAGS ?=

.PHONY: help install demo twin test test-fast test-nemo lint format fuzz bench docs clean distclean
.DELETE_ON_ERROR:

help:
	@echo "make demo    tune the global ocean against a climatology (a few minutes)"
	@echo "make twin    recover known parameters of the gyre from its own output"
	@echo "make test    build (optimised and debug) and run every test"
	@echo "make lint    ruff, mypy, fortitude, strict Fortran 2008 build"
	@echo "make fuzz    a million hostile frames for Python, a hundred thousand for Fortran (half an hour)"
	@echo "make bench   measure exchange, snapshots and overhead (half an hour, on a quiet machine)"
	@echo "make docs    regenerate docs/commands.md and docs/nemo_parameters.md, check the links of the documentation"
	@echo "make clean   remove what was built (distclean: the Python environment too)"

# --- set-up: each stamp is redone only when what it depends on changes -------------------------------------------

$(STAMP)/system: scripts/system_packages.sh scripts/find_python.sh
	@scripts/system_packages.sh
	@mkdir -p $(@D) && touch $@

$(STAMP)/python: $(STAMP)/system pyproject.toml constraints.txt scripts/requirements.py
	@test -x $(BIN)/python || "$$(scripts/find_python.sh)" -m venv $(VENV)
	@echo "+ installing Python packages into $(VENV)"
	@$(BIN)/python scripts/requirements.py dev > $(STAMP)/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r $(STAMP)/requirements.txt
	@touch $@

$(STAMP)/install: $(STAMP)/python $(FORTRAN)
	@echo "+ building the Fortran programs and installing nemo-bridge (editable)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(STAMP)/install

build/debug/.stamp: $(STAMP)/python $(FORTRAN)
	@echo "+ debug build: bounds and floating-point checks"
	@cmake -S fortran_stubs -B build/debug -DNB_DEBUG=ON > build/debug.log 2>&1 \
	  && cmake --build build/debug --parallel $(JOBS) >> build/debug.log 2>&1 || { cat build/debug.log; exit 1; }
	@touch $@

$(STAMP)/fortran-lint: $(STAMP)/python $(FORTRAN)
	@echo "+ gfortran $(LINT_FLAGS)"
	@cmake -S fortran_stubs -B build/lint -DCMAKE_BUILD_TYPE=None -DCMAKE_Fortran_FLAGS="$(LINT_FLAGS)" > build/lint.log 2>&1 \
	  && cmake --build build/lint --parallel $(JOBS) >> build/lint.log 2>&1 || { cat build/lint.log; exit 1; }
	@touch $@

# --- what people type ---------------------------------------------------------------------------------------------

# Initial states are the model's own, made once: five years of the global ocean (a few minutes), one of the gyre.
examples/global/restart_5y.nc: | $(STAMP)/install
	@echo "+ spinning up the global ocean for five years (once)"
	$(BIN)/nemo-bridge run examples/global/namelist_cfg --directory runs/spinup-global --years 5 --restart $@

examples/gyre/restart_1y.nc: | $(STAMP)/install
	@echo "+ spinning up the gyre for one year (once)"
	$(BIN)/nemo-bridge run examples/gyre/namelist_cfg --directory runs/spinup-gyre --years 1 --restart $@

# A second `make demo` goes on where the first one was stopped; `rm -r runs/demo` starts afresh.
demo: install examples/global/restart_5y.nc
	$(BIN)/nemo-bridge tune examples/global/tune.toml --directory runs/demo $(if $(wildcard runs/demo/ledger),--resume)

twin: install examples/gyre/restart_1y.nc
	$(BIN)/nemo-bridge tune examples/gyre/twin.toml --directory runs/twin $(if $(wildcard runs/twin/ledger),--resume)
	$(BIN)/nemo-bridge tune examples/gyre/twin_noise.toml --directory runs/twin_noise $(if $(wildcard runs/twin_noise/ledger),--resume)

test: install build/debug/.stamp
	NEMO_BRIDGE_BUILD=$(CURDIR)/build/debug $(BIN)/python -m pytest $(PYTEST_FLAGS)

test-fast: install build/debug/.stamp
	NEMO_BRIDGE_BUILD=$(CURDIR)/build/debug $(BIN)/python -m pytest -m "not slow" $(PYTEST_FLAGS)

# With a NEMO that you have built after `nemo-bridge nemo install`; see docs/nemo.md.
test-nemo: install
	@test -n "$(NEMO_EXE)" -a -n "$(NEMO_RUN_DIR)" || { echo "give NEMO_EXE=… NEMO_RUN_DIR=…"; exit 2; }
	NEMO_EXE="$(NEMO_EXE)" NEMO_RUN_DIR="$(NEMO_RUN_DIR)" $(BIN)/python -m pytest tests/nemo -s $(PYTEST_FLAGS)

lint: $(STAMP)/python $(STAMP)/fortran-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/fortitude check fortran_stubs

format: $(STAMP)/python
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# FUZZ_SEED=… goes other ways; the sanitizers find what bounds checks do not.
FUZZ_FRAMES         ?= 1000000
FUZZ_FRAMES_FORTRAN ?= 100000
FUZZ_SEED           ?= 1
DECODER_TESTS := tests/fuzz/test_python_decoder.py $(addprefix tests/bridge/test_,hostile_answers.py zmq_pieces.py session_in_memory.py shared_memory.py shared_session.py)

$(STAMP)/fuzz: $(STAMP)/python
	@$(BIN)/python scripts/requirements.py fuzz > $(STAMP)/requirements_fuzz.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r $(STAMP)/requirements_fuzz.txt
	@touch $@

build/sanitized/.stamp: $(STAMP)/python $(FORTRAN)
	@echo "+ debug build with sanitizers"
	@cmake -S fortran_stubs -B build/sanitized -DNB_DEBUG=ON -DNB_SANITIZE=ON > build/sanitized.log 2>&1 \
	  && cmake --build build/sanitized --parallel $(JOBS) --target registry_model >> build/sanitized.log 2>&1 || { cat build/sanitized.log; exit 1; }
	@touch $@

fuzz: export PYTHONPATH := $(CURDIR)
fuzz: install $(STAMP)/fuzz build/debug/.stamp build/sanitized/.stamp
	@mkdir -p build/fuzz
	NEMO_BRIDGE_BUILD=$(CURDIR)/build/debug $(BIN)/python -m coverage run --data-file=build/fuzz/coverage -m pytest -q $(DECODER_TESTS)
	$(BIN)/python -m coverage json --data-file=build/fuzz/coverage -o build/fuzz/coverage.json
	$(BIN)/python tests/fuzz/branches.py build/fuzz/coverage.json 95
	$(BIN)/python tests/fuzz/hostile_server.py build/sanitized/test/registry_model $(FUZZ_FRAMES_FORTRAN) $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_python.py $(FUZZ_FRAMES) $(FUZZ_SEED) build/fuzz

bench: install
	@mkdir -p build/bench
	$(BIN)/nemo-bridge bench snapshot --json build/bench/snapshot.json
	$(BIN)/nemo-bridge bench exchange --json build/bench/exchange.json
	$(BIN)/nemo-bridge bench overhead --json build/bench/overhead.json

docs: install
	$(BIN)/typer optim.cli utils docs --name nemo-bridge --title "Commands" --output docs/commands.md
	$(BIN)/python scripts/nemo_parameter_table.py
	$(BIN)/python scripts/check_links.py README.md docs

clean:
	rm -rf build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find bridge emulator optim tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
