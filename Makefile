# The same verbs as in CI. `make help` lists them.

.PHONY: help demo up test check check-terraform soak bench package samples clean
.DEFAULT_GOAL := help

help:              ## List the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo:              ## Bring everything up, drop the sample files, show the tables and the mail
	cargo run --bin downspout -- demo

up:                ## Bring everything up and stay; data in .downspout
	cargo run --bin downspout -- up

test:              ## Set up what the tests need, then run every test
	tests/setup
	cargo test --workspace

# Macros declare the files of activities and operations, so cargo fmt does not find them.
check:             ## What CI runs: format, lints, every test
	cargo fmt --all --check
	rustfmt --edition 2024 --check ec2-worker/src/activity/*.rs ec2-worker/src/activity/*/*.rs
	rustfmt --edition 2024 --check crates/server/src/ops/*.rs
	cargo clippy --workspace --all-targets -- --deny warnings
	$(MAKE) test
	$(MAKE) check-terraform

check-terraform:   ## Check terraform/: conventions, checkov, validate, and an apply of every example against a stand-in for AWS
	tests/terraform/check

# `-p e2e` makes cargo build the libraries with the features that `make bench` uses, so both share one build.
soak:              ## Tests that take longer than CI may: 10,000 seeds, every mutation, five minutes of killed servers, 500 random file sets and 100 on moto, 200 killed loads, 200 kills under producers of streams, 2,000 random tables, 20,000 connections, 30 minutes of load, every statement of a policy
	tests/setup
	SIMULATION_SEEDS=10000 SIMULATION_COUNTS=1 cargo test --release -p server -p e2e --lib simulation::tests::seeds -- --nocapture
	tests/mutations
	DOWNSPOUT_SOAK_SECS=300 cargo test -p e2e --test e2e servers:: -- --nocapture
	DOWNSPOUT_SOAK_SETS=500 cargo test -p e2e --test e2e adversary:: -- --nocapture
	DOWNSPOUT_SOAK_LOAD_SECS=1800 cargo test -p e2e --test e2e load:: -- --nocapture
	DOWNSPOUT_SOAK_CROWD=20000 cargo test -p e2e --test e2e connections:: -- --nocapture
	DOWNSPOUT_SOAK_STREAM_KILLS=200 cargo test -p e2e --test e2e streams::killed:: -- --nocapture
	DOWNSPOUT_SOAK_KILLS=200 DOWNSPOUT_SOAK_TABLES=2000 DOWNSPOUT_SOAK_TEXTS=400 DOWNSPOUT_SOAK_INPUTS=50000 \
		cargo test --release -p ec2-worker --test it -- --nocapture killed_loads:: random_ fuzzed::
	DOWNSPOUT_SOAK_STATEMENTS=1 tests/terraform/check 'apply complete'

bench:             ## Measure speed and memory beside the named rivals; writes target/bench.json
	tests/setup rivals
	cargo build --release --bin ec2-worker
	cargo bench --bench speed
	python3 tests/benches/function.py

package:           ## Make what is deployed, in target/package: worker and engine, and the Lambda function as zips and for an image
	ec2-worker/package
	orchestrator/package

samples:           ## Generate the sample files again from their seed
	cargo run --bin generate-samples pipeline-definitions/orders/samples

clean:             ## Remove the build; keeps .downspout
	cargo clean
