# Completion of keelctl for bash: source it, or install it as
# /usr/share/bash-completion/completions/keelctl.
# shellcheck shell=bash

_keelctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="status health wait services start stop restart reload logs disk memory proxy kernel forward shutdown reboot"
	local options="--vm --timeout --json --watch --uuid --no-block --follow --lines --api-port --docker-port --help --version"
	local units

	case $previous in
	--vm) mapfile -t COMPREPLY < <(compgen -W "unix: vsock: hvsock: none" -- "$word") ;;
	--timeout | --lines | -n | --api-port | --docker-port) COMPREPLY=() ;;
	wait) mapfile -t COMPREPLY < <(compgen -W "ready starting degraded failed stopping" -- "$word") ;;
	disk) mapfile -t COMPREPLY < <(compgen -W "status list trim grow repair init adopt" -- "$word") ;;
	memory) mapfile -t COMPREPLY < <(compgen -W "status reclaim target mode" -- "$word") ;;
	proxy) mapfile -t COMPREPLY < <(compgen -W "show from-environment clear" -- "$word") ;;
	mode) mapfile -t COMPREPLY < <(compgen -W "adaptive gradual dropcache off" -- "$word") ;;
	reclaim) mapfile -t COMPREPLY < <(compgen -W "all" -- "$word") ;;
	target) mapfile -t COMPREPLY < <(compgen -W "none" -- "$word") ;;
	forward) mapfile -t COMPREPLY < <(compgen -W "unix: tcp:127.0.0.1:" -- "$word") ;;
	start | stop | restart | reload | logs)
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

# For journalctl only where nothing else has completed it (in keel's guest).
_keel_journalctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local options="--unit --dmesg --lines --follow --pager-end --output --since --until --priority --boot --no-pager --help"

	case $previous in
	-u | --unit) mapfile -t COMPREPLY < <(compgen -W "$(keelctl services 2>/dev/null | awk '$1 ~ /\.service$/ { print $1 }')" -- "$word") ;;
	-o | --output) mapfile -t COMPREPLY < <(compgen -W "short short-iso short-monotonic cat stored" -- "$word") ;;
	-p | --priority) mapfile -t COMPREPLY < <(compgen -W "emerg alert crit err warning notice info debug" -- "$word") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
	esac
}
complete -F _keelctl keelctl
complete -p journalctl &>/dev/null || complete -F _keel_journalctl journalctl

_keel_systemctl()
{
	local word=${COMP_WORDS[COMP_CWORD]}
	local verbs="is-system-running is-active is-failed is-enabled status show cat list-units list-unit-files start stop \
restart try-restart reload reset-failed daemon-reload poweroff halt reboot"
	local units

	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--quiet --no-block --failed --value --property= --help --version" -- "$word")
	elif [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
	else
		units=$(systemctl --quiet list-units 2>/dev/null | awk '$1 ~ /\.service$/ { print $1 }')
		mapfile -t COMPREPLY < <(compgen -W "$units" -- "$word")
	fi
}
complete -F _keel_systemctl systemctl
