# shellcheck shell=bash disable=SC2034 # deps reads these
# e2fsprogs - the programs that make, check, grow and describe the data disk's file system, and the library with
# which keel-disk reads a file of one that is not mounted. With Debian's patches: they are upstream's fixes after
# the release, two of them for corruption. mke2fs carries its default configuration; no /etc/mke2fs.conf is needed.
SOURCE=e2fsprogs
LICENCE=NOTICE

build() {
	# mke2fs wipes the old superblock before it starts, and the 2 KiB behind it, which hold nothing of ext4's. They are where
	# keel-disk says that a format is under way (init/disk/format_intent.h): the superblock alone will do.
	grep -q '^		zap_sector(fs, 2, 6);$' misc/mke2fs.c
	sed -i 's/^		zap_sector(fs, 2, 6);$/		zap_sector(fs, 2, 2);/' misc/mke2fs.c
	./configure --host=x86_64-linux-musl --disable-nls --disable-debugfs --disable-imager \
		--disable-defrag --disable-fuse2fs --disable-uuidd --disable-testio-debug --disable-tdb \
		--disable-backtrace --disable-e2initrd-helper --disable-subset --without-libarchive \
		--without-udev-rules-dir --without-crond-dir --without-systemd-unit-dir
	make -j2 V=1 libs
	make -j2 V=1 -C e2fsck e2fsck
	make -j2 V=1 -C misc mke2fs tune2fs dumpe2fs e2undo
	mkdir -p "$STAGE/bin"
	strip -o "$STAGE/bin/e2fsck" e2fsck/e2fsck
	for program in mke2fs tune2fs dumpe2fs e2undo; do strip -o "$STAGE/bin/$program" "misc/$program"; done
	install -D -m644 -t "$STAGE/lib" lib/libext2fs.a lib/libcom_err.a
	install -D -m644 -t "$STAGE/include/et" lib/et/com_err.h
	install -D -m644 -t "$STAGE/include/ext2fs" lib/ext2fs/{ext2fs,ext2_fs,ext3_extents,ext2_io,ext2_err,ext2_types,bitops,ext2_ext_attr,hashmap}.h
}
