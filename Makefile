# make run: everything, embedded, in the foreground. make test: every test that needs no server. `make help` lists the rest.
# The first interpreter that really runs and has the right version; a name on the PATH may be a broken shim.
PYTHON ?= $(shell for each in python3.12 python3.11 python3 python; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1 && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := --disable-pip-version-check --no-input --progress-bar on
STUBS := chat4all/v1/chat_pb2.py
BENCH ?= full
FILES ?= short folder
SERVERS := kafka cassandra rabbitmq minio prometheus alertmanager node-exporter jaeger
LOAD ?= smoke

.PHONY: help setup setup-dev run demo demo-kill demo-failover demo-scale demo-load test test-quick coverage-ops check watch dashboards load bench faults console-soak console-pictures real real-stop run-real servers test-real files wheel lock sbom clean
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

# What runs the service: all that `make run` needs.
$(VENV)/ready: requirements.txt constraints.txt pyproject.toml setup.py
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
		|| { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV), once: about 120 MB to download, 500 MB on the disk, half a minute to a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP) -c constraints.txt -r requirements.txt
	@$(BIN)/pip install -q $(PIP) --no-deps -e .
	@touch $@

# What checks and tests need beside it.
$(VENV)/ready-dev: requirements-dev.txt $(VENV)/ready
	@echo "Adding what checks and tests need, once: another 100 MB to download."
	@$(BIN)/pip install -q $(PIP) -c constraints.txt -r requirements-dev.txt
	@touch $@

$(STUBS): proto/chat4all/v1/chat.proto $(VENV)/ready
	@$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/chat4all/v1/chat.proto
	@touch $@

setup: $(VENV)/ready $(STUBS) ## environment, requirements, generated stubs

setup-dev: setup $(VENV)/ready-dev ## the same, with what checks and tests need

run: setup       ## everything embedded, in the foreground; Ctrl-C stops it
	@exec $(BIN)/chat4all run

demo: setup      ## against the running system: two users chat, then people on WhatsApp, Instagram and Telegram; a file travels
	@$(BIN)/python -m ops.demo

demo-kill: setup ## against the running system: a worker is killed while messages flow
	@$(BIN)/python -m ops.demo kill

demo-failover: setup ## against the running system: a worker, the broker and a whole node are killed while messages flow
	@$(BIN)/python -m ops.demo failover

demo-scale: setup ## against the running system: a second node joins while messages flow, and is killed
	@$(BIN)/python -m ops.demo scale

demo-load: setup ## against the running system: more and more messages a second
	@$(BIN)/python -m ops.demo load

test: setup-dev  ## all tests that need no real servers
	$(BIN)/pytest -m "not real" $(PYTEST)

test-quick: setup-dev ## the same without those through real processes
	$(BIN)/pytest -m "not real and not end_to_end"

real: setup      ## installs Kafka, Cassandra, RabbitMQ and MinIO into .servers, starts them, waits until each answers
	$(BIN)/python -m ops.native install
	$(BIN)/python -m ops.native start

real-stop: setup ## stops what `make real` started
	$(BIN)/python -m ops.native stop

run-real: real   ## the service on the real servers, in the foreground
	@eval "$$($(BIN)/python -m ops.native env)" && exec $(BIN)/chat4all run

servers: setup   ## installs every server that tests use into .servers; a quarter of an hour the first time
	$(BIN)/python -m ops.native install $(SERVERS)

test-real: setup-dev servers ## contract and end-to-end tests on real servers of the tests' own; an absent one is a failure
	REQUIRE_REAL=1 $(BIN)/pytest -m real $(PYTEST)

coverage-ops: setup-dev ## how much of the judge, the simulator, the harness and the native servers the quick tests reach, by branches; at least 90 %
	@mkdir -p build
	$(BIN)/coverage run -m pytest -m "not real and not end_to_end" tests/ops tests/faults tests/simulator --deselect tests/ops/test_wheel.py
	$(BIN)/coverage report
	@$(BIN)/coverage json -q -o build/coverage.json
	@$(BIN)/python -c "import json, sys; found = json.load(open('build/coverage.json'))['totals']['percent_branches_covered']; \
		print(f'branches: {found:.1f} %'); sys.exit(found < 90)"

check: setup-dev ## types, lint, imports, layout, the image's recipe, the OpenAPI document
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint Dockerfile
	sh ops/openapi/check.sh
	$(BIN)/pytest tests/test_layout.py

watch: setup     ## Prometheus (9090), Alertmanager (9093) and the node's figures beside the running system
	$(BIN)/python -m ops.native install prometheus alertmanager node-exporter
	$(BIN)/python -m ops.native start prometheus alertmanager node-exporter

dashboards: setup-dev ## writes Grafana's dashboards anew from ops/grafana
	$(BIN)/python -m ops.grafana

load: setup      ## k6 against the running system, and every message looked up; LOAD=smoke, steady, 100k-a-minute, spike, soak
	@test -x .servers/k6/k6 || $(BIN)/python -m ops.native install k6
	@$(BIN)/python -m ops.k6 $(LOAD)

bench: setup-dev ## on a system of its own; prints a table, writes build/bench.json; BENCH=short for less, BENCH=observed, webhooks, readers, search: what watching, webhooks, 10,000 idle readers and search cost
	$(BIN)/python -m ops.bench $(BENCH)

faults: setup-dev ## everything is killed, emptied, frozen and filled under load; FAULT=name, FAULTS=short, SEEDS=3, STACK=real
	$(BIN)/python -m ops.faults

console-soak: setup-dev ## the console's page under 600 events a second for an hour: its memory stays flat; SECONDS=300 for less
	CONSOLE_SOAK_S=$(or $(SECONDS),3600) $(BIN)/pytest -q --timeout=0 tests/end_to_end/test_console_soak.py

console-pictures: setup-dev ## the pictures of the console in README and docs, made by its tests
	CONSOLE_PICTURES=docs/pictures $(BIN)/pytest -q -k "customer_writes and embedded" tests/end_to_end/test_console.py

files: setup-dev ## uploads under cuts, on a system of its own; writes build/files.json; FILES="full folder real" for 2 GiB
	$(BIN)/python -m ops.files $(FILES)

wheel: setup     ## a wheel of client, command line and service, in build/wheel
	rm -rf build/lib build/wheel
	$(BIN)/pip wheel -q $(PIP) --no-deps -w build/wheel .

build/tools/ready: Makefile
	test -x build/tools/bin/python || $(PYTHON) -m venv build/tools
	build/tools/bin/pip install -q --disable-pip-version-check uv==0.13.9 cyclonedx-bom==7.5.0
	touch $@

lock: build/tools/ready ## writes requirements.lock anew: what the image installs, with hashes
	build/tools/bin/uv pip compile -q requirements.txt -c constraints.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o build/requirements.lock
	{ head -n 1 requirements.lock; cat build/requirements.lock; } > build/requirements.new && mv build/requirements.new requirements.lock

sbom: build/tools/ready ## writes build/sbom.json: what the image is made of, in CycloneDX
	build/tools/bin/cyclonedx-py requirements requirements.lock -o build/sbom.json

clean:           ## removes what is generated; data/ stays
	rm -rf $(VENV) build chat4all/v1/*_pb2*.py*
