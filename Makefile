# The commands of this project; the work is done in scripts/.

.DEFAULT_GOAL := build
.PHONY: build up test check vm bench clean help

build: ## build the release binary, target/release/wharf
	@scripts/needs.sh build
	@scripts/build.sh

up: ## install what is missing, build, start the engine, run wharf/hello
	@scripts/up.sh

test: ## run the whole test suite, as root or through sudo
	@scripts/test.sh

check: ## formatting, lints, the rules of the house, shell scripts
	@scripts/check.sh

vm: ## the tests on Debian's kernels 6.1 and 6.12 with cgroup v2 alone, in qemu
	@scripts/vm-suite.sh 6.1 6.12

bench: ## measure against other container engines
	@bench/run.sh

clean: ## remove everything that was built
	@cargo clean

help: ## show this list
	@awk -F ': ## ' '/^[a-z]+: ## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
