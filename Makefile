# Chat service: every command that a developer or CI runs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Packages of the private servers are downloaded once and shared by `make run` and `make test`.
export CHAT_PKG_CACHE ?= $(CURDIR)/.run/pkg

GO        ?= go
ARGS      ?=
PKG       ?= ./...
FUZZTIME  ?= 20s
TAGS      := integration,e2e,chaos,faults,flood
BINARIES  := gateway worker api chatctl
SOURCES   := cmd internal
LINT      := .tools/golangci-lint
LEAKS     := .tools/gitleaks
SBOM      := .tools/cyclonedx-gomod
VULN      := .tools/govulncheck
TESTFLAGS := -race -shuffle=on -p 2 -timeout 15m
SERVERS   := bin/chatctl servers --dir .run/test --fresh
SECRETS   := .run/secrets
COMPOSE   := docker compose -f deployments/compose.yaml

##@ Run

.PHONY: deps
deps: ## Download the Go modules.
	$(GO) mod download

.PHONY: run
run: build ## Build, then start private servers and the whole service on :8080 (CHAT_PORT=8090, ARGS="--gateways 3").
	@bin/chatctl up $(ARGS)

.PHONY: dev
dev: build ## Like run, and rebuild and restart when a source file changes.
	@bin/chatctl up --dev $(ARGS)

##@ Build

.PHONY: build
build: ## Build gateway, worker, api and chatctl into bin/.
	@mkdir -p bin
	$(GO) build -o bin/ ./cmd/...

# The binaries that are shipped or measured are optimised by profiles of the busiest processes; such a build takes a minute longer.
profile = -pgo=$(or $(wildcard cmd/$(1)/production.pgo),off)

.PHONY: build-tuned
build-tuned: build ## Like build, optimised by the profiles in cmd/*/production.pgo, as in build-prod and the images.
	@$(foreach b,$(BINARIES),$(if $(wildcard cmd/$(b)/production.pgo),$(GO) build $(call profile,$(b)) -o bin/ ./cmd/$(b);))

.PHONY: build-prod
build-prod: $(BINARIES:%=bin/%-linux-amd64) ## Build static linux-amd64 binaries into bin/.

.PHONY: $(BINARIES:%=bin/%-linux-amd64)
$(BINARIES:%=bin/%-linux-amd64): bin/%-linux-amd64:
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build $(call profile,$*) -trimpath -ldflags '-s -w' -o $@ ./cmd/$*

##@ Test

.PHONY: test
test: build ## Run all tests: unit, integration and end-to-end, on private real servers.
	@$(SERVERS) --mysql8 -- .ci/gotest $(GO) test $(TESTFLAGS) -tags "integration e2e" $(PKG)

.PHONY: test-unit
test-unit: ## Run the tests that need no server.
	@.ci/gotest $(GO) test $(TESTFLAGS) $(PKG)

.PHONY: test-integration
test-integration: build ## Run unit and integration tests on private real servers.
	@$(SERVERS) --mysql8 -- .ci/gotest $(GO) test $(TESTFLAGS) -tags integration $(PKG)

.PHONY: test-e2e
test-e2e: build ## Run the end-to-end tests with the real binaries.
	@$(SERVERS) -- .ci/gotest $(GO) test $(TESTFLAGS) -tags e2e ./internal/test/e2e/...

.PHONY: test-attacks
test-attacks: build ## Try attacks on real processes; print them by family, and the matrix of routes, frames and roles.
	@$(SERVERS) -- $(GO) test -tags e2e -count=1 -timeout 15m -v ./internal/test/attacks | grep -vE '^ *(=== |--- PASS)'

.PHONY: test-page
test-page: build ## Run the tests of the page and its client, in Node.js and in a real browser.
	@$(SERVERS) -- $(GO) test -tags e2e -count=1 -timeout 15m -v ./internal/test/browser

.PHONY: test-conformance
test-conformance: build ## Run the conformance tests: WebSocket cases through gateway, front door, nginx and HAProxy; HTTP; REST by the OpenAPI document.
	@$(SERVERS) -- $(GO) test -tags e2e -count=1 -timeout 15m -v ./internal/test/conformance

.PHONY: fuzz-rest
fuzz-rest: build ## Send REQUESTS (20000) made from the OpenAPI document by SEED (the clock) to the api, and check every answer.
	@$(SERVERS) -- env CHAT_FUZZ_REQUESTS=$(or $(REQUESTS),20000) CHAT_FUZZ_SEED=$(or $(SEED),$$(date +%s)) \
		$(GO) test -tags e2e -count=1 -timeout 60m -v -run '^TestREST$$' ./internal/test/conformance

.PHONY: road
road: build ## Print the road of a message (stop, file, functions, lines), and what is executed and not named in ARCHITECTURE.md.
	@$(SERVERS) -- $(GO) test -C internal/test/road -tags e2e -count=1 -table

.PHONY: test-coverage
test-coverage: build ## Run all tests and write coverage/coverage.html.
	@mkdir -p coverage
	@$(SERVERS) --mysql8 -- $(GO) test -p 2 -timeout 15m -tags "integration e2e" -coverpkg=./internal/... -coverprofile=coverage/coverage.out $(PKG)
	@$(GO) tool cover -html=coverage/coverage.out -o coverage/coverage.html
	@$(GO) tool cover -func=coverage/coverage.out | tail -n 1

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (20s).
	@grep -rlE --include='*_test.go' '^func Fuzz' $(SOURCES) | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$$file"); do \
			echo "== $$file $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
		done; \
	done

.PHONY: bench
bench: build-tuned ## Measure the service on private servers (ARGS="--scenario all --runs 5", see docs/performance.md).
	@bin/chatctl bench $(ARGS)

.PHONY: flood
flood: build ## Measure what others notice of a flood by one account or one address (by default limits).
	@$(SERVERS) -- $(GO) test -tags "e2e flood" -count=1 -timeout 15m -v -run '^TestFlood$$' ./internal/test/e2e

.PHONY: bench-go
bench-go: ## Run the Go benchmarks of codec, hub, writer and commit batch.
	$(GO) test -run '^$$' -bench . -benchmem $(PKG)

##@ Check

.PHONY: fmt
fmt: ## Format the sources.
	gofmt -w $(SOURCES)

.PHONY: fmt-check
fmt-check:
	@bad="$$(gofmt -l $(SOURCES))"; if [ -n "$$bad" ]; then echo "not formatted, run \`make fmt\`:"; echo "$$bad"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet -tags "$(TAGS)" ./...

.PHONY: lint
lint: $(LINT) ## Run golangci-lint (built once from .ci/tools into .tools).
	$(LINT) run --build-tags "$(TAGS)" ./...

$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	@echo "building golangci-lint, once"
	@mkdir -p .tools
	cd .ci/tools && $(GO) build -o $(CURDIR)/$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: leaks
leaks: $(LEAKS) ## Look for secrets in the files and in the history (gitleaks, exceptions in .gitleaks.toml).
	@$(LEAKS) dir --no-banner --verbose --redact --exit-code 1 -c .gitleaks.toml .
	@$(LEAKS) git --no-banner --verbose --redact --exit-code 1 -c .gitleaks.toml --log-opts=HEAD .

.PHONY: sbom
sbom: $(SBOM) ## Write bin/sbom.cdx.json: the modules that the programs are built from, and Go (CycloneDX).
	@mkdir -p bin
	@$(SBOM) mod -json -std -output bin/sbom.cdx.json . 2>/dev/null && echo "bin/sbom.cdx.json: $$(grep -c '"bom-ref"' bin/sbom.cdx.json) components"

# Not in CI: it needs a database from the network (vuln.go.dev, or another in GOVULNDB).
.PHONY: vuln
vuln: $(VULN) ## Compare the code with the Go vulnerability database; exit code 3: something was found.
	@$(VULN) ./... || { code=$$?; [ $$code = 3 ] || echo "NOTHING WAS CHECKED: the database of vulnerabilities can't be reached (see above); set GOVULNDB to a mirror" >&2; exit $$code; }

$(LEAKS) $(SBOM) $(VULN): .ci/scanners/go.mod .ci/scanners/go.sum
	@echo "building $(@F), once"
	@mkdir -p .tools
	cd .ci/scanners && $(GO) build -o $(CURDIR)/$@ $$(awk '/\/$(@F)(\/v[0-9]+)?$$/ { print $$NF; exit }' go.mod)

.PHONY: check
check: ## Run everything that CI runs: formatting, vet, lint, secrets, bill of materials, all tests, four minutes of faults and two of a cluster's.
	@for step in fmt-check vet lint leaks sbom test "chaos SEED=$(or $(SEED),12)" chaos-cluster-brief; do \
		echo "== make $$step"; begun=$$SECONDS; \
		$(MAKE) --no-print-directory $$step; \
		echo "== make $$step: ok, $$((SECONDS - begun)) s"; \
	done

##@ Containers

# Compose needs passwords; those that are missing are made, and stay on this machine. The folder is closed to other accounts; the files
# are mounted into containers, whose users must be able to read them.
.PHONY: secrets
secrets:
	@mkdir -p -m 700 $(SECRETS)
	@for name in jwt_secret mysql_{root,api,worker,operator,migration} redis_{default,api,worker,operator} \
		rabbitmq_{administrator,gateway,worker,operator}; do \
		[ -s $(SECRETS)/$$name ] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > $(SECRETS)/$$name; \
	done
	@for role in administrator gateway worker operator; do \
		user=chat_$$role; [ $$role != administrator ] || user=administrator; \
		echo "amqp://$$user:$$(cat $(SECRETS)/rabbitmq_$$role)@rabbitmq:5672/" > $(SECRETS)/rabbitmq_$${role}_url; \
	done
	@printf 'default_user = administrator\ndefault_pass = %s\n' "$$(cat $(SECRETS)/rabbitmq_administrator)" > $(SECRETS)/rabbitmq_conf
	@chmod 644 $(SECRETS)/*

.PHONY: docker-build
docker-build: secrets ## Build the images.
	$(COMPOSE) build

.PHONY: docker-run
docker-run: secrets ## Run servers, gateways, workers, api and a front door in containers, on :8080.
	$(COMPOSE) up --build

##@ Faults

MINUTES ?= 4
SEED    ?=
CHANGES ?= 1
CHAOS   := $(GO) test -tags chaos -count=1 -v -timeout 3h ./internal/test/chaos

.PHONY: chaos
chaos: ## Kill, pause and disconnect everything under load for MINUTES (4), by SEED, then check clients and database (CHANGES=0: nobody edits).
	@CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) CHAOS_CHANGES=$(CHANGES) $(CHAOS) -run '^TestChaos$$'

.PHONY: chaos-scenarios
chaos-scenarios: ## Run single faults, each with its own bar: failpoints, lost tails, backup, drain, storm, no Redis (RUN="Drain|Storm").
	@$(CHAOS) -run '$(or $(RUN),^Test(Failpoints|LastWord|OlderBackup|Spread|RedisAway|RollingRestart|Drain|Storm|SlowConsumer|Poison)$$)'

.PHONY: chaos-cluster
chaos-cluster: build ## Machines of servers as namespaces, their faults and partitions, under load, for MINUTES=6 (SID=rabbitmq,redis: newer ones; root only).
	@CHAOS_SID="$(SID)" CHAOS_SEED=$(or $(SEED),$(shell date +%s)) CHAOS_MINUTES=$(or $(MINUTES),6) CHAOS_ONLY="$(ONLY)" $(GO) test -tags chaos -count=1 -v -timeout 90m -run '^TestCluster$$' ./internal/test/chaos

.PHONY: chaos-cluster-move
chaos-cluster-move: build ## Move an installation of the release before from one RabbitMQ to three, under load, step by step (root only).
	@$(GO) test -tags chaos -count=1 -v -timeout 20m -run '^TestMove$$' ./internal/test/chaos

.PHONY: chaos-cluster-brief
chaos-cluster-brief: # two minutes of chaos-cluster, where network namespaces can be made
	@if unshare --net true 2>/dev/null; then $(MAKE) --no-print-directory chaos-cluster MINUTES=2 SEED=12; \
	else echo "left out: this machine lets nobody make network namespaces (root is needed): $$(unshare --net true 2>&1)"; fi

.PHONY: chaos-cluster-negative
chaos-cluster-negative: build ## Plant the bugs that several nodes bring to light (BUG=a,b: only those): each must be caught (root only).
	@CHAOS_BUG="$(BUG)" $(GO) test -tags chaos -count=1 -v -timeout 40m -run '^TestClusterPlanted$$' ./internal/test/chaos

.PHONY: matrix
matrix: build ## Try the service on RabbitMQ, Redis and databases in old and new versions, each with each (about 10 minutes; root only).
	@.ci/matrix

.PHONY: node-losses
node-losses: build ## Kill and stop nodes of a RabbitMQ cluster of three (LOSSES=2) under load; print when acks flow again, without the node.
	@CLUSTER_LOSSES=$(or $(LOSSES),2) CHAT_TEST_BIN=$(CURDIR)/bin $(GO) test -tags chaos -count=1 -v -timeout 30m -run '^TestLostNode$$' ./internal/test/cluster

.PHONY: failover
failover: build ## Kill the primary of MariaDB and of MySQL under load, or only demote it, and promote the replica; print when acks flow again.
	@$(SERVERS) -- env CHAT_TEST_BIN=$(CURDIR)/bin $(GO) test -tags chaos -count=1 -v -timeout 30m -run '^TestFailover$$' ./internal/test/cluster

.PHONY: chaos-negative
chaos-negative: ## Plant one bug at a time and fail unless the suite catches it (BUG=no_dedup: only that one).
	@CHAOS_BUG=$(BUG) $(CHAOS) -run '^TestPlanted$$'

##@ Clean

.PHONY: clean
clean: ## Remove build results.
	rm -rf bin coverage

.PHONY: distclean
distclean: clean ## Also remove tools, downloaded packages and the data of private servers.
	rm -rf .tools .run

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
