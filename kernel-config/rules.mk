# kernel-config/rules.mk - our own kernel. Included by the Makefile.

.PHONY: kernel test-kernel test-kernel-config

## kernel: our own kernel and its modules into build/out (kept in the cache by its inputs)
kernel:
	@image-build/env kernel-build --host -- kernel-config/build

## test-kernel: boot the image on our kernel and on the stock one; figures in build/bench/kernel.json
test-kernel: kernel lab-image
	@image-build/env lab --host -- python3 tests/kernel/boot.py

## test-kernel-config: the fragments, the checker, and that no requested option gets lost (no compiling)
test-kernel-config:
	@tests/run kernel
