# make run · make further · make test · make lab · make bench · make assignment: each sets up what it needs by itself. `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif
READY := .venv/.ready

# Threads that wait for each other by spinning train up to twenty times slower when another program wants the cores too.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help run further lab test test-browser test-assignment assignment bench accept mutation

help:
	@echo "make run     execute the four notebooks and draw figures/"
	@echo "make further  execute the four that go further: notebooks/going_further"
	@echo "make lab     open JupyterLab on the notebooks"
	@echo "make test    run the unit tests, and the notebooks as tests"
	@echo "make test-browser  move every slider in JupyterLab, in Chromium, and time them"
	@echo "make assignment  build what students get: build/inside_lenet5.zip"
	@echo "make test-assignment  grade a class of made students with nbgrader"
	@echo "make bench   measure how fast all this is, and against what"
	@echo "make accept  execute all notebooks and keep their new outputs and figures"
	@echo "make mutation  change the helpers in hundreds of small ways, and see that the tests notice (half an hour)"

run: $(READY)
	@$(BIN)/python notebooks/run.py

further: $(READY)
	@$(BIN)/python notebooks/run.py notebooks/going_further/*.ipynb

lab: $(READY)
	$(BIN)/python -m jupyterlab --notebook-dir=. --ServerApp.kernel_websocket_connection_class=helpers.server.PromptConnection notebooks/01_build_and_train_lenet5.ipynb

# Two runs, as one process that holds torch beside a kernel that holds it too takes 2 GB.
test: $(READY)
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m pytest tests --ignore tests/browser --ignore tests/assignment
	$(BIN)/python -m pytest notebooks

# In a real JupyterLab in a real Chromium, which must be installed (Debian: apt-get install chromium).
test-browser: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,browser]'
	$(BIN)/python -m pytest tests/browser

assignment: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,assignment]'
	@$(BIN)/python assignment/build.py

test-assignment: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,assignment]'
	$(BIN)/python -m pytest tests/assignment

# With PyTorch's threads as they come: nothing else runs beside it.
bench: $(READY)
	@env -u OMP_WAIT_POLICY $(BIN)/python -m benchmarks

accept: $(READY)
	@$(BIN)/python notebooks/run.py --in-place notebooks/*.ipynb notebooks/going_further/*.ipynb

# One thread: mutmut forks a process that has used torch, and its threads do not come along.
mutation: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutation]'
	rm -rf mutants
	OMP_NUM_THREADS=1 $(BIN)/python -m mutmut run
	@$(BIN)/python -m mutmut results
	@$(BIN)/python -m mutmut export-cicd-stats > /dev/null
	@$(BIN)/python -c 'import json, sys; s = json.load(open("mutants/mutmut-cicd-stats.json")); share = 100 * (s["killed"] + s["timeout"]) / s["total"]; print("%.1f %% of %d mutants fail a test; 95 %% are asked for" % (share, s["total"])); sys.exit(share < 95)'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[test]'
	@$(BIN)/python -c 'import torchvision' || { echo "torch and torchvision do not fit together: delete .venv and run make again."; exit 1; }
	@touch $(READY)
