# compare.awk - what was asked for against what Kconfig made of it.
#
# Files: the fragments, then the resulting .config as the last one. Prints a line
# "OPTION requested fragment what-came" for each difference (n = not set); exit 1 when there is any.
# An option that two fragments name is a difference too: one of them would win without a word.

FNR == 1 { last = FILENAME; n = split(FILENAME, part, "/"); file = part[n] }

/^CONFIG_[A-Za-z0-9_]+=/ {
	eq = index($0, "=")
	note(substr($0, 8, eq - 8), substr($0, eq + 1))
}

/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { note(substr($2, 8), "n") }

function note(option, value) {
	if (FILENAME == ARGV[ARGC - 1]) {
		got[option] = value
		return
	}
	if (option in asked) {
		print option, value, file, "twice, also in " where[option]
		bad = 1
	}
	asked[option] = value
	where[option] = file
	order[++count] = option
}

END {
	if (last != ARGV[ARGC - 1]) {
		print "compare.awk: " ARGV[ARGC - 1] " is empty" > "/dev/stderr"
		exit 2
	}
	for (i = 1; i <= count; i++) {
		option = order[i]
		value = (option in got) ? got[option] : "n"
		if (value != asked[option]) {
			print option, asked[option], where[option], "got " value
			bad = 1
		}
	}
	exit bad
}
