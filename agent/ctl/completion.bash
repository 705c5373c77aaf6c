# Completion of keelctl for bash: source it, or install it as
# /usr/share/bash-completion/completions/keelctl. What can stand where comes from the program (agent/ctl/complete.c).
# shellcheck shell=bash

# The units, for systemctl and journalctl; in the guest PID 1 knows them also when the agent is silent.
_keel_units()
{
	keelctl __complete logs '' 2>/dev/null | cut -f1
}

_keelctl()
{
	local words=() word last="" line i

	# bash takes unix:PATH and --color=never apart.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((${#words[@]})) && [[ $last == [:=] || $word == [:=] ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
		last=$word
	done
	word=${words[-1]}
	# What bash has cut off is not to be offered again.
	last=${word%"${word##*[:=]}"}
	[[ $COMP_WORDBREAKS == *:* ]] || last=""
	COMPREPLY=()
	while IFS=$'\t' read -r line _; do
		if [ "$line" = files ]; then
			[[ $word != --*=* ]] || word=${word#*=}
			word=${word#unix:}
			mapfile -t COMPREPLY < <(compgen -f -- "${word#hvsock:}")
			compopt -o filenames 2>/dev/null
			return
		fi
		[[ $line != *: ]] || compopt -o nospace 2>/dev/null
		[[ $last != *= ]] || line=$last$line
		COMPREPLY+=("${line#"$last"}")
	done < <(keelctl __complete "${words[@]}" 2>/dev/null)
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
