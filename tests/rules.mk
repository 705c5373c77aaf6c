# tests/rules.mk - the lab and the suites. Included by the Makefile; tests/run runs and counts.

## lab-image: the lab's root disk, build/vm/root.img, from the shipped archives
lab-image: rootfs
	@$(call inner,build) lab-programs build/ns/wsl-launcher
	@image-build/env lab --host -- python3 tests/vm/rootimage.py >/dev/null

## run: build all, boot the guest, show its stages and health, run a container
run: lab-image
	@image-build/env lab --host -- python3 tests/vm/run.py

## test: every test; ends with "N passed, N failed"
test: lab-image
	@$(call inner,build) dev
	@$(call inner,check) fuzzers
	@$(call inner,build) ns-programs
	@tests/run

## test-ns: PID 1 as a real PID 1 with the real daemons, natively (root)
test-ns: rootfs
	@$(call inner,build) ns-programs
	@tests/run ns

## test-wsl: the distro under a stand-in for WSL's launcher, by WSL version (root)
test-wsl: rootfs
	@$(call inner,build) ns-programs
	@tests/run wsl

## test-fault: PID 1 and the daemons with something missing, full, refused or killed (root)
test-fault: rootfs
	@$(call inner,build) ns-programs
	@tests/run fault

## test-powercut: cut the power of real guests, see that nothing durable is lost
test-powercut: lab-image
	@tests/run powercut

## soak: the same with N cuts (default 200)
N ?= 200
soak: lab-image
	@KEEL_CUTS=$(N) tests/run powercut

## test-vm: boot real guests
test-vm: lab-image
	@tests/run vm

## bench: sizes, memory, idle wake-ups, boot overhead (native and VM) into build/bench/*.json (root)
bench: lab-image
	@$(call inner,build) ns-programs
	@image-build/env lab --host -- python3 tests/bench/run.py $(T)

## bench-init: keel-init against runit, s6, finit, OpenRC, BusyBox and systemd, natively and in a VM (root)
bench-init: lab-image
	@image-build/env peers --create
	@$(call inner,build) ns-programs
	@image-build/env lab --host -- python3 tests/bench/bench_init.py $(T)

## bench-wsl: how long WSL waits for a distro with keel, systemd, OpenRC, under the stand-in for its launcher (root)
bench-wsl: rootfs
	@image-build/env peers --create
	@image-build/env peers-wsl --create
	@$(call inner,build) ns-programs
	@image-build/env lab --host -- python3 tests/bench/bench_wsl.py $(T)

## bench-disk: the data disk's options against WSL's, discard against fstrim, on a loop device (root)
bench-disk: rootfs
	@$(call inner,build) ns-programs
	@image-build/env lab --host -- python3 tests/bench/bench_disk.py $(T)

## bench-memory: what the host holds after work has ended, by reclaim policy (hours; T=--quick shows that it works)
bench-memory: lab-image
	@image-build/env lab --host -- python3 tests/bench/bench_memory.py $(T)

## bench-swap: what zram, zswap and a swap file are worth to a container that outgrows memory
bench-swap: kernel lab-image
	@image-build/env lab --host -- python3 tests/bench/bench_swap.py $(T)

## soak-api: what hosts do to the API, for T seconds (default 3600); memory and descriptors must not grow (root)
soak-api: rootfs
	@$(call inner,build) ns-programs
	@image-build/env lab --host -- python3 tests/bench/soak_api.py $(or $(T),3600)

.PHONY: soak-api bench bench-disk bench-init bench-memory bench-swap bench-wsl lab-image test-wsl run soak test test-powercut test-ns test-fault test-vm
