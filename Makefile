# keel: the guest side of a Docker engine for WSL 2 and plain VMs. `make help` lists the targets.
#
# The host needs make, git, apt, dpkg and util-linux; everything else runs in pinned environments that
# image-build/env makes under build/env. What is compiled there is described in build.mk.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := programs

JOBS ?= $(shell nproc)
inner = image-build/env $(1) -- make -f build.mk --no-print-directory -j$(JOBS)

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  %-18s %s\n", $$1, $$2}'

# What every build starts with: the host's few tools.
host-tools:
	@image-build/host-tools

include image-build/rules.mk
include kernel-config/rules.mk
include tests/rules.mk

## programs: keel's own programs, static, into build/bin
programs: host-tools deps
	@$(call inner,build) programs

## unit: the unit tests (glibc, ASan, UBSan), no root
unit: deps
	@$(call inner,build) dev
	@tests/run unit

## fuzz: every fuzzer for FUZZ_SECONDS (default 20) with a random seed (make test repeats a fixed one)
FUZZ_SECONDS ?= 20
fuzz: deps
	@$(call inner,check) fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

## coverage: lines and branches of the deciding modules that the unit tests reach (build/cov)
coverage: deps
	@$(call inner,build) COVERAGE=1 dev
	@image-build/env build -- tests/check/coverage

## check: format, clang-tidy, cppcheck, gcc -fanalyzer, shellcheck, names in Python, the PowerShell script, what PID 1 may not call
check: deps
	@$(call inner,check) -k check-format tidy analyze cppcheck
	@tests/check/shell
	@image-build/env check -- tests/check/pid1
	@image-build/env check -- tests/check/python
	@image-build/env check -- tests/check/powershell

## format: rewrite the C sources in the house format
format:
	@image-build/env check -- make -f build.mk --no-print-directory format

## compile_commands: compile_commands.json for editors
compile_commands: deps
	@make -f build.mk --no-print-directory compile_commands

## clean: remove build/ (downloads stay in the cache)
clean:
	@rm -rf build

.PHONY: help host-tools programs unit fuzz coverage check format compile_commands clean
