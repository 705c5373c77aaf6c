# shellcheck shell=bash
# common.sh - what the image-build scripts share: paths, messages, the machine's Debian mirror.
# Sourced by bash scripts of this folder; runs on the host, so only coreutils, apt and dpkg.

set -euo pipefail
export LC_ALL=C

# shellcheck disable=SC2034  # used by the scripts that source this file
{
	PROGRAM=$(basename "$0")
	HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
	TOP=$(dirname "$HERE")
	LOCK_DIR=$HERE/lock
	BUILD=$TOP/build
	CACHE=${KEEL_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/keel}
	ENVS=${KEEL_ENVS:-$BUILD/env}
}

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "$*"; exit 1; }

# need_tools NAME... - ends with the names of the missing ones and the package that has them.
need_tools() {
	local missing=()
	for tool; do command -v "$tool" >/dev/null 2>&1 || missing+=("$tool"); done
	[ ${#missing[@]} -eq 0 ] || die "the host lacks ${missing[*]}: keel is built on Debian" \
		"(packages apt, dpkg, util-linux, coreutils, tar, mawk)"
}

# mib BYTES - with one decimal.
mib() { printf '%d.%d' $(($1 / 1048576)) $(($1 % 1048576 * 10 / 1048576)); }

# lock_file SET - its path; ends if there is none.
lock_file() {
	[ -f "$LOCK_DIR/$1.lock" ] || die "no set named '$1': there are" \
		"$(cd "$LOCK_DIR" && for f in *.lock; do printf '%s ' "${f%.lock}"; done)"
	printf '%s\n' "$LOCK_DIR/$1.lock"
}

# lock_lines SET... - "NAME VERSION ARCH ROLE ARCHIVE SIZE SHA256 PATH" of every input, each once.
lock_lines() {
	local set file
	for set; do
		file=$(lock_file "$set")
		grep -v '^#' "$file"
	done | sort -u -k8,8
}

# lock_hash SET - changes whenever the set's inputs do.
lock_hash() { sha256sum <"$(lock_file "$1")" | cut -c1-64; }

# mirror_bases ARCHIVE - base URLs of `debian` or `debian-security` as the machine's own apt
# configuration names them, one a line. apt knows of its sources what they are only after `apt-get update`;
# on a machine that has never done that, the last part of the URL decides.
mirror_bases() {
	{
		# shellcheck disable=SC2016  # the format is apt's
		apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null || true
		apt-get update --print-uris 2>/dev/null | sed -n "s,^'\\(.*\\)/dists/.*,||\\1,p"
	} | awk -F'|' -v want="$1" '
		{ url = $3; sub(/\/$/, "", url); kind = url; sub(/.*\//, "", kind) }
		$1 != "" && $1 != "Debian" { next }
		$1 == "Debian" { kind = ($2 == "Debian-Security") ? "debian-security" : "debian" }
		kind == want && url ~ /^[a-z+]+:/ && !seen[url]++ { print url }'
}
