# Completion of keelctl for bash: source it, or install it as
# /usr/share/bash-completion/completions/keelctl.
# shellcheck shell=bash

# The units, for start and logs; in the guest PID 1 knows them also when the agent is silent.
_keel_units()
{
	keelctl --timeout 1 services 2>/dev/null | awk '$1 ~ /\.service$/ { print $1 }'
}

_keelctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb="" i
	local help

	help=$(keelctl --help 2>/dev/null)
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--vm | --timeout | --uuid | --lines | -n | --api-port | --docker-port) ((i++)) ;;
		-*) ;;
		*) [ -n "$verb" ] || verb=${COMP_WORDS[i]} ;;
		esac
	done
	case $previous in
	--vm)
		mapfile -t COMPREPLY < <(compgen -W "unix: vsock: hvsock: none" -- "$word")
		return
		;;
	--timeout | --uuid | --lines | -n | --api-port | --docker-port)
		COMPREPLY=()
		return
		;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -e '--[a-z-]+' <<<"$help" | sort -u)" -- "$word")
		return
	fi
	case $verb,$previous in
	,*) mapfile -t COMPREPLY < <(compgen -W "$(awk '/^  [a-z]/ { print $1 }' <<<"$help")" -- "$word") ;;
	wait,wait) mapfile -t COMPREPLY < <(compgen -W "ready starting degraded failed stopping" -- "$word") ;;
	disk,disk) mapfile -t COMPREPLY < <(compgen -W "status list trim grow repair init adopt" -- "$word") ;;
	memory,memory) mapfile -t COMPREPLY < <(compgen -W "status reclaim target mode" -- "$word") ;;
	memory,mode) mapfile -t COMPREPLY < <(compgen -W "adaptive gradual dropcache off" -- "$word") ;;
	memory,reclaim) mapfile -t COMPREPLY < <(compgen -W "all" -- "$word") ;;
	memory,target) mapfile -t COMPREPLY < <(compgen -W "none" -- "$word") ;;
	proxy,proxy) mapfile -t COMPREPLY < <(compgen -W "show from-environment clear" -- "$word") ;;
	forward,forward) mapfile -t COMPREPLY < <(compgen -W "unix: tcp:127.0.0.1:" -- "$word") ;;
	start,* | stop,* | restart,* | reload,* | logs,logs)
		mapfile -t COMPREPLY < <(compgen -W "$(_keel_units)" -- "$word")
		;;
	*) COMPREPLY=() ;;
	esac
}

# For journalctl only where nothing else has completed it (in keel's guest).
_keel_journalctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local options="--unit --dmesg --lines --follow --pager-end --output --since --until --priority --boot --no-pager --help"

	case $previous in
	-u | --unit) mapfile -t COMPREPLY < <(compgen -W "$(_keel_units)" -- "$word") ;;
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

	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--quiet --no-block --failed --value --property= --help --version" -- "$word")
	elif [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_keel_units)" -- "$word")
	fi
}
complete -F _keel_systemctl systemctl
