# lib.sh - what the benchmarks share; bash.
#
# A script sources it at the top of the tree, after .ci/lib.sh.  Everything is in
# $work, where the server with the stores listens on port $STORE.  Functions
# run_NAME are measured, and their times go to files in $results.  With PRIVATE=1
# in the environment, the extension is installed for this run only.

SOURCE=5511
STORE=5512
CLONE=5513

clean_up()
{
	stop_servers "$work"
	as_user rm -rf "$work"
}

# begin NAME: create a directory to work in, and install the extension.
begin()
{
	set_packages
	need_packages "${BUILD_PACKAGES[@]}"
	find_postgres
	new_directory "$1"
	work=$directory
	results=$work/results
	trap clean_up EXIT
	trap 'exit 1' INT TERM
	as_user mkdir "$results"
	install_extension "$work/tree"
}

# new_store [OPTIONS]: start a server with the extension.
new_store()
{
	new_cluster "$work/store"
	start_server "$work/store" $STORE \
		"-c shared_buffers=128MB -c autovacuum=off ${1:-}"
	sql -c "CREATE EXTENSION bbackup"
}

sql()
{
	as_user "$BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$work" \
		-p $STORE -d postgres "$@"
}

# only_needed_wal DIRECTORY: remove all other segments of a stopped cluster.
only_needed_wal()
{
	local needed

	needed=$(as_user "$BINDIR/pg_controldata" -D "$1" |
		sed -n 's/^.*REDO WAL file: *//p')
	as_user find "$1/pg_wal" -type f ! -name "$needed" -delete
}

# start_source DIRECTORY [OPTIONS]: start a cluster that keeps all WAL and makes
# no checkpoints by itself.
start_source()
{
	local options="-c fsync=off -c synchronous_commit=off -c autovacuum=off"

	options+=" -c shared_buffers=1GB -c max_wal_size=100GB"
	options+=" -c wal_keep_size=100GB -c checkpoint_timeout=1d"
	start_server "$1" $SOURCE "$options ${2:-}"
}

pgbench()
{
	as_user "$BINDIR/pgbench" -h "$work" -p $SOURCE "$@" postgres \
		>/dev/null 2>&1
}

source_lsn()
{
	as_user "$BINDIR/psql" -X -At -h "$work" -p $SOURCE -d postgres \
		-c "SELECT pg_current_wal_insert_lsn()"
}

# new_base SCALE: create a cluster with pgbench's tables in $work/base, and shut it
# down.
new_base()
{
	new_cluster "$work/base"
	start_source "$work/base"
	pgbench -i -q -s "$1"
	stop_server "$work/base"
	only_needed_wal "$work/base"
}

# new_wal NAME TRANSACTIONS PARTS [OPTIONS]: run pgbench in a copy of the base;
# its WAL goes to $work/NAME.wal.  $marks gets the LSNs at which the parts end,
# $end the last of them.  A function after_part is called with the number of each.
new_wal()
{
	marks=()
	as_user cp -r "$work/base" "$work/source"
	start_source "$work/source" "${4:-}"
	for part in $(seq "$3"); do
		pgbench -n -c 4 -j 2 -t $(($2 / 4 / $3))
		if declare -F after_part >/dev/null; then
			after_part "$part"
		fi
		end=$(source_lsn)
		marks+=("$end")
	done
	stop_server "$work/source"
	as_user mv "$work/source/pg_wal" "$work/$1.wal"
	as_user rm -rf "$work/source"
}

# new_timeline NAME: import the base.
new_timeline()
{
	sql -c "SELECT FROM bb_import_directory('$work/base', timeline => '$1')"
}

# restore WAL [LSN]: copy the base to $work/clone, with the configuration of stock
# PostgreSQL to recover from WAL, up to an LSN, at its start.
restore()
{
	as_user cp -r "$work/base" "$work/clone"
	as_user touch "$work/clone/recovery.signal"
	as_user tee -a "$work/clone/postgresql.auto.conf" >/dev/null <<-END
		restore_command = 'cp "$1/%f" "%p"'
		recovery_target_action = promote
		recovery_target_lsn = '${2:-}'
		hot_standby = off
	END
}

# start_clone OPTIONS: start the server in $work/clone; wait until it answers.
start_clone()
{
	local options="-k $work -p $CLONE -c listen_addresses= -c autovacuum=off"

	as_user "$BINDIR/pg_ctl" start -s -W -D "$work/clone" \
		-l "$work/clone.log" -o "$options -c max_wal_size=100GB $1"
	until as_user "$BINDIR/psql" -X -q -h "$work" -p $CLONE -d postgres \
		-c "SELECT count(*) FROM pgbench_branches" >/dev/null 2>&1; do
		sleep 0.01
	done
}

# discard DIRECTORY: free its space and move it away.  Its inodes stay in use,
# since ext4 without a journal searches around inodes that were freed in the last
# minutes, which would slow down the next measurement with many files.
discard()
{
	as_user find "$1" -type f -exec truncate -s 0 {} +
	as_user mkdir -p "$work/discarded"
	as_user mv "$1" "$(as_user mktemp -d "$work/discarded/XXXXXX")"
}

remove_clone()
{
	as_user "$BINDIR/pg_ctl" stop -s -w -m immediate -D "$work/clone"
	discard "$work/clone"
	as_user rm -f "$work/clone.log"
}

# measure NAME: call run_NAME; its time in microseconds goes to a file.
measure()
{
	local begun=${EPOCHREALTIME/./}
	local ended

	"run_$1"
	ended=${EPOCHREALTIME/./}
	echo $((ended - begun)) >>"$results/$1"
	if declare -F "after_$1" >/dev/null; then
		"after_$1"
	fi
}

# new_vault: create the page store "vault", an encrypted one in a directory.
new_vault()
{
	as_user sh -c "umask 077 && openssl rand -hex 32 >'$work/vault.key'"
	sql -c "CREATE SERVER vault FOREIGN DATA WRAPPER bbackup
		OPTIONS (url 'file://$work/vault', encryption_key_file '$work/vault.key')"
}

# median NAME: print the median of its times.
median()
{
	sort -n "$results/$1" | awk '{ t[NR] = $1 }
		END { print (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2 }'
}

# ratio WHAT A B [GOAL]: print a line of a table, with A / B and the largest value
# that it should have.
ratio()
{
	awk -v what="$1" -v one="$2" -v other="$3" -v goal="${4:-}" 'BEGIN {
			ratio = one / other
			verdict = goal == "" ? "" : ratio <= goal ? "met" : "missed"
			printf "%-58s %6.2f  %7s  %s\n", what, ratio,
				goal == "" ? "-" : "<= " goal, verdict
		}'
}

# row WHAT NAME OTHER [GOAL]: the same with the medians of two names.
row()
{
	ratio "$1" "$(median "$2")" "$(median "$3")" "${4:-}"
}

# memory QUERY: print the peak memory of a backend above an idle one, in MB.
memory()
{
	local high="SELECT substring(pg_read_file('/proc/self/status')
								 from 'VmHWM:\s+(\d+)')"

	sql -c "SELECT count(*) FROM pg_class" -c "$high" -c "$1" -c "$high" |
		awk 'NR == 2 { before = $1 } { after = $1 }
			END { printf "%.1f", (after - before) / 1024 }'
}

# new_source_server NAME [OPTIONS]: create the foreign server of the source.
new_source_server()
{
	sql -c "CREATE SERVER $1 FOREIGN DATA WRAPPER bbackup_source
		OPTIONS (host '$work', port '$SOURCE'${2:+, $2})" \
		-c "CREATE USER MAPPING FOR CURRENT_USER SERVER $1"
}
