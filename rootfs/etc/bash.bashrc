# For interactive shells of bash that are no login shells (/etc/profile reads the same file).
[ -z "$PS1" ] || . /usr/lib/keel/shell-interactive
