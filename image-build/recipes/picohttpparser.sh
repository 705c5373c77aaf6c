# shellcheck shell=bash disable=SC2034 # deps reads these
# picohttpparser - HTTP request heads of untrusted peers; compiled into keel-agent and keelctl.
# trixie has it only inside the Perl module that was made around it.
SOURCE=libhttp-parser-xs-perl
LICENCE=picohttpparser/picohttpparser.c

build() {
	install -D -m644 -t "$STAGE/src/picohttpparser" \
		picohttpparser/picohttpparser.c picohttpparser/picohttpparser.h
}
