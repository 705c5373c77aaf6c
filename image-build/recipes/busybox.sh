# shellcheck shell=bash disable=SC2034 # deps reads these
# busybox - the guest's shell and everyday tools, exactly the applets of busybox.config.
SOURCE=busybox
LICENCE=LICENSE
EXTRA=busybox.config

# Sets exactly what busybox.config names. allnoconfig would not do: options that become visible later
# take their defaults, which are mostly yes. Every option known is written down as off, and again those
# that came up on the way, until nothing new appears.
configure() {
	sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1/p' "$1" >asked
	make -s allyesconfig >/dev/null
	for round in 1 2 3 4 5; do
		grep '^CONFIG_[A-Za-z0-9_]*=' .config | grep -v '=y$' >values || true
		sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=y$/\1/p; s/^# \(CONFIG_[A-Za-z0-9_]*\) is not set$/\1/p' .config |
			grep -vxFf asked | sed 's/.*/# & is not set/' >off || true
		{ cat "$1" off; grep -vE "^($(paste -sd'|' asked))=" values || true; } >.config
		make -s oldconfig < <(yes "") >/dev/null
		! sed -n 's/=y$//p' .config | grep -vxFf asked || continue
		break
	done
	# kbuild drops in silence what lacks a dependency, and chooses where it must
	missing=$(grep '^CONFIG_' "$1" | grep -vxFf .config || true)
	unasked=$(sed -n 's/=y$//p' .config | grep -vxFf asked || true)
	[ -z "$missing$unasked" ] || {
		echo "busybox.config: dropped by Kconfig: ${missing//$'\n'/ }"
		echo "busybox.config: on without being asked: ${unasked//$'\n'/ }"
		return 1
	}
}

build() {
	configure "$HERE/busybox.config"
	# CFLAGS_busybox is for the last link only; LDFLAGS would reach `ld -r` too.
	env -u CFLAGS -u LDFLAGS make -j2 KCONFIG_NOTIMESTAMP=1 CC="$CC" HOSTCC=gcc SKIP_STRIP=y \
		EXTRA_CFLAGS="$CFLAGS" CFLAGS_busybox="$LDFLAGS" busybox busybox.links
	mkdir -p "$STAGE/bin" "$STAGE/share"
	strip -o "$STAGE/bin/busybox" busybox
	sort busybox.links >"$STAGE/share/busybox.links"
}
