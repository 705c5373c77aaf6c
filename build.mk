# The inner makefile: compiles keel's own C. It runs inside the build environment (image-build/env),
# where the compiler, musl and the libraries are pinned. `Makefile` is the front door.
#
#   programs  build/bin/*          static musl, optimised for size, stripped
#   dev       build/dev/unit/*     glibc + ASan + UBSan: the unit tests
#   fuzzers   build/fuzz/*         clang + libFuzzer (environment "check")
#   tidy, analyze, cppcheck        the static checks (environment "check")
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

VERSION := $(shell cat VERSION)
DEPS    := build/deps
SRC     := $(DEPS)/src

# --- what belongs to which program -------------------------------------------------------------
lib_src     := $(wildcard lib/*.c)
init_src    := $(wildcard init/*.c)
modules_src := $(wildcard init/modules/*.c)
disk_src    := $(wildcard init/disk/*.c)
net_src     := $(wildcard init/net/*.c)
netlink_src := $(wildcard lib/netlink/*.c)
common_src  := $(wildcard agent/common/*.c)
agent_src   := $(wildcard agent/*.c agent/memory/*.c) $(common_src)
ctl_src     := $(wildcard agent/ctl/*.c) $(common_src)
log_src     := $(wildcard agent/log/*.c) agent/notify.c agent/common/log_line.c
dns_src     := $(wildcard agent/dns/*.c) agent/notify.c agent/ctl/control_link.c \
	$(addprefix agent/common/,dockerd.c facts.c farewell.c problem.c relay.c relay_pipe.c resolv_conf.c)
share_src   := $(wildcard agent/share/*.c) agent/notify.c
own_src     := $(sort $(lib_src) $(netlink_src) $(init_src) $(modules_src) $(disk_src) $(net_src) $(agent_src) $(ctl_src) \
	$(log_src) $(dns_src) $(share_src))
own_hdr     := $(wildcard lib/*.h lib/*/*.h init/*.h init/*/*.h agent/*.h agent/*/*.h tests/*/*.h)
filter_src  := $(wildcard agent/filter/*.c)
wsl_src     := $(wildcard tests/wsl/*.c)
test_src    := $(filter_src) $(wsl_src) $(wildcard tests/unit/*.c tests/fuzz/*.c tests/lib/*.c tests/ns/*.c tests/bench/*.c tests/vm/guest/*.c)

ini_src  := $(SRC)/inih/ini.c
yy_src   := $(SRC)/yyjson/yyjson.c
pico_src := $(SRC)/picohttpparser/picohttpparser.c

# --- flags -----------------------------------------------------------------------------------
# format-truncation: a sentence that is cut to its buffer is what we want from snprintf.
warn := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wformat=2 -Wimplicit-fallthrough -Wconversion -Wno-sign-conversion \
	-Wno-format-truncation
# inih: whole lines of unit files, line numbers in warnings, no magic continuation lines.
ini_def  := -DINI_MAX_LINE=2048 -DINI_HANDLER_LINENO=1 -DINI_ALLOW_MULTILINE=0 -DINI_ALLOW_BOM=0 \
	-DINI_ALLOW_INLINE_COMMENTS=0 -DINI_START_COMMENT_PREFIXES='"\#;"'
# yyjson: we neither read nor write JSON5-isms, nor patch documents.
yy_def   := -DYYJSON_DISABLE_NON_STANDARD=1 -DYYJSON_DISABLE_UTILS=1 -DYYJSON_DISABLE_INCR_READER=1
cppflags := -D_GNU_SOURCE -DKEEL_VERSION='"$(VERSION)"' -I. -isystem $(SRC)/inih -isystem $(SRC)/yyjson \
	-isystem $(SRC)/picohttpparser $(ini_def) $(yy_def)
std := -std=c17
# libext2fs is ours only: its one user is linked into keel-disk and into no test, so only its headers are needed elsewhere.
%/marker_read.o %/marker_read.tidy %/marker_read.analyzed: private cppflags += -idirafter $(DEPS)/include

rel_cc := musl-gcc
rel_cflags := $(std) -Os -g -fno-plt -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2 \
	-ffile-prefix-map=$(CURDIR)=. -static-pie -fPIE
rel_inc := -isystem $(DEPS)/include -idirafter $(DEPS)/kernel-headers
rel_ldflags := -static-pie -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=none -L$(DEPS)/lib

dev_cc := gcc
dev_cflags := $(std) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
dev_ldflags := -fsanitize=address,undefined
# Without the sanitizers: their checks are branches too.
ifeq ($(COVERAGE),1)
dev_cflags := $(std) -O0 -g --coverage -Wno-maybe-uninitialized
dev_ldflags := --coverage
endif

# --- the agent's filter of system calls: made by a program of the build machine ---------------------
# SANDBOX=log: what is not in the table is done, and noted in the kernel's log.
GEN := build/gen
cppflags += -I$(GEN)
$(GEN)/flags: force
	@mkdir -p $(@D)
	@echo '$(SANDBOX)' | cmp -s - $@ || echo '$(SANDBOX)' > $@
$(GEN)/sandbox_filter.h: $(filter_src) agent/filter/calls.h $(GEN)/flags
	@echo "  GEN     $@"
	@gcc $(std) -O1 -D_GNU_SOURCE -I. $(warn) -o $(GEN)/agent-filter $(filter_src) -lseccomp
	@$(GEN)/agent-filter $(SANDBOX) > $@
$(addprefix build/,$(addsuffix /agent/sandbox.o,obj dev cov fuzz) $(addprefix check/agent/sandbox.,tidy analyzed)) cppcheck: \
	$(GEN)/sandbox_filter.h

# --- the release build -------------------------------------------------------------------------
REL := build/obj
BIN := build/bin
rel_obj = $(patsubst %.c,$(REL)/%.o,$(1))

programs: $(addprefix $(BIN)/,keel-init keel-modules keel-disk keel-net keel-log keel-dns keel-share keel-agent keelctl)

# Flags are part of what an object depends on.
$(REL)/flags: force
	@mkdir -p $(@D)
	@echo '$(rel_cc) $(rel_cflags) $(cppflags) $(warn) $(rel_ldflags)' | cmp -s - $@ || \
		echo '$(rel_cc) $(rel_cflags) $(cppflags) $(warn) $(rel_ldflags)' > $@

$(REL)/%.o: %.c $(REL)/flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(rel_cc) $(rel_cflags) $(cppflags) $(if $(filter $(SRC)/%,$<),-w,$(warn)) $(rel_inc) -MMD -MP -c -o $@ $<

$(BIN)/keel-init:    $(call rel_obj,$(init_src) $(lib_src) $(ini_src))
$(BIN)/keel-modules: $(call rel_obj,$(modules_src) $(lib_src) $(ini_src))
$(BIN)/keel-disk:    $(call rel_obj,$(disk_src) $(netlink_src) $(lib_src) $(ini_src) $(yy_src))
$(BIN)/keel-net:     $(call rel_obj,$(net_src) $(lib_src) $(ini_src))
$(BIN)/keel-log:     $(call rel_obj,$(log_src) $(lib_src) $(ini_src))
$(BIN)/keel-dns:     $(call rel_obj,$(dns_src) $(lib_src) $(ini_src))
$(BIN)/keel-share:   $(call rel_obj,$(share_src) $(lib_src) $(ini_src))
$(BIN)/keel-agent:   $(call rel_obj,$(agent_src) $(netlink_src) $(lib_src) $(ini_src) $(yy_src) $(pico_src))
$(BIN)/keelctl:      $(call rel_obj,$(ctl_src) $(lib_src) $(ini_src) $(yy_src) $(pico_src))
$(BIN)/keel-modules: libs := -lkmod
$(BIN)/keel-disk:    libs := -lblkid -lext2fs -lcom_err -lmnl
$(BIN)/keel-net:     libs := -lmnl
$(BIN)/keel-agent:   libs := -lmnl
$(BIN)/keel-dns:     libs := -lmnl

$(BIN)/%:
	@mkdir -p $(@D)
	@$(rel_cc) $(rel_cflags) $(rel_ldflags) -o $@.debug $(filter %.o,$^) $(libs)
	@strip -o $@ $@.debug
	@echo "  LD      $@ ($$(stat -c %s $@) bytes)"

vpath %.c tests/ns tests/bench tests/vm/guest

# Lab-only programs: linked like the release ones, never shipped.
lab-programs: build/lab/lab-shell build/lab/durable build/lab/memload build/lab/senpai build/lab/vsock-hear build/lab/vsock-probe
build/lab/%: %.c $(REL)/flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(rel_cc) $(rel_cflags) $(cppflags) $(warn) $(rel_inc) $(rel_ldflags) -s -o $@ $<

# What the namespace suites start guests with, and in them.
ns-programs: build/ns/launch build/ns/wsl-launcher build/ns/svc build/ns/floor build/ns/benchsvc
build/ns/launch: $(call rel_obj,tests/ns/launch.c $(addprefix tests/wsl/,base.c lab.c handover.c))
build/ns/wsl-launcher: $(call rel_obj,$(wsl_src) $(ini_src))
build/ns/launch build/ns/wsl-launcher:
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(rel_cc) $(rel_cflags) $(rel_ldflags) -s -o $@ $(filter %.o,$^)
build/ns/%: %.c $(REL)/flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(rel_cc) $(rel_cflags) $(cppflags) $(warn) $(rel_inc) $(rel_ldflags) -s -MMD -MP -MF $(REL)/$*.d -o $@ $<

# --- the developer build: unit tests -------------------------------------------------------------
DEV := $(if $(filter 1,$(COVERAGE)),build/cov,build/dev)
dev_all  := $(filter-out %/main.c,$(own_src)) $(ini_src) $(yy_src) $(pico_src)
dev_obj  := $(patsubst %.c,$(DEV)/%.o,$(dev_all))
unit_src := $(wildcard tests/unit/test_*.c)
unit_bin := $(patsubst tests/unit/%.c,$(DEV)/unit/%,$(unit_src))

dev: $(unit_bin)

$(DEV)/flags: force
	@mkdir -p $(@D)
	@echo '$(dev_cflags) $(cppflags) $(warn)' | cmp -s - $@ || echo '$(dev_cflags) $(cppflags) $(warn)' > $@
$(DEV)/%.o: %.c $(DEV)/flags
	@mkdir -p $(@D)
	@echo "  CC dev  $<"
	@$(dev_cc) $(dev_cflags) $(cppflags) $(if $(filter $(SRC)/%,$<),-w,$(warn)) -MMD -MP -c -o $@ $<
$(DEV)/all.a: $(dev_obj)
	@rm -f $@ && ar rcs $@ $^
$(DEV)/unit/%: $(DEV)/tests/unit/%.o $(DEV)/all.a
	@mkdir -p $(@D)
	@echo "  LD dev  $@"
	@$(dev_cc) $(dev_ldflags) -o $@ $^ -lcmocka -lkmod -lblkid -lmnl

# --- fuzzers -----------------------------------------------------------------------------------
FUZZ := build/fuzz
fuzz_src := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_bin := $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(fuzz_src))
fuzz_cc := clang-19
fuzz_cflags := $(std) -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_obj := $(patsubst %.c,$(FUZZ)/%.o,$(dev_all))

fuzzers: $(fuzz_bin)
$(FUZZ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC fuzz $<"
	@$(fuzz_cc) $(fuzz_cflags) $(cppflags) -w -MMD -MP -c -o $@ $<
$(FUZZ)/all.a: $(fuzz_obj)
	@rm -f $@ && ar rcs $@ $^
$(FUZZ)/fuzz_%: $(FUZZ)/tests/fuzz/fuzz_%.o $(FUZZ)/all.a
	@echo "  LD fuzz $@"
	@$(fuzz_cc) -fsanitize=fuzzer,address,undefined -o $@ $^ -lkmod -lblkid -lmnl

# --- static checks -------------------------------------------------------------------------------
format:
	@clang-format-19 -i $(own_src) $(own_hdr) $(test_src)
check-format:
	@echo "  FORMAT  $(words $(own_src) $(own_hdr) $(test_src)) files"
	@clang-format-19 --dry-run --Werror $(own_src) $(own_hdr) $(test_src)

CHK := build/check
tidied := $(patsubst %.c,$(CHK)/%.tidy,$(own_src) $(test_src))
tidy: $(tidied)
$(filter $(CHK)/tests/%,$(tidied)): tests/.clang-tidy
$(CHK)/%.tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	@echo "  TIDY    $<"
	@clang-tidy-19 --quiet $< -- $(std) $(cppflags) -MMD -MP -MF $@.d -MT $@ > $@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@
analyze: $(patsubst %.c,$(CHK)/%.analyzed,$(own_src))
# Descriptors 0-2 (and a helper's 3) are filled to be inherited, and control_server's spare one lives as long as PID 1,
# which the analyzer takes for leaks.
$(CHK)/init/spawn.analyzed $(CHK)/init/fallback.analyzed $(CHK)/agent/runner_job.analyzed $(CHK)/init/stage.analyzed $(CHK)/init/control_server.analyzed: analyze_off := -Wno-analyzer-fd-leak
$(CHK)/%.analyzed: %.c
	@mkdir -p $(@D)
	@echo "  ANALYZE $<"
	@gcc $(std) -O2 -fanalyzer $(analyze_off) $(warn) $(cppflags) -MMD -MP -MF $@.d -MT $@ -c -o /dev/null $<
	@touch $@
cppcheck:
	@echo "  CPPCHECK"
	@mkdir -p $(CHK)/cppcheck
	@cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --error-exitcode=1 \
		--cppcheck-build-dir=$(CHK)/cppcheck --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
		-D_GNU_SOURCE -D__x86_64__ -DKEEL_VERSION='""' '-D__typeof__(x)=int' -I. $(own_src)

compile_commands:
	@{ echo '['; sep=; for f in $(own_src) $(test_src); do \
		printf '%s{"directory":"%s","file":"%s","arguments":["cc"' "$$sep" "$(CURDIR)" "$$f"; \
		printf ',"%s"' $(std) -D_GNU_SOURCE -DINI_HANDLER_LINENO=1 -I. -I$(SRC)/inih -I$(SRC)/yyjson -I$(SRC)/picohttpparser; \
		printf ',"-DKEEL_VERSION=\\"$(VERSION)\\"","-c","%s"]}' "$$f"; sep=','; done; echo ']'; } > compile_commands.json

force:
.PHONY: programs dev fuzzers lab-programs ns-programs format check-format tidy analyze cppcheck compile_commands force

-include $(shell find $(REL) $(DEV) $(FUZZ) $(CHK) -name '*.d' 2>/dev/null)
