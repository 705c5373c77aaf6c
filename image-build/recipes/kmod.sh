# shellcheck shell=bash disable=SC2034 # deps reads these
# kmod - libkmod for keel-modules, and the kmod program, which is modprobe, lsmod, ... by its links.
#
# Its meson build would cost Python packages and a minute, for nineteen files: compiled directly, with
# the answers of its feature tests for musl in config.h. No compression library: the kernel
# decompresses modules itself (CONFIG_MODULE_DECOMPRESS). No OpenSSL: it only prints signatures with it.
SOURCE=kmod
LICENCE=libkmod/COPYING

build() {
	cat >config.h <<-END
		#define PACKAGE "kmod"
		#define VERSION "34.2"
		#define KMOD_FEATURES "-ZSTD -XZ -ZLIB -OPENSSL"
		#define SYSCONFDIR "/etc"
		#define DISTCONFDIR "/usr/lib"
		#define MODULE_DIRECTORY "/lib/modules"
		#define ENABLE_LOGGING 1
		#define ENABLE_DEBUG 0
		#define ENABLE_ELFDBG 0
		#define ENABLE_XZ 0
		#define ENABLE_XZ_DLOPEN 0
		#define ENABLE_ZSTD 0
		#define ENABLE_ZSTD_DLOPEN 0
		#define ENABLE_ZLIB 0
		#define ENABLE_ZLIB_DLOPEN 0
		#define ENABLE_OPENSSL 0
		#define HAVE___BUILTIN_CLZ 1
		#define HAVE___BUILTIN_TYPES_COMPATIBLE_P 1
		#define HAVE___BUILTIN_UADD_OVERFLOW 1
		#define HAVE___BUILTIN_UADDL_OVERFLOW 1
		#define HAVE___BUILTIN_UADDLL_OVERFLOW 1
		#define HAVE___BUILTIN_UMUL_OVERFLOW 1
		#define HAVE___BUILTIN_UMULL_OVERFLOW 1
		#define HAVE___BUILTIN_UMULLL_OVERFLOW 1
		#define HAVE_STRUCT_STAT_ST_MTIM 1
		#define HAVE_DECL_BASENAME 0
		#define HAVE_DECL___XSTAT 0
		#define HAVE_SECURE_GETENV 1
		#define HAVE_STATIC_ASSERT 1
		#define HAVE_NORETURN 1
	END
	mkdir -p obj "$STAGE"/{lib,bin}
	library="shared/array shared/hash shared/strbuf shared/util libkmod/libkmod-builtin libkmod/libkmod
		libkmod/libkmod-config libkmod/libkmod-elf libkmod/libkmod-file libkmod/libkmod-index
		libkmod/libkmod-list libkmod/libkmod-module libkmod/libkmod-signature"
	tools="tools/kmod tools/lsmod tools/rmmod tools/insmod tools/modinfo tools/modprobe tools/depmod
		tools/log tools/opt tools/static-nodes"
	for file in $library $tools; do
		# shellcheck disable=SC2086  # flags are words
		$CC $CFLAGS -std=gnu11 -D_GNU_SOURCE -fvisibility=hidden -include config.h -I. -Ilibkmod \
			-c "$file.c" -o "obj/${file##*/}.o"
	done
	# shellcheck disable=SC2046  # a list of words
	ar rcsD "$STAGE/lib/libkmod.a" $(for file in $library; do echo "obj/${file##*/}.o"; done)
	# shellcheck disable=SC2046,SC2086
	$CC $CFLAGS $LDFLAGS -o "$STAGE/bin/kmod" $(for file in $tools; do echo "obj/${file##*/}.o"; done) \
		"$STAGE/lib/libkmod.a"
	strip "$STAGE/bin/kmod"
	install -D -m644 -t "$STAGE/include" libkmod/libkmod.h
}
