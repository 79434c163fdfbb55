# make quickstart   train a first model, from nothing
# make test         all tests; installs what they need, as far as it may
# make check        what a change must pass: format, vet, staticcheck, layers, -race, generated files
# make build        bin/zaffre, static, with the agents for amd64 and arm64 in it, and what runs U-SQL there
# make bench        figures, beside the bare tools or a peer
# make faults       the tests of the domain while one SQL statement in 200 fails
# make chaos        kills the server 1,000 times under load, dies at 10,000 SQL statements, and, as root, cuts links 100 times
GO      ?= go
KILLS   ?= 1000
CUTS    ?= 100
POINTS  ?= 10000
FAULTS  ?= 0.005
RACE    ?=
RERUN   ?=
TOOL     = $(GO) tool -modfile=tools/go.mod
FLAGS    = -trimpath -ldflags "-s -w"
AGENTS   = internal/agent/carry/bin
SCRIPTS  = internal/usql/carry/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-senders test-others check format vet staticcheck layers race generate verify build agents bench faults chaos

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

quickstart:
	@$(GO) run ./cmd/zaffre quickstart

# The kinds that send the agent to others carry it in their tests, as a release does: a test binary that is its own agent
# is ten times as large, and goes into each pod.
SENDERS = ./internal/driver/kubernetes ./internal/driver/synapse ./internal/driver/batch ./internal/driver/hdinsight ./internal/driver/sshvm

test: agents
	@bash test/setup.sh $(MAKE) -s -k test-senders test-others

# $(call tests,FLAGS,PACKAGES). With RERUN=1 a test that fails beside others is run once more; both results are printed, and
# it counts as failed if it fails twice, if it races, or if more than five have failed.
tests = $(if $(RERUN),$(TOOL) gotestsum --format standard-quiet --hide-summary skipped --rerun-fails=1 --rerun-fails-max-failures=5 \
	--rerun-fails-abort-on-data-race --rerun-fails-run-root-test --packages="$(2)" -- $(1),$(GO) test $(1) $(2))

test-senders:
	$(call tests,-tags agents $(RACE) -timeout 60m,$(SENDERS))

# The longest first, so that it does not go on alone in the end.
test-others:
	$(call tests,$(RACE) -timeout 60m,$$($(GO) list ./test/clients ./... | grep -vxF "$$($(GO) list $(SENDERS))"))

check: format vet staticcheck layers race verify

format:
	@out=$$($(TOOL) gofumpt -l .); test -z "$$out" || { echo "not gofumpt'ed:"; echo "$$out"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags agents ./internal/agent/... ./internal/usql/... 2>/dev/null || { $(MAKE) -s agents && $(GO) vet -tags agents ./internal/agent/... ./internal/usql/...; }

staticcheck:
	$(TOOL) staticcheck ./...

layers:
	$(GO) test ./internal/archtest

race:
	@$(MAKE) -s test RACE=-race

# The documents that are made from the source.
generate:
	$(GO) test ./internal/fault ./internal/api/native ./internal/cli ./internal/server -run 'Documented|UpToDate|Reference' -update

# The tests themselves fail when a document is stale; this says so without a database and the like.
verify:
	$(GO) test ./internal/fault ./internal/api/native ./internal/cli ./internal/server -run 'Documented|UpToDate|Reference'
	$(GO) mod verify

agents:
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build $(FLAGS) -tags nethttpomithttp2 -o $(AGENTS)/zaffre-agent-linux-amd64 ./cmd/zaffre-agent
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(FLAGS) -tags nethttpomithttp2 -o $(AGENTS)/zaffre-agent-linux-arm64 ./cmd/zaffre-agent
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build $(FLAGS) -o $(SCRIPTS)/zaffre-usql-linux-amd64 ./cmd/zaffre-usql
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(FLAGS) -o $(SCRIPTS)/zaffre-usql-linux-arm64 ./cmd/zaffre-usql
	gzip -9 -n -f $(AGENTS)/zaffre-agent-linux-amd64 $(AGENTS)/zaffre-agent-linux-arm64 $(SCRIPTS)/zaffre-usql-linux-amd64 $(SCRIPTS)/zaffre-usql-linux-arm64

build: agents
	CGO_ENABLED=0 $(GO) build $(FLAGS) -tags agents -o bin/zaffre ./cmd/zaffre

bench:
	$(GO) run ./test/bench

# TestKillPoints has databases of its own, which die instead.
faults:
	TEST_STORE_FAULTS=$(FAULTS) $(GO) test ./internal/run ./internal/compute ./internal/environment -skip KillPoints -count 1

chaos:
	ZAFFRE_KILL_POINTS=$(POINTS) $(GO) test ./internal/run -run KillPoints -count 1 -timeout 30m
	$(GO) run ./test/chaos -kills $(KILLS)
	@if [ "$(CUTS)" = 0 ]; then :; elif [ "$$(id -u)" != 0 ]; then echo "the links are cut only as root: skipped"; \
	else $(GO) run ./test/chaos links -cuts $(CUTS); fi
