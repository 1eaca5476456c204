# Each command is one of make.py, which sets up what it needs by itself. `make` alone lists them.

ifeq ($(OS),Windows_NT)
PYTHON ?= py
else
PYTHON ?= python3
endif

COMMANDS := run further lab test test-browser site test-site assignment given test-assignment bench accept replicate mutation

.PHONY: help $(COMMANDS)
# `make run test` is one after the other, whatever -j says.
.NOTPARALLEL:

help:
	@$(PYTHON) make.py

$(COMMANDS):
	@$(PYTHON) make.py $@
