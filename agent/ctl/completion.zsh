#compdef keelctl
# Completion of keelctl for zsh: a file _keelctl in a directory of $fpath. What can stand where comes from the program
# (agent/ctl/complete.c).

local line word
local -a whole open

for line in "${(@f)$(_call_program keelctl keelctl __complete "${(@q)words[2,CURRENT-1]}" "${(q)PREFIX}" 2>/dev/null)}"; do
	if [[ $line == files ]]; then
		compset -P '--*='
		compset -P '(unix|hvsock):'
		_files
		return
	fi
	word=${line%%$'\t'*}
	[[ $PREFIX != --*=* ]] || word=${PREFIX%%=*}=$word
	line=${line#*$'\t'}
	line=${word//:/\\:}${line:+:$line}
	if [[ $word == *: ]]; then
		open+=("$line")
	elif [[ -n $word ]]; then
		whole+=("$line")
	fi
done
(( $#whole + $#open )) || return 1
(( ! $#whole )) || _describe keelctl whole
(( ! $#open )) || _describe keelctl open -S ''
