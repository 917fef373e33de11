# What one does with this checkout; `make` alone lists it.

SWIFT ?= swift
BIN := .build/release
LIMITS ?= deploy/limits.yaml
EVENTS ?= deploy/examples/marketplace.ndjson

.DEFAULT_GOAL := help
.PHONY: help deps deps-test deps-bench toolchain build test test-faults test-nightly lint demo run bench bench-check \
  bench-thresholds bench-probe completions examples proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what is missing: hiredis, Redis, Python and its YAML (Debian, Ubuntu)
	@sh scripts/deps.sh

deps-test: ## the same, and what the tests use: promtool, curl, Chromium
	@sh scripts/deps.sh test

toolchain:
	@command -v $(SWIFT) >/dev/null 2>&1 || { \
	  echo "make: there is no Swift on the PATH; install 6.3 or later from https://www.swift.org/install" >&2; exit 1; }

build: toolchain deps ## release build of sluiced and sluice
	$(SWIFT) build -c release --product sluiced
	$(SWIFT) build -c release --product sluice

# One test at a time: many hold real time to account, and only their own load is to be measured.
test: toolchain deps-test lint ## lint, then every test, in a debug build
	$(SWIFT) build --build-tests
	$(SWIFT) build --product sluice-bench-probe
	$(SWIFT) test --skip-build --disable-xctest --no-parallel --skip SluiceFaultTests
	@echo "make test: everything passed"

test-faults: toolchain deps-test ## break Redis, the network, the service and its clients, and see that it survives
	$(SWIFT) build --build-tests
	$(SWIFT) build --product sluice-test-clock
	$(SWIFT) test --skip-build --disable-xctest --no-parallel --filter SluiceFaultTests
	@echo "make test-faults: everything passed; what was seen is in .build/fault-matrix.md"

test-nightly: ## the same, with a million random operations against the reference model and every script mutant
	@SLUICE_TEST_OPERATIONS=1000000 $(MAKE) test

lint: toolchain ## format, length and tidiness of the sources
	@SWIFT="$(SWIFT)" sh scripts/lint.sh

demo: build ## play a simulated day of a marketplace against the starter limits
	$(BIN)/sluice replay --limits $(LIMITS) $(EVENTS)

run: build ## a service on 127.0.0.1:7400 with a private Redis, until Ctrl-C
	@echo "In another terminal:  $(BIN)/sluice check login user=u17 ip=203.0.113.9 device=9f3c"
	@exec $(BIN)/sluiced --limits $(LIMITS)

bench: build bench-probe ## measure the budgets of docs/performance.md on this machine
	$(BIN)/sluice bench

bench-check: build bench-probe deps-bench ## count instructions and allocations per decision; fail where they have grown
	$(BIN)/sluice bench --instructions --thresholds scripts/bench-thresholds

bench-thresholds: build bench-probe deps-bench ## write what is counted to scripts/bench-thresholds
	$(BIN)/sluice bench --instructions --thresholds scripts/bench-thresholds --set-thresholds

bench-probe: toolchain deps
	$(SWIFT) build -c release --product sluice-bench-probe

deps-bench:
	@sh scripts/deps.sh bench

completions: build ## completions for bash, zsh and fish, into .build/completions/
	@mkdir -p .build/completions
	@for program in sluice sluiced; do for shell in bash zsh fish; do \
	  $(BIN)/$$program --generate-completion-script $$shell >.build/completions/$$program.$$shell || exit 1; done; done
	@echo "in .build/completions; docs/cli.md says where they go"

examples: ## make deploy/examples/marketplace.ndjson again
	python3 deploy/examples/generate.py

proto: toolchain ## generate the Swift messages from Sources/SluiceWire/sluice.proto
	@command -v protoc >/dev/null 2>&1 || { \
	  echo "make: there is no protoc on the PATH; on Debian: apt-get install protobuf-compiler" >&2; exit 1; }
	$(SWIFT) build --product protoc-gen-swift
	protoc --plugin=protoc-gen-swift="$$($(SWIFT) build --show-bin-path)/protoc-gen-swift" \
	  --proto_path=Sources/SluiceWire --swift_opt=Visibility=Public --swift_out=Sources/SluiceWire sluice.proto

clean: toolchain ## remove what was built
	$(SWIFT) package clean
