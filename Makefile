# `make test` checks everything, from a fresh Debian machine with only Rust (and make) on it. `make help` lists the steps.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# A step that fails for a warning must do so for ours alone; RUSTFLAGS would rebuild every dependency.
STRICT := -- -D warnings
LOCKED := --locked

.DEFAULT_GOAL := help
# The steps use the same two cores and the same cargo lock; one after another is as fast and can be read.
.NOTPARALLEL:

.PHONY: test
test: servers versions fmt-check deny lint docs unit it ## everything below: what CI runs
	@echo "make test: everything passed"

.PHONY: servers
servers: ## install what the tests start: OpenSSH, PostgreSQL, nginx, Chromium (Debian; starts no service of the system)
	@scripts/servers

.PHONY: versions
versions: ## say what everything is tested with
	@scripts/versions

.PHONY: fmt-check
fmt-check: ## formatting (`cargo fmt` does not see modules that a macro names, so rustfmt gets every file)
	rustfmt --edition 2024 --check $$(git ls-files '*.rs')

.PHONY: fmt
fmt: ## format every file
	rustfmt --edition 2024 $$(git ls-files '*.rs')

.PHONY: deny
deny: ## licenses, sources, bans and advisories of the dependencies
	@CARGO=$(CARGO) scripts/deny $(TARGET)/tools

.PHONY: lint
lint: ## clippy on everything, and on the gather layer alone
	$(CARGO) clippy $(LOCKED) --all-targets $(STRICT)
	$(CARGO) clippy $(LOCKED) --no-default-features --lib $(STRICT)
	$(CARGO) clippy $(LOCKED) --no-default-features --features report --lib $(STRICT)

.PHONY: docs
docs: ## the library's documentation, every link of it
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --no-deps

.PHONY: unit
unit: ## tests beside the code, and the examples in the documentation
	FANOUT_REQUIRE_SERVERS=1 FANOUT_LONG_TESTS=1 $(CARGO) test $(LOCKED) --lib --bins --examples
	$(CARGO) test $(LOCKED) --doc

.PHONY: it
it: ## the real program against real servers; a server that is missing is a failure
	FANOUT_REQUIRE_SERVERS=1 FANOUT_LONG_TESTS=1 $(CARGO) test $(LOCKED) --test it

.PHONY: bench-gather
bench-gather: ## what an item costs in the gather layer, beside its peers; the table of bench/RESULTS.md
	bench/gather.sh --write

.PHONY: bench-log
bench-log: ## what the event log and a subscriber that takes no span cost
	bench/log.sh --write

.PHONY: bench-what-if
bench-what-if: ## how near `show --what-if` comes to what a run takes under another limit
	bench/what_if.sh --write

.PHONY: bench-view
bench-view: ## what the live view costs, on a terminal and without one
	bench/view.sh --write

.PHONY: bench-sftp
bench-sftp: ## files over SFTP, beside sftp, rclone, lftp and asyncssh at their best; takes some minutes
	bench/sftp.sh --write

.PHONY: outputs
outputs: ## run again what the texts show
	$(CARGO) build $(LOCKED)
	PATH=$$(realpath $(TARGET))/debug:$$PATH scripts/outputs README.md docs/*.md

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
