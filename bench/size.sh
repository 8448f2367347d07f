# size.sh - bench/upkeep size: the store beside pgBackRest's repository; bash.
#
# A cluster lives for DAYS days of PARTS parts.  A part ends with a checkpoint, a day
# with a backup by pgBackRest: a full one each week, or else an incremental one.
# pgBackRest keeps the last two full backups, and archives all WAL.  The same WAL
# goes into the store, in a flush for each part, with upkeep after each.  At the
# end of each day, the window is set so that it begins a week before.
#
# pgBackRest's window has whole weeks.  On the day of a full backup it is a week, as
# long as the store's, and it grows to nearly two until the next one.
#
# $PGBACKREST is the program, if not that of the PATH: Debian 12 has none with block
# incremental backups.

PARTS=12
DAYS=14
WEEK=7

on_source()
{
	as_user "$BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$work" -p $SOURCE \
		-d postgres "$@"
}

pgbackrest()
{
	as_user "${PGBACKREST:-pgbackrest}" --config="$work/pgbackrest.conf" --stanza=bench "$@"
}

# new_repository: with the options that make it small.
new_repository()
{
	local block=""

	# it came with version 2.46
	if "${PGBACKREST:-pgbackrest}" help backup | grep -q -- --repo-block; then
		block="repo1-block=y"
	fi
	echo "$("${PGBACKREST:-pgbackrest}" version)${block:+, with block incremental backups}"
	as_user rm -rf "$work/repo"
	as_user tee "$work/pgbackrest.conf" >/dev/null <<-END
		[global]
		repo1-path=$work/repo
		lock-path=$work/lock
		log-level-console=error
		log-level-file=off
		compress-type=zst
		repo1-bundle=y
		$block
		repo1-retention-full=2
		start-fast=y
		[bench]
		pg1-path=$work/source
		pg1-socket-path=$work
		pg1-port=$SOURCE
		pg1-user=postgres
		pg1-database=postgres
	END
	pgbackrest --no-online stanza-create
}

# ---- workloads ----

load_pgbench()
{
	pgbench -i -q -s "$scale"
}

work_pgbench()
{
	pgbench -n -c 4 -j 2 -t $((transactions / 4 / PARTS))
}

# What sensors say, 20 rows a transaction; now and then one is corrected.
load_inserts()
{
	on_source <<-'END'
		CREATE TABLE reading (id bigserial PRIMARY KEY, sensor int NOT NULL,
			at timestamptz NOT NULL DEFAULT clock_timestamp(), value float8, note text);
		CREATE INDEX ON reading (sensor, at);
		CREATE PROCEDURE add_readings(n int) LANGUAGE plpgsql AS $$
		BEGIN
			FOR i IN 1..n LOOP
				INSERT INTO reading (sensor, value, note)
				SELECT (random() * 200)::int, random() * 1000, md5(random()::text)
				FROM generate_series(1, 20);
				IF i % 20 = 0 THEN
					UPDATE reading SET value = 0 WHERE id = (random() * 1000)::int;
				END IF;
				COMMIT;
			END LOOP;
		END $$;
	END
	# ten days
	on_source -c "CALL add_readings($((transactions * 10)))"
}

work_inserts()
{
	on_source -c "CALL add_readings($((transactions / PARTS)))"
}

# ---- the life of the cluster ----

start_archiving()
{
	start_source "$work/source" "-c autovacuum=on -c archive_mode=on $archiving"
}

# live WORKLOAD: a line for each day goes to the file "days": its end as LSN and as
# time, and the bytes of the repository after the backup.
live()
{
	local archiving

	archiving="-c archive_command='${PGBACKREST:-pgbackrest} --config=$work/pgbackrest.conf --stanza=bench archive-push %p'"
	as_user rm -rf "$work/base" "$work/wal"
	new_cluster "$work/source"
	start_source "$work/source"
	"load_$1"
	stop_server "$work/source"
	only_needed_wal "$work/source"
	as_user cp -r "$work/source" "$work/base"
	new_repository
	start_archiving
	: >"$results/days"
	for day in $(seq 0 $DAYS); do
		for part in $(seq $PARTS); do
			[ "$day" = 0 ] || "work_$1"
			on_source -c CHECKPOINT
		done
		pgbackrest --type="$([ $((day % WEEK)) = 0 ] && echo full || echo incr)" backup
		echo "$day $(on_source -F ' ' -c "SELECT pg_current_wal_insert_lsn(),
			extract(epoch FROM clock_timestamp())") $(as_user du -sb "$work/repo" |
			cut -f1) $(as_user du -sb "$work/repo/archive" | cut -f1)" >>"$results/days"
	done
	stop_server "$work/source"
	as_user mv "$work/source/pg_wal" "$work/wal"
	as_user rm -rf "$work/source"
}

# ingest_days TIMELINE: the same into the store; a line for each day goes to the
# file "kept".
ingest_days()
{
	local before

	before=$(value "SELECT end_lsn FROM bb_timelines() WHERE timeline = '$1'")
	while read -r day lsn time repository archive; do
		from=$(awk -v day=$((day - WEEK)) '$1 == day { print $3 }' "$results/days")
		[ -z "$from" ] || sql -c "SELECT FROM bb_set_retention(
			make_interval(secs => ceil($time - $from)), timeline => '$1')"
		sql -c "CALL flush_all('$work/wal', '$1', '$before', '$lsn', $PARTS, true)"
		echo "$day $(sql -F ' ' -c "SELECT sum(bytes),
			sum(bytes) FILTER (WHERE kind = 'image'), count(*),
			(SELECT bytes_window FROM bb_window WHERE timeline = '$1')
			FROM bb_layers(timeline => '$1')")" >>"$results/kept"
		before=$lsn
	done <"$results/days"
}

# size_of WORKLOAD
size_of()
{
	echo "--- $1"
	live "$1"
	# of flushes; upkeep takes its own
	for method in lz4 zstd; do
		sql -c "ALTER SYSTEM SET bbackup.compression = $method" \
			-c "SELECT FROM pg_reload_conf()"
		new_timeline "$1_$method"
		: >"$results/kept"
		sql -c "TRUNCATE flush_row"
		ingest_days "$1_$method"
		echo "$method: MB of"
		printf '%4s %10s %8s %8s %8s %8s %6s\n' day repository WAL store images window layers
		join "$results/days" "$results/kept" | awk '
			{ printf "%4d %10.1f %8.1f %8.1f %8.1f %8.1f %6d\n", $1, $4 / 1e6, $5 / 1e6,
				$6 / 1e6, $7 / 1e6, $9 / 1e6, $8 }'
		value "SELECT format('%s MB of WAL, %s MB flushed; %s jobs wrote %s MB by merges and %s MB of images',
			(sum(wal) / 1e6)::int, (sum(flushed) / 1e6)::int, sum(jobs),
			(sum(merged) / 1e6)::int, (sum(images) / 1e6)::int) FROM flush_row"
		printf '%-58s %6s  %8s\n' ratio '' goal
		ratio "$1, $method: store / repository, both with a week" \
			$(join "$results/days" "$results/kept" | awk -v week=$WEEK '
				$1 == 2 * week { a += $6; b += $4 } END { print a, b }') 1
		ratio "$1, $method: store / repository, mean of the second week" \
			$(join "$results/days" "$results/kept" | awk -v week=$WEEK '
				$1 > week { a += $6; b += $4 } END { print a, b }') 1
	done
}

size()
{
	size_of pgbench
	size_of inserts
}
