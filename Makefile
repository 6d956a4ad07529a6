# Everything here works on a fresh Debian or Ubuntu with Go and make: what is
# missing is installed (as root or with sudo) or named.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_RELEASE := -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X opsyard/agent/agentcmd.Version=$(VERSION)"
GOLANGCI := v2.15.0

# Packages whose tests drive machines and browsers: one at a time, so that two
# of them do not starve each other on a small machine.
define ALONE
opsyard/cookbooks
opsyard/e2e
opsyard/engine/compute/local
opsyard/handlers
endef
export ALONE

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## start with the sample stack (or STACK=threetier), print the address and a login
	@tools/require demo
	bin/opsyard demo $(if $(STACK),--stack $(STACK)) $(ARGS)

.PHONY: run
run: build ## start the server with its data in ./var
	bin/opsyard serve $(ARGS)

.PHONY: build
build: ## build bin/opsyard and bin/opsyard-agent
	@tools/require build
	CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/opsyard .
	CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/opsyard-agent ./agent/cmd/opsyard-agent

.PHONY: generate
generate: ## make the generated code anew (templ, wire types)
	go tool templ generate
	go run ./tools/awswire

# The race detector leaves out what takes it minutes: make unit has all.
# Most tests wait for something rather than compute: more of them run at once
# than there are processors.
.PHONY: test
test: ## everything that CI runs; installs what it needs
	@tools/require test
	$(MAKE) --no-print-directory check-generated check-format vet lint
	$(MAKE) --no-print-directory build
	tools/leftovers remember
	go test -parallel 6 -timeout 20m $$(go list ./... | grep -v -x -F "$$ALONE")
	go test -p 1 -parallel 3 -timeout 20m $$ALONE
	go test -race -short -parallel 6 -timeout 15m $$(go list ./engine/... ./agent/... ./web/... ./handlers/agentapi | grep -v -e '/engine$$' -e compute/local -e recipe/ansible -e recipe/chef -e recipe/puppet)
	tools/leftovers check

.PHONY: check
check: check-generated check-format vet lint unit ## generate, format, vet, lint, import test, unit tests with race

.PHONY: unit
unit: ## unit tests with the race detector, without machines and browser
	go test -race -short -timeout 15m ./...

.PHONY: check-generated
check-generated: ## fail if generated code is stale
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat -- '*_templ.go' 'handlers/awsapi/wire/*_gen.*' || { echo "generated code was stale: commit what 'make generate' made" >&2; exit 1; }
	@go mod tidy -diff

.PHONY: check-format
check-format: ## fail if a file is not formatted
	@bad=$$(git ls-files '*.go' | grep -v _templ.go | xargs gofmt -l); [ -z "$$bad" ] || { echo "not formatted: $$bad" >&2; exit 1; }

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: lint
lint: ## golangci-lint, installed at a pinned version if it is missing
	@tools/require lint $(GOLANGCI)
	PATH="$$(go env GOPATH)/bin:$$PATH" golangci-lint run --timeout 10m

.PHONY: e2e
e2e: build ## only the tests with machines and a browser
	@tools/require test
	go test -count=1 -timeout 20m ./e2e/...

.PHONY: bench
bench: build ## measure against baselines in the same run and print ratios
	@tools/require test
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./bench/...

# The least time for minimizing: by default Go takes a minute for each input that
# it finds interesting, and counts nothing meanwhile.
.PHONY: fuzz
fuzz: ## every fuzz test for a while (FUZZTIME=30s)
	@for test in $$(grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z]*' . | sed 's|/[^/]*:[0-9]*:func |:|'); do \
		echo "$$test"; \
		go test -run '^$$' -fuzz "^$${test#*:}\$$" -fuzztime $(or $(FUZZTIME),30s) -fuzzminimizetime 20x "$${test%%:*}" || exit 1; \
	done

.PHONY: vendor-assets
vendor-assets: ## fetch the pinned front-end files anew (needs npm)
	tools/vendor/vendor

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
