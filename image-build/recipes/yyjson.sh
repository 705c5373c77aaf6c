# shellcheck shell=bash disable=SC2034 # deps reads these
# yyjson - writes and reads the JSON of the API; compiled into keel-agent and keelctl.
SOURCE=yyjson
LICENCE=LICENSE

build() {
	install -D -m644 -t "$STAGE/src/yyjson" src/yyjson.c src/yyjson.h
}
