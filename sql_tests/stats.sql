-- the views of the statistics: columns and permissions
SELECT attrelid::regclass AS view, string_agg(attname || ' ' ||
       format_type(atttypid, atttypmod), E'\n' ORDER BY attnum) AS columns
FROM pg_attribute
WHERE attrelid IN ('bb_access_stats'::regclass, 'bb_stat_totals'::regclass)
  AND attnum > 0
GROUP BY attrelid ORDER BY attrelid::regclass::text;

-- not preloaded, so a session knows only its own calls
SELECT bb_stat_scope();
SELECT count(*) FROM bb_access_stats;
CREATE SERVER stats_store FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');
SELECT count(*) FROM bb_timelines('stats_store');
SELECT * FROM bb_files(store => 'stats_store', timeline => 'nowhere');
SELECT call_id, pid = pg_backend_pid() AS mine, usename = current_user AS me,
       function, task_kind, download_behavior, parent_call_id, parent_link,
       store, timeline, lsn, started_at <= now() AS began, duration_ms > 0
       AS took, state, keys_requested, bytes_out, bytes_total_estimate, scope
FROM bb_access_stats;
SELECT task_kind, download_behavior, calls, errors, cancelled, scope
FROM bb_stat_totals;

-- a store without layers has no rows
SELECT * FROM bb_layer_stats('stats_store');
SELECT * FROM bb_layer_stats('stats_store', 'nowhere');

-- other users see their own calls, once they may call the function
CREATE ROLE bb_regress_caller;
GRANT USAGE ON FOREIGN SERVER stats_store TO bb_regress_caller;
GRANT EXECUTE ON FUNCTION bb_timelines(name) TO bb_regress_caller;
SET ROLE bb_regress_caller;
SELECT count(*) FROM bb_timelines('stats_store');
SELECT * FROM bb_access_stats;
SELECT * FROM bb_stat_totals;
SELECT bb_stat_reset();
RESET ROLE;
GRANT EXECUTE ON FUNCTION bb_get_access_stats(), bb_stat_scope()
    TO bb_regress_caller;
SET ROLE bb_regress_caller;
SELECT call_id, usename, function FROM bb_access_stats;
SELECT * FROM bb_stat_totals;
RESET ROLE;
-- members of pg_read_all_stats see all calls
GRANT pg_read_all_stats TO bb_regress_caller;
SET ROLE bb_regress_caller;
SELECT call_id, usename = 'bb_regress_caller' AS mine, function
FROM bb_access_stats;
SELECT task_kind, calls FROM bb_stat_totals;
RESET ROLE;

-- after a reset
SELECT bb_stat_reset();
SELECT count(*) FROM bb_access_stats;
SELECT count(*) FROM bb_stat_totals;
SET bbackup.track_calls = 5;

DROP SERVER stats_store CASCADE;
DROP OWNED BY bb_regress_caller;
DROP ROLE bb_regress_caller;
