# shellcheck shell=bash disable=SC2034 # deps reads these
# e2fsprogs - the programs that make, check, grow and describe the data disk's file system. With
# Debian's patches: they are upstream's fixes after the release, two of them for corruption.
# mke2fs carries its default configuration; no /etc/mke2fs.conf is needed.
SOURCE=e2fsprogs
LICENCE=NOTICE

build() {
	./configure --host=x86_64-linux-musl --disable-nls --disable-debugfs --disable-imager \
		--disable-defrag --disable-fuse2fs --disable-uuidd --disable-testio-debug --disable-tdb \
		--disable-backtrace --disable-e2initrd-helper --disable-subset --without-libarchive \
		--without-udev-rules-dir --without-crond-dir --without-systemd-unit-dir
	make -j2 V=1 libs
	make -j2 V=1 -C e2fsck e2fsck
	make -j2 V=1 -C resize resize2fs
	make -j2 V=1 -C misc mke2fs tune2fs dumpe2fs
	mkdir -p "$STAGE/bin"
	strip -o "$STAGE/bin/e2fsck" e2fsck/e2fsck
	strip -o "$STAGE/bin/resize2fs" resize/resize2fs
	for program in mke2fs tune2fs dumpe2fs; do strip -o "$STAGE/bin/$program" "misc/$program"; done
}
