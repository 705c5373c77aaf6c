# shellcheck shell=bash disable=SC2034 # deps reads these
# inih - the INI parser of keel.conf and unit files; compiled into our programs.
SOURCE=libinih
LICENCE=LICENSE.txt

build() {
	install -D -m644 -t "$STAGE/src/inih" ini.c ini.h
}
