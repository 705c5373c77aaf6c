# shellcheck shell=bash disable=SC2034 # deps reads these
# util-linux - libblkid only: keel-disk asks it what is on a disk. Its objects of libuuid, if it needs
# them, are a library beside it.
SOURCE=util-linux
LICENCE=Documentation/licenses/COPYING.LGPL-2.1-or-later

build() {
	# Debian's patches make generated files look old; the release's are right for libblkid.
	touch aclocal.m4
	touch configure config.h.in
	find . -name Makefile.in -exec touch {} +
	./configure --host=x86_64-linux-musl --disable-dependency-tracking --disable-all-programs \
		--enable-libblkid --enable-libuuid --disable-shared --enable-static --disable-nls \
		--disable-bash-completion --disable-asciidoc --disable-poman --disable-widechar \
		--without-systemd --without-udev --without-ncurses --without-ncursesw --without-tinfo \
		--without-python --without-selinux --without-audit --without-cap-ng --without-econf \
		--without-libz --without-libmagic --without-readline --without-user --without-utempter \
		--without-vendordir
	make -j2 libblkid.la libuuid.la
	mkdir -p "$STAGE/lib"
	cp .libs/libblkid.a .libs/libuuid.a "$STAGE/lib/"
	install -D -m644 -t "$STAGE/include/blkid" libblkid/src/blkid.h
}
