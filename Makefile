# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
BIN   := bin/harbinger
FUZZTIME ?= 200000x
RUNS  ?= 5
IDLE  ?= 10m
SEEDS ?= 10000
OUTAGE ?= 180s

.DEFAULT_GOAL := help

help: ## show this text
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## three hosts on this machine elect a holder and survive its faults; prints the outages
	@hack/prerequisites.sh demo
	@go run ./hack/demo

test: ## every test, with the race detector, against real keepalived, haproxy and the kernel
	@hack/prerequisites.sh test
	go test -race -p 1 -timeout=20m ./...

build: ## the static binary, in bin/
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -buildid=' -o $(BIN) ./cmd/harbinger

image: ## the container image of this tree, one static program, as a tar for containerd, Docker or podman
	@hack/image.sh

e2e: ## real clusters behind the VIP and what happens to them, over an hour (needs Docker; builds Kubernetes at the first run)
	@hack/e2e/run.sh

smoke: ## of e2e one kind cluster: init, joins, IDLE=10m without a byte, two failovers under load
	@hack/e2e/run.sh -short -run '^TestKind$$' -idle=$(IDLE)

bench: ## outages beside keepalived and the balancer beside haproxy, RUNS=5 runs each, in turn; RUNS=1 is a short form of five minutes
	@hack/prerequisites.sh bench
	@go run ./hack/bench -runs $(RUNS)

faults: ## three real API servers and etcd under every fault of the table, RUNS=5 runs each, the API away for OUTAGE=180s
	@hack/prerequisites.sh faults
	@go run ./hack/faults -runs $(RUNS) -outage $(OUTAGE)

wild: ## what firewalls, network managers, cut networks and forged packets do to real hosts, RUNS=5 runs each
	@hack/prerequisites.sh faults
	@go run ./hack/wild -runs $(RUNS)

fuzz: ## every fuzz target, FUZZTIME=200000x inputs each
	@hack/fuzz.sh $(FUZZTIME)

model: ## the election's Lease in the model checker Spin, then SEEDS=10000 random simulations of the whole election
	@hack/prerequisites.sh model
	@hack/model/run.sh
	@hack/model/simulate.sh $(SEEDS)

verify: ## formatting, linters, tidy modules, shellcheck, golden files
	@hack/prerequisites.sh verify
	@hack/verify.sh

release: ## what a version publishes, in out/release: VERSION=v0.1.0, from a clean tree; COSIGN_KEY=FILE signs it
	@cd hack/release && go run . build -repo "$(CURDIR)" -out "$(CURDIR)/out/release" "$(VERSION)"

push: ## the image index of out/release/VERSION to its registry, or to REPOSITORY=; the credentials are those of docker login
	@cd hack/release && go run . push -repository "$(REPOSITORY)" "$(CURDIR)/out/release/$(VERSION)"

release-test: ## a release twice, the same bytes; its packages in a Debian, its image in the containerd of a host (needs debootstrap)
	@hack/release/try.sh

clean: ## remove what the targets above have built in this folder
	rm -rf bin out

.PHONY: help demo test build image e2e smoke bench faults wild fuzz model verify release push release-test clean
