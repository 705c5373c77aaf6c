# Completion of keelctl for bash: source it, or install it as
# /usr/share/bash-completion/completions/keelctl.
# shellcheck shell=bash

_keelctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="status health wait services start stop restart reload kernel forward shutdown reboot"
	local options="--vm --timeout --json --no-block --api-port --docker-port --help --version"
	local units

	case $previous in
	--vm) mapfile -t COMPREPLY < <(compgen -W "unix: vsock: hvsock: none" -- "$word") ;;
	--timeout | --api-port | --docker-port) COMPREPLY=() ;;
	wait) mapfile -t COMPREPLY < <(compgen -W "ready starting degraded failed stopping" -- "$word") ;;
	forward) mapfile -t COMPREPLY < <(compgen -W "unix: tcp:127.0.0.1:" -- "$word") ;;
	start | stop | restart | reload)
		units=$(keelctl services 2>/dev/null | awk '$1 ~ /\.service$/ { print $1 }')
		mapfile -t COMPREPLY < <(compgen -W "$units" -- "$word")
		;;
	*)
		if [[ $word == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
		fi
		;;
	esac
}
complete -F _keelctl keelctl
