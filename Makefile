.DEFAULT_GOAL := help
.PHONY: help run build test lint fuzz bench

help: ## list what make can do
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

run: build ## build everything and start the demo on http://localhost:8080
	bin/capture-keepalive demo

build: ## build web/dist and bin/capture-keepalive
	go run ./scripts/build

test: ## install what is missing, then build, lint, and run every test
	go run ./scripts/test

lint: ## gofmt, vet and staticcheck, for the server and for the browser
	go run ./scripts/test lint

fuzz: ## run every fuzz target for a minute
	go run ./scripts/test fuzz

bench: ## measure the server on this machine, write docs/performance.md, and fail below the bar
	go run ./scripts/bench
