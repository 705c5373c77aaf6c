# image-build/rules.mk - environments, dependencies and the image. Included by the Makefile; the target
# `programs` (build/bin) is the Makefile's own. See image-build/README.md.

## env-NAME: make an environment (build, check, lab, kernel-build) ahead of its first use
env-%:
	@image-build/env $* --create

## fetch: download all that make and make test need
fetch:
	@image-build/fetch build check lab engine kernel source

## lock: take today's versions of all inputs, or of SETS="NAME..." only; prints what changed
lock:
	@image-build/lock-update $(SETS)

## deps: static libraries and programs, into build/deps
deps:
	@image-build/deps

## rootfs: pack build/out; ENGINE_TARBALL=PATH takes the engine from an official static archive
rootfs: programs
	@ENGINE_TARBALL='$(ENGINE_TARBALL)' image-build/rootfs

## validate: is build/out/keel.wsl fit to be a WSL distro? A line a rule (docs/validate-distro.md)
validate: rootfs
	@image-build/validate-distro build/out/keel.wsl

## size: what takes how much of the rootfs archive; fails over the budget
size: rootfs
	@image-build/env build -- python3 -B image-build/pack/size.py

## sbom: the bill of materials, build/out/sbom.spdx.json
sbom: rootfs
	@echo build/out/sbom.spdx.json

## test-repro: two builds under different circumstances give the same bytes
test-repro: deps
	@tests/run repro

## test-image: lock, fetching, environments, archive
test-image: rootfs
	@tests/run image

clean-env:
	@rm -rf build/env

.PHONY: fetch lock deps rootfs size sbom validate test-repro test-image clean-env
