#!/bin/bash
#
# quickstart.sh - show bbackup at work, in a minute.
#
#	./quickstart.sh          removes everything at the end
#	./quickstart.sh --keep   keeps both servers running, to try more
#	./quickstart.sh --installed   builds nothing: the extension is installed
#
# It needs root or sudo, unless the extension is installed, since it installs
# missing packages (Debian 12) and the extension into the server's directories.
# Everything else happens in a temporary directory, with servers that only
# listen on sockets there.
#
set -euo pipefail
cd "$(dirname "$0")"
. .ci/lib.sh

keep=
installed=
for option in "$@"; do
	case $option in
		--keep) keep=1 ;;
		--installed) installed=1 ;;
		*) die "usage: $0 [--keep] [--installed]" ;;
	esac
done

number=0

step()
{
	number=$((number + 1))
	printf '\n%d. %s\n' $number "$*"
}

# Ports, which name the servers' sockets in $work.
SOURCE=5501
STORE=5502
CLONE=5503

sql()
{
	local port=$1
	local database=$2

	shift 2
	as_user "$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -h "$work" \
		-p "$port" -d "$database" "$@"
}

# show_sql QUERY [OPTION]...: print a query and run it on the server with the
# store, with options for psql.
show_sql()
{
	local query=$1

	shift
	printf '%s\n' "$query" | sed 's/^/   =# /'
	sql $STORE postgres "$@" -c "$query" | sed 's/^/   /'
}

dump()
{
	# without a line that has a random word
	as_user "$BINDIR/pg_dumpall" -h "$work" -p "$1" |
		grep -Ev '^\\(un)?restrict '
}

counts()
{
	sql "$1" shop -At -c "
		SELECT string_agg(format('%s %s', t, n), ', ' ORDER BY t)
		FROM (VALUES ('accounts', (SELECT count(*) FROM pgbench_accounts)),
					 ('history', (SELECT count(*) FROM pgbench_history)),
					 ('balance', (SELECT sum(abalance) FROM pgbench_accounts))
			 ) AS v (t, n)"
}

clean_up()
{
	stop_servers "$work"
	rm -rf "$work"
}

if [ -z "$installed" ]; then
	step "Packages"
	set_packages
	need_packages "${BUILD_PACKAGES[@]}"
fi
find_postgres
[ -n "$installed" ] ||
	echo "   Installed; the server is $("$PG_CONFIG" --version)."

new_directory bbquick
work=$directory
trap clean_up EXIT
trap 'exit 1' INT TERM

if [ -z "$installed" ]; then
	step "Build and install the extension: make && make install"
	install_extension "$work/tree"
else
	step "The extension is installed"
	[ -e "$("$PG_CONFIG" --sharedir)/extension/bbackup.control" ] ||
		die "$("$PG_CONFIG" --version) does not have the extension"
fi
echo "   Installed in $("$PG_CONFIG" --pkglibdir)."

step "A cluster to back up, with a pgbench database"
new_cluster "$work/source"
start_server "$work/source" $SOURCE
as_user "$BINDIR/createdb" -h "$work" -p $SOURCE shop
as_user "$BINDIR/pgbench" -h "$work" -p $SOURCE -i -q -s 10 shop 2>/dev/null
as_user "$BINDIR/pgbench" -h "$work" -p $SOURCE -n -c 2 -t 500 shop \
	>/dev/null 2>&1
echo "   pgbench -i -s 10, and 1000 transactions."
source_counts=$(counts $SOURCE)
dump $SOURCE >"$work/source.sql"
stop_server "$work/source"
echo "   It has: $source_counts."
echo "   It is shut down, as an import requires."

step "Another server, with bbackup: nothing is preloaded or configured"
new_cluster "$work/store"
start_server "$work/store" $STORE
show_sql "CREATE EXTENSION bbackup;"

step "Import the cluster into the page store"
show_sql "SELECT * FROM bb_import_directory('$work/source');" -x
show_sql "SELECT timeline, start_lsn, end_lsn, pg_size_pretty(bytes_stored) AS stored
FROM bb_timelines();"

step "Make a base backup in one SELECT"
show_sql "COPY (SELECT bb_basebackup())
TO PROGRAM 'tail -c +26 | head -c -2 > $work/clone.tar'
(FORMAT binary);"
as_user mkdir -m 700 "$work/clone"
echo "   \$ tar -x -f $work/clone.tar -C $work/clone"
as_user tar -x -f "$work/clone.tar" -C "$work/clone"

step "Start the stock server in it: no recovery, no pg_resetwal"
start_server "$work/clone" $CLONE
sed 's/^/   /' "$work/clone.log"

step "Is it the same?"
clone_counts=$(counts $CLONE)
echo "   source: $source_counts"
echo "   clone:  $clone_counts"
[ "$source_counts" = "$clone_counts" ] || die "the row counts differ"
dump $CLONE >"$work/clone.sql"
cmp "$work/source.sql" "$work/clone.sql" || die "the dumps differ"
echo "   pg_dumpall: $(wc -l <"$work/clone.sql") lines, all equal."
sql $CLONE shop -c "UPDATE pgbench_accounts SET abalance = 0 WHERE aid = 1"
echo "   It also accepts writes."

step "What to try next"
cat <<END
   What a backup would contain, without building it:
     SELECT * FROM bb_files();
   One page of the store, and one file:
     SELECT bb_get_page(tablespace, database, relfilenode, fork, 0)
     FROM bb_relations() WHERE fork = 'main' AND pages > 0 LIMIT 1;
     SELECT convert_from(bb_read_file('postgresql.conf'), 'UTF8');
   A branch, and a backup of it:
     SELECT bb_create_branch('experiment');
     SELECT length(bb_basebackup(timeline => 'experiment'));
   A cluster of any size, to a file or a directory: docs/recipes.md
END
if [ -n "$keep" ]; then
	trap - EXIT
	cat <<END

   The server with the store and the clone keep running:
     $BINDIR/psql -h $work -p $STORE -U $(as_user id -un) postgres
     $BINDIR/psql -h $work -p $CLONE -U $(as_user id -un) shop
   To stop them (as user $(as_user id -un)):
     $BINDIR/pg_ctl stop -D $work/store
     $BINDIR/pg_ctl stop -D $work/clone
     rm -r $work
END
else
	echo
	echo "   With ./quickstart.sh --keep the servers keep running to try that."
fi
