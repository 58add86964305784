# make run: everything, embedded, in the foreground. make test: all tests. `make help` lists the rest.
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c 'print("python3.12")' 2>/dev/null || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STUBS := proto/chat4all/v1/chat_pb2.py

.PHONY: help setup run demo demo-kill test check bench clean
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(VENV)/ready: requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3,11) <= sys.version_info[:2] <= (3,12) else "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

$(STUBS): proto/chat4all/v1/chat.proto $(VENV)/ready
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. proto/chat4all/v1/chat.proto
	touch $@

setup: $(VENV)/ready $(STUBS) ## environment, requirements, generated stubs

check: setup     ## types, lint, imports, layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest tests/test_layout.py

test: setup      ## all tests that need no real servers
	$(BIN)/pytest

run: setup       ## everything embedded, in the foreground
	$(BIN)/chat4all run
