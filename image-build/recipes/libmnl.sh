# shellcheck shell=bash disable=SC2034 # deps reads these
# libmnl - netlink messages of keel-net: links, addresses, routes.
#
# This is Debian's own static library (libmnl-dev in the build environment), because its source archive
# is not served by every mirror. It is plain C over system calls, and glibc and musl agree on every type
# that it passes; libmnl-compat.c adds the two glibc symbols that musl does not have.
SOURCE=libmnl-dev
LICENCE=/usr/share/doc/libmnl-dev/copyright
EXTRA=libmnl-compat.c

build() {
	mkdir -p "$STAGE/lib"
	# shellcheck disable=SC2086  # flags are words
	$CC $CFLAGS -std=c17 -Wall -Wextra -Werror -c "$HERE/libmnl-compat.c" -o compat.o
	cp /usr/lib/x86_64-linux-gnu/libmnl.a "$STAGE/lib/libmnl.a"
	ar rsD "$STAGE/lib/libmnl.a" compat.o
	install -D -m644 -t "$STAGE/include/libmnl" /usr/include/libmnl/libmnl.h
}
