.DEFAULT_GOAL := help
# The steps of `make test` go one after the other, also under make -j.
.NOTPARALLEL:
.PHONY: help run build quick test setup vet lint unit wasm journeys fuzz release bench

FUZZTIME := 60s
# What has a go.mod of its own, so that the server's stays small.
MODULES := scripts/release scripts/deploy/kubernetes

help: ## list what make can do
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

run: build ## build everything and start the demo on http://localhost:8080
	bin/capture-keepalive demo

build: ## build web/dist and bin/capture-keepalive
	go run ./scripts/build

quick: ## run what needs no browser and no server: under 30 s
	go vet ./...
	go test -short ./...

test: setup build vet unit wasm journeys ## every test, in this order; installs what is missing

setup: ## install the programs that the tests need, on Debian
	scripts/setup.sh

vet: ## gofmt and go vet, for the server and for the browser
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "Not formatted. Run: gofmt -w" $$unformatted; exit 1; }
	go vet ./...
	GOOS=js GOARCH=wasm go vet ./wasm/...

# Its first run compiles the linter, which takes minutes: not a part of test.
lint: vet ## golangci-lint, for the server and for the browser
	golangci=$$(go tool -modfile=scripts/tools/go.mod -n golangci-lint) && $$golangci run ./... && \
		GOOS=js GOARCH=wasm $$golangci run ./wasm/... && \
		for module in $(MODULES); do (cd $$module && $$golangci run ./...) || exit 1; done

# A test that fails is run once more, and both results are printed: a machine
# that stands still for seconds can spoil one. More than three failures are not
# run again.
GOTEST := go tool -modfile=scripts/tools/go.mod gotestsum --format=pkgname \
	--rerun-fails=1 --rerun-fails-max-failures=3

# The tests of the program itself run other processes: the race detector would
# only make them slow.
unit: ## all Go tests without a browser, under the race detector
	$(GOTEST) --packages="$$(go list ./server/... ./wasm/... | grep -v /server$$)" -- -race
	$(GOTEST) --packages="./server $$(go list ./scripts/... ./web/... | grep -v /scripts/journeys)"
	for module in $(MODULES); do (cd $$module && go test ./...) || exit 1; done

wasm: ## the module's tests in Chromium, Firefox and WebKit
	for browser in chromium firefox webkit; do go run ./scripts/wasmtest -browser $$browser ./wasm/... || exit 1; done

# The test cache does not know the built program: -count=1. The journeys mostly
# wait, so several run at once.
journeys: ## drive the built program in real browsers
	$(GOTEST) --packages=./scripts/journeys -- -count=1 -parallel=4 -timeout=25m

fuzz: ## run every fuzz target for FUZZTIME (60s)
	@set -e; for file in $$(grep -rl '^func Fuzz' --include='*_test.go' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			(set -x; go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) $$(dirname $$file)); \
		done; \
	done

release: ## make what a release ships, in dist: make release VERSION=0.1.0
	go run -C scripts/release . -version "$(VERSION)"

BENCH := go test -run='^$$' -benchtime=1x -timeout=60m ./scripts/bench

bench: ## measure the server on this machine; fails below its bars
	$(BENCH) -bench=Share
	$(BENCH) -bench=Token -count=9 >bench.txt
	go tool -modfile=scripts/tools/go.mod benchstat -row=/server bench.txt
	$(BENCH) -bench='Memory|Peak'
