# make quickstart   train a first model, from nothing
# make test         all tests; installs what they need, as far as it may
# make check        what a change must pass: format, vet, staticcheck, layers, -race, generated files
# make build        bin/zaffre, static, with the agents for amd64 and arm64 in it
# make bench        figures, beside the bare tools or a peer
# make chaos        kills the server 1,000 times under load, and dies at 10,000 SQL statements
GO      ?= go
KILLS   ?= 1000
POINTS  ?= 10000
RACE    ?=
TOOL     = $(GO) tool -modfile=tools/go.mod
FLAGS    = -trimpath -ldflags "-s -w"
AGENTS   = internal/agent/carry/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test check format vet staticcheck layers race generate verify build agents bench chaos

help:
	@sed -n 's/^# //p' Makefile

quickstart:
	@$(GO) run ./cmd/zaffre quickstart

test:
	@bash test/setup.sh $(GO) test -timeout 30m ./...

check: format vet staticcheck layers race verify

format:
	@out=$$($(TOOL) gofumpt -l .); test -z "$$out" || { echo "not gofumpt'ed:"; echo "$$out"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags agents ./internal/agent/... 2>/dev/null || { $(MAKE) -s agents && $(GO) vet -tags agents ./internal/agent/...; }

staticcheck:
	$(TOOL) staticcheck ./...

layers:
	$(GO) test ./internal/archtest

race:
	@bash test/setup.sh $(GO) test -race -timeout 60m ./...

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

build: agents
	CGO_ENABLED=0 $(GO) build $(FLAGS) -tags agents -o bin/zaffre ./cmd/zaffre

bench:
	$(GO) run ./test/bench

chaos:
	ZAFFRE_KILL_POINTS=$(POINTS) $(GO) test ./internal/run -run KillPoints -count 1 -timeout 30m
	$(GO) run ./test/chaos -kills $(KILLS)
