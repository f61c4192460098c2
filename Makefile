# Everything a developer, CI and a newcomer run. `make` alone says what there is.

SHELL := /bin/sh
export PATH := $(CURDIR)/.tools/bin:$(PATH)

PACKAGES := proto telemetry schedule backbone skillset egress model action mcp index outbox dashboard gateway worker cuepoint law tests sim

.DEFAULT_GOAL := help
.PHONY: help tools peers proof-tools run test chart check bench bench-report profile sim proof clean proof-sim proof-mcp proof-model proof-fuzz proof-schedules proof-api proof-rolling proof-compose proof-permissions proof-telemetry chaos

help: ## Says what there is
	@echo "make run      starts everything, sends one event and shows what comes of it; serves until Ctrl-C"
	@echo "make test     runs every test, from nothing"
	@echo "make chart    renders the Helm chart and tries what comes of it; wants no Rust (make test does more of it)"
	@echo "make check    formatting, lints, docs, contract, dependencies"
	@echo "make bench    measures, prints a table and writes target/bench/latest.json; ARGS=\"--part accept --rounds 1 --quick\""
	@echo "make bench-report  measures all of it, and writes the tables of docs/benchmarks.md"
	@echo "make profile  where gateway and worker spend their time; wants Debian's linux-perf"
	@echo "make sim      runs seeds of the simulation (SEEDS=1000 FROM=0): workers and gateways whole, on a clock of their own"
	@echo "make proof    the heavy proofs: many seeds of the simulation (SEEDS=10000), MCP conformance, a real model,"
	@echo "              schedules, the API tried by its own document (SEED=1), permissions, and telemetry in Phoenix and Prometheus"
	@echo "make proof-rolling  every gateway and worker replaced behind a haproxy under load, old and new builds mixed"
	@echo "make proof-compose  images and docker-compose.yml in an engine that really runs: hurt, upgraded, clustered"
	@echo "make chaos    everything hurt at random for ten minutes under load, nothing lost (ARGS='--seed 2'); root mounts it a small disk"
	@echo "make proof-fuzz     hunts for what breaks a law: hostile envelopes, names, instructions, rules, calls (SECONDS_EACH=600)"
	@echo "make tools    puts the pinned servers and tools into .tools/; the others do this first"
	@echo "make peers    puts the pinned programs that tests talk to there too; make test does this first"
	@echo "make proof-tools   puts a model that really runs there (130 MB), and what tries the API; only proofs do this"
	@echo "make clean    removes what was built, and the tools; data in .cuepoint/ stays"

tools:
	@tools/install.sh

peers: tools
	@tools/peers.sh
	@tools/peers.sh browser
	@tools/peers.sh chart

proof-tools: tools
	@tools/peers.sh llama
	@tools/peers.sh api

run: tools
	cargo build --quiet --package cuepoint
	@exec target/debug/cuepoint dev --demo --log warn

test: tools peers
	tests/buf/renumbered.sh
	cargo test --quiet --workspace --doc
	cargo nextest run --workspace --no-fail-fast
	tests/chart/run.sh

# Without `tools`, which wants cargo: Python, Node and Helm are enough for what starts no program of ours.
chart:
	@tools/peers.sh
	@tools/peers.sh chart
	tests/chart/run.sh test_render test_bad test_types test_trial test_docs

check: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
	@# One package at a time: a build of all of them lends each the features that another asked for.
	@for package in $(PACKAGES); do echo "cargo check --package $$package"; cargo check --quiet --package $$package || exit 1; done
	buf lint proto
	buf breaking proto --against proto/golden/v1.binpb
	tests/buf/renumbered.sh
	tests/observability/runbooks.sh
	tests/docs/links.py
	tests/docs/guarantees.py
	tests/docs/benchmarks.py
	cargo deny --log-level error check bans licenses sources
	hadolint deploy/Dockerfile

bench: tools peers
	cargo build --release --quiet --package gateway --package worker --package tests
	target/release/bench $(ARGS)

# On a machine that does nothing else. What was measured already is taken too: `make bench ARGS="--part fsync"`, then
# tests/docs/benchmarks.py --write
bench-report: bench
	tests/docs/benchmarks.py --write

profile: tools
	cargo build --release --quiet --package gateway --package worker --package tests
	target/release/bench --part profile $(ARGS)

proof: proof-sim proof-mcp proof-model proof-schedules proof-api proof-permissions proof-telemetry

sim: tools
	cargo build --release --quiet --package sim
	target/release/cuepoint-sim --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0) $(ARGS)

# Ten thousand worlds in which every kind of fault strikes at every await, then quiet ones, then bugs that must be found.
proof-sim: tools
	cargo build --release --quiet --package sim
	target/release/cuepoint-sim --seeds $(or $(SEEDS),10000) --from $(or $(FROM),0) --each $(or $(EACH),100)
	target/release/cuepoint-sim --seeds 1000 --quiet
	target/release/cuepoint-sim --bugs --seeds 1000

proof-mcp: tools peers
	cargo build --quiet --package cuepoint
	tests/mcp/conformance.sh

proof-model: tools peers proof-tools
	cargo nextest run --package model --features proof --test real

proof-schedules: tools
	CUEPOINT_SCHEDULES=$(or $(SCHEDULES),120) cargo nextest run --package tests --test scenario --no-capture -E 'test(volley)'

proof-api: tools peers proof-tools
	cargo build --quiet --package cuepoint
	tests/api/schemathesis.sh $(SEED)

# Every scenario again, under TLS and the least permissions of `cuepoint nats-config`. Left out are those whose own clients come
# without a key: tests/tests/scenario/permission.rs has what they would show.
proof-permissions: tools peers
	CUEPOINT_TEST_SECURED=true cargo nextest run --package tests --test scenario --no-fail-fast \
		-E 'not (test(publisher::) or test(pin::a_broker) or test(world::message) or test(outbox::what_cannot_be_told) or test(threat::messages_reach))'

# What is told, as Phoenix and Prometheus see it, and Prometheus' own tests of the rules.
proof-telemetry: tools peers
	@tools/peers.sh phoenix
	@tools/peers.sh prometheus
	promtool check rules deploy/observability/alerts.yaml
	promtool test rules deploy/observability/alerts.test.yaml
	cargo nextest run --package tests --features proof --test scenario --no-capture -E 'test(observed::)'

# Not part of `make proof`: it wants haproxy, and the build of an older commit. OLD=COMMIT PROFILE=dev SECONDS_LONG=60 RATE=500
proof-rolling: tools
	OLD=$(OLD) PROFILE=$(or $(PROFILE),release) tests/rolling/rolling.sh --seconds $(or $(SECONDS_LONG),60) --rate $(or $(RATE),500)

# Not part of `make proof`: it takes ten minutes, and root for one of its faults. ARGS='--seed 2 --only nats-kill' PROFILE=dev
chaos: tools
	cargo build --quiet --profile $(or $(PROFILE),release) --package gateway --package worker --package tests --bins
	target/$(if $(filter dev,$(PROFILE)),debug,$(or $(PROFILE),release))/chaos $(ARGS)

# Not part of `make proof`: it wants root, Debian's docker.io and 12 GB of disk. OLD=COMMIT to upgrade from
proof-compose: tools
	OLD=$(OLD) tests/compose/run.sh

# Not part of `make proof`: it takes SECONDS_EACH=600 for each target, or for those in TARGETS="name time".
proof-fuzz: tools
	@tools/fuzz.sh
	fuzz/hunt.sh $(or $(SECONDS_EACH),600) $(TARGETS)

clean:
	rm -rf target .tools
