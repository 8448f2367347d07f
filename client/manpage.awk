# Makes a man page: PROGRAM.1.in, with the options of the tables in C files.
#
#	awk -v version=VERSION -f manpage.awk option_table.c PROGRAM.c PROGRAM.1.in
#
# In the page, "@OPTIONS name name ...@" stands for these tables.

function roff(text)
{
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	return text
}

# A row of the table: name, value, argument, help.
function print_row(row)
{
	if (row[1] == "")
		printf ".SS \"%s\"\n", roff(row[4])
	else
		printf ".TP\n%s\\fB\\-\\-%s\\fR%s\n%s\n",
			row[2] ~ /^OPTION/ ? "" : "\\fB\\-" row[2] "\\fR, ",
			roff(row[1]), row[3] == "" ? "" : "=\\fI" roff(row[3]) "\\fR",
			roff(row[4])
}

function print_table(text, row, n, token)
{
	while (match(text, /"([^"\\]|\\.)*"|'.'|OPTION_[A-Z_]+|[{},]/))
	{
		token = substr(text, RSTART, RLENGTH)
		text = substr(text, RSTART + RLENGTH)
		if (token == "{")
		{
			split("", row)
			n = 1
		}
		else if (token == ",")
			n++
		else if (token == "}")
			print_row(row)
		else
		{
			if (token ~ /^["']/)
				token = substr(token, 2, length(token) - 2)
			gsub(/\\"/, "\"", token)
			row[n] = row[n] token
		}
	}
}

/^(static )?const BbOption [a-z_]+\[/ {
	name = $0
	sub(/\[.*/, "", name)
	sub(/.* /, "", name)
	next
}
/^};/ { name = "" }
name != "" { gsub(/\/\*.*\*\//, ""); tables[name] = tables[name] $0; next }
FILENAME !~ /\.in$/ { next }
/^@OPTIONS .*@$/ {
	sub(/^@OPTIONS /, "")
	sub(/@$/, "")
	count = split($0, names, " ")
	for (i = 1; i <= count; i++)
	{
		if (!(names[i] in tables))
		{
			print "no table " names[i] > "/dev/stderr"
			exit 1
		}
		print_table(tables[names[i]])
	}
	next
}
{ sub(/@VERSION@/, version); print }
