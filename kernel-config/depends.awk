# depends.awk - the "depends on" lines of one option, with the values that its terms have now.
#
# Files: a .config, then the Kconfig file that defines the option. -v option=NAME. What an enclosing
# menu or `if` asks for is not seen here: the Kconfig file tells.

FNR == NR {
	if (match($0, /^CONFIG_[A-Za-z0-9_]+=/))
		value[substr($0, 8, RLENGTH - 8)] = substr($0, RLENGTH + 1)
	next
}

$1 == "config" || $1 == "menuconfig" { inside = ($2 == option); next }
$1 == "help" { inside = 0 }

inside && $1 == "depends" {
	text = $0
	sub(/^[[:space:]]*/, "", text)
	print "        " text
	terms = text
	sub(/^depends on/, "", terms)
	gsub(/[^A-Z0-9_a-z]+/, " ", terms)
	n = split(terms, term, " ")
	line = ""
	for (i = 1; i <= n; i++)
		if (term[i] ~ /^[A-Z0-9_]+$/)
			line = line " " term[i] "=" ((term[i] in value) ? value[term[i]] : "n")
	print "        now:" line
}
