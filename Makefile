# One front door. Each target is one script in scripts/; .ci/run calls the same.
# Build output goes to $CARGO_TARGET_DIR, by default outside the clone
# (scripts/env.sh).

.PHONY: help run demo test test-real test-openapi test-assistants test-upgrade test-install test-soak \
	lint audit fuzz fuzz-smoke bench build install uninstall deb image sbom test-reproducible

help:
	@echo 'make run        build both programs and start them over ./data/proxy.db'
	@echo 'make demo       the same over simulated providers, no account needed'
	@echo 'make test       every test, with the real clients'
	@echo 'make test-real  the gateway over a genuine llama.cpp server, built here once'
	@echo 'make test-openapi  made-up requests from the OpenAPI documents: no 5xx'
	@echo 'make test-assistants  coding assistants over the gateway, installed here once'
	@echo 'make test-upgrade  ten upgrades under 200 streams and 500 requests a second'
	@echo 'make test-install  package, services and image in clean roots (needs root)'
	@echo 'make test-soak  three minutes of mixed calls and faults; nothing may grow (TIME=1800)'
	@echo 'make lint       format, clippy, dependency directions, licences'
	@echo 'make audit      known vulnerabilities of the dependencies (needs the network)'
	@echo 'make fuzz       laws of the wire formats on made-up bytes (TIME=30)'
	@echo 'make fuzz-smoke the same, a minute for each target'
	@echo 'make bench      the figures of docs/benchmarks.md, beside other gateways'
	@echo 'make build      release build of both programs'
	@echo 'make install    what make build has built, with its services (PREFIX, DESTDIR)'
	@echo 'make uninstall  without them; settings and store stay'
	@echo 'make deb        a Debian package'
	@echo 'make sbom       what both programs are built of, as CycloneDX documents'
	@echo 'make test-reproducible  two builds in two folders give the same bytes'
	@echo 'make image      container image (needs docker)'

run:
	@scripts/run.sh

demo:
	@scripts/demo.sh

test:
	@scripts/test.sh

test-real:
	@scripts/test-real.sh

test-openapi:
	@scripts/test-openapi.sh

test-assistants:
	@scripts/test-assistants.sh

test-upgrade:
	@scripts/test-upgrade.sh

test-install:
	@scripts/test-install.sh

test-soak:
	@scripts/test-soak.sh

lint:
	@scripts/lint.sh

audit:
	@scripts/audit.sh

fuzz:
	@scripts/fuzz.sh $(TIME) $(TARGETS)

fuzz-smoke:
	@scripts/fuzz.sh 60 $(TARGETS)

bench:
	@scripts/bench.sh

build:
	@scripts/build.sh

install:
	@scripts/install.sh install

uninstall:
	@scripts/install.sh uninstall

deb:
	@scripts/deb.sh

sbom:
	@scripts/sbom.sh

test-reproducible:
	@scripts/test-reproducible.sh

image:
	docker build --tag serverless-proxy .
