/* bbackup--1.0.sql: base backups at any LSN out of a page store */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION bbackup" to load this file. \quit

--
-- Page stores are foreign servers.  The one named "bbackup" is a directory
-- beside the data directory (setting bbackup.store_directory).
--
CREATE FUNCTION bb_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_fdw_validator'
LANGUAGE C STRICT;

COMMENT ON FUNCTION bb_fdw_validator IS
'checks the options of page stores: url (file:///directory)';

CREATE FOREIGN DATA WRAPPER bbackup VALIDATOR bb_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER bbackup IS 'page stores of bbackup';

CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup;
COMMENT ON SERVER bbackup IS
'the default page store: the directory in bbackup.store_directory';

--
-- Filling a store
--
CREATE FUNCTION bb_import_directory(
    directory text,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    wal_directory text DEFAULT NULL,
    OUT timeline text,
    OUT lsn pg_lsn,
    OUT databases bigint,
    OUT relations bigint,
    OUT pages bigint,
    OUT bytes_read bigint,
    OUT bytes_stored bigint,
    OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_import_directory'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_import_directory IS
'stores a data directory as a new timeline: of a cleanly shut-down cluster, or a base backup with backup_label and WAL (wal_directory NULL: its pg_wal); errors: a running cluster, another major version, a corrupt page, a timeline that exists';

CREATE FUNCTION bb_ingest(
    wal_directory text,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    until pg_lsn DEFAULT NULL,
    tli text DEFAULT 'latest',
    OUT timeline text,
    OUT start_lsn pg_lsn,
    OUT end_lsn pg_lsn,
    OUT tli integer,
    OUT records bigint,
    OUT pages bigint,
    OUT layers bigint,
    OUT bytes_stored bigint,
    OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_ingest'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_ingest IS
'continues a timeline with the WAL in a directory (an archive, a pg_wal), up to an LSN (NULL: all of it), on the way to a timeline ID (latest, current, or a number, as recovery_target_timeline); errors keep all before them: a missing segment, a broken record, WAL that does not follow, WAL of another system, with latest also WAL that goes on under two timeline IDs';

CREATE FUNCTION bb_create_branch(
    timeline text,
    ancestor text DEFAULT 'main',
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_create_branch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_create_branch IS
'makes a timeline that parts from another at an LSN (NULL: its end); returns that LSN';

CREATE FUNCTION bb_drop_timeline(
    timeline text,
    store name DEFAULT 'bbackup')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_drop_timeline'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_drop_timeline IS
'removes a timeline and its layers; refused while a branch needs them';

CREATE FUNCTION bb_get_stat_progress_import(
    OUT pid integer,
    OUT datid oid,
    OUT usesysid oid,
    OUT phase text,
    OUT bytes_total bigint,
    OUT bytes_done bigint,
    OUT files_total bigint,
    OUT files_done bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_progress_import'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_progress_import IS
'what the view bb_stat_progress_import shows; others'' imports take pg_read_all_stats';

CREATE VIEW bb_stat_progress_import AS
    SELECT p.pid, p.datid, d.datname, p.phase,
           p.bytes_total, p.bytes_done, p.files_total, p.files_done
    FROM bb_get_stat_progress_import() p
    LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW bb_stat_progress_import IS
'one row for each backend that runs bb_import_directory; sizes in bytes';

CREATE FUNCTION bb_get_stat_progress_ingest(
    OUT pid integer,
    OUT datid oid,
    OUT usesysid oid,
    OUT phase text,
    OUT start_lsn pg_lsn,
    OUT limit_lsn pg_lsn,
    OUT current_lsn pg_lsn,
    OUT records bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_progress_ingest'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_progress_ingest IS
'what the view bb_stat_progress_ingest shows; others'' ingests take pg_read_all_stats';

CREATE VIEW bb_stat_progress_ingest AS
    SELECT p.pid, p.datid, d.datname, p.phase,
           p.start_lsn, p.limit_lsn, p.current_lsn,
           p.limit_lsn - p.start_lsn AS bytes_total,
           p.current_lsn - p.start_lsn AS bytes_done, p.records
    FROM bb_get_stat_progress_ingest() p
    LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW bb_stat_progress_ingest IS
'one row for each backend that runs bb_ingest; bytes are of WAL';

--
-- What is there
--
CREATE FUNCTION bb_timelines(
    store name DEFAULT 'bbackup',
    OUT timeline text,
    OUT ancestor text,
    OUT ancestor_lsn pg_lsn,
    OUT start_lsn pg_lsn,
    OUT end_lsn pg_lsn,
    OUT prev_lsn pg_lsn,
    OUT end_time timestamptz,
    OUT system_identifier bigint,
    OUT pg_version integer,
    OUT tli integer,
    OUT data_checksums boolean,
    OUT generation bigint,
    OUT layers bigint,
    OUT bytes_stored bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_timelines'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_timelines IS
'the timelines of a page store, with the range of LSNs that can be read';

CREATE FUNCTION bb_lsn_at(
    "time" timestamptz,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_at'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_at IS
'the LSN where recovery_target_time would stop: just after the last commit or abort at or before a time; errors: a time in the future or in the past of the timeline, no data';

CREATE FUNCTION bb_layers(
    store name DEFAULT 'bbackup',
    timeline text DEFAULT NULL,
    OUT timeline text,
    OUT layer text,
    OUT kind text,
    OUT start_lsn pg_lsn,
    OUT end_lsn pg_lsn,
    OUT start_key text,
    OUT end_key text,
    OUT entries bigint,
    OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_layers'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_layers IS
'the layers of one timeline, or of all (NULL)';

CREATE FUNCTION bb_databases(
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT database oid,
    OUT tablespace oid,
    OUT default_tablespace boolean,
    OUT relations bigint,
    OUT pages bigint,
    OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_databases'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_databases IS
'the databases at an LSN (NULL: the end of the timeline), one row for each tablespace that they use; database 0 holds the shared catalogs';

CREATE FUNCTION bb_tablespaces(
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT tablespace oid,
    OUT location text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_tablespaces'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_tablespaces IS
'the tablespaces at an LSN (NULL: the end of the timeline) beside the two that all clusters have, and where the source has them';

CREATE FUNCTION bb_relations(
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT tablespace oid,
    OUT database oid,
    OUT relfilenode oid,
    OUT fork text,
    OUT pages bigint,
    OUT bytes bigint,
    OUT unlogged boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_relations'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_relations IS
'the relation forks at an LSN (NULL: the end of the timeline)';

CREATE FUNCTION bb_files(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    tablespaces text DEFAULT 'in-place',
    OUT path text,
    OUT kind text,
    OUT size bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_files'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_files IS
'what bb_basebackup with these arguments would contain, in its order, without building it; sizes in bytes';

CREATE FUNCTION bb_read_file(
    path text,
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_read_file'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_read_file IS
'one file of the cluster at an LSN, by its path in bb_files()';

CREATE FUNCTION bb_get_page(
    tablespace oid,
    database oid,
    relfilenode oid,
    fork text,
    block bigint,
    lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_get_page'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_page IS
'one page at an LSN, as pageinspect reads it; fork is main, fsm, vm or init';

--
-- Base backups
--
CREATE FUNCTION bb_basebackup(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1)
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_basebackup'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_basebackup IS
'a base backup at an LSN (NULL: the end of the timeline) as a tar; below 1 GB';

CREATE FUNCTION bb_basebackup_stream(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1)
RETURNS SETOF bytea
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_stream'
LANGUAGE C VOLATILE PARALLEL RESTRICTED
ROWS 10000;

COMMENT ON FUNCTION bb_basebackup_stream IS
'the same tar in chunks, in order; call it in the target list, where it streams';

CREATE FUNCTION bb_basebackup_archives(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1,
    OUT archive text,
    OUT data bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_archives'
LANGUAGE C VOLATILE PARALLEL RESTRICTED
ROWS 10000;

COMMENT ON FUNCTION bb_basebackup_archives IS
'tars in chunks, in order: one of each tablespace, then the rest, then the manifest; call it in the target list, where it streams';

CREATE FUNCTION bb_basebackup_to_file(
    path text,
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1,
    tablespaces text DEFAULT 'in-place')
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_to_file'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_to_file IS
'the same tar as a file on the server, or a directory with an archive for each tablespace, whole and durable or not at all; returns the bytes; errors: the file exists, no pg_write_server_files';

CREATE PROCEDURE bb_copy(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1)
AS 'MODULE_PATHNAME', 'bb_sql_copy'
LANGUAGE C;

COMMENT ON PROCEDURE bb_copy IS
'sends the same tar to the client as a COPY stream, raw; errors: not called by a CALL of the client''s own';

CREATE FUNCTION bb_basebackup_to_program(
    command text,
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1)
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_to_program'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_to_program IS
'writes the same tar to the standard input of a shell command on the server, which is killed unless it comes to its end; returns its bytes; errors: the command fails, or doesn''t read all';

CREATE FUNCTION bb_basebackup_lo(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    compression text DEFAULT 'none',
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1)
RETURNS oid
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_lo'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_lo IS
'stores the same tar as a new large object; returns its OID; errors leave none';

CREATE FUNCTION bb_restore(
    directory text,
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL,
    new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone',
    label text DEFAULT NULL,
    manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true,
    jobs integer DEFAULT 1,
    tablespace_mapping text[] DEFAULT NULL,
    delta boolean DEFAULT false,
    OUT restored_lsn pg_lsn,
    OUT files bigint,
    OUT bytes bigint,
    OUT bytes_written bigint,
    OUT files_removed bigint,
    OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_restore'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_restore IS
'a cluster at an LSN (NULL: the end of the timeline) as a data directory on the server, new or empty; delta: one of the same system that is there, of which only what differs is written; errors: another content, a running server, no pg_write_server_files';

--
-- Resident layers
--
CREATE FUNCTION bb_prefetch(
    lsn pg_lsn DEFAULT NULL,
    full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    wait boolean DEFAULT false)
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_prefetch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_prefetch IS
'makes resident, in the background, what a backup at an LSN (NULL: the end of the timeline) reads; gives the call_id of that, or NULL if statistics are not shared';

CREATE FUNCTION bb_evict(
    layer text,
    store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS boolean
AS 'MODULE_PATHNAME', 'bb_sql_evict'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_evict IS
'removes a layer from the cache of its store; false: it was not there; refused while it is in use';

CREATE FUNCTION bb_evict_idle(
    unused_for interval DEFAULT NULL,
    store name DEFAULT 'bbackup',
    OUT layers bigint,
    OUT bytes bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_evict_idle'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_evict_idle IS
'removes from the cache of a store what has not been used for that long (NULL: for bbackup.eviction_threshold), but for what is in use';

--
-- Statistics
--
CREATE FUNCTION bb_stat_scope()
RETURNS text
AS 'MODULE_PATHNAME', 'bb_sql_stat_scope'
LANGUAGE C STRICT STABLE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_stat_scope IS
'whose calls the statistics know: "shared", of all sessions (the library is in shared_preload_libraries), or "session", of this one alone';

CREATE FUNCTION bb_stat_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_stat_reset'
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_stat_reset IS
'forgets all statistics but calls that run, and when layers were used';

CREATE FUNCTION bb_get_access_stats(
    OUT call_id bigint,
    OUT pid integer,
    OUT usesysid oid,
    OUT function text,
    OUT task_kind text,
    OUT download_behavior text,
    OUT parent_call_id bigint,
    OUT parent_link text,
    OUT store name,
    OUT timeline text,
    OUT lsn pg_lsn,
    OUT start_lsn pg_lsn,
    OUT end_lsn pg_lsn,
    OUT started_at timestamptz,
    OUT duration_ms double precision,
    OUT state text,
    OUT sqlstate text,
    OUT message text,
    OUT keys_requested bigint,
    OUT pages_requested bigint,
    OUT layers_visited bigint,
    OUT blocks_read bigint,
    OUT blocks_cached bigint,
    OUT images_used bigint,
    OUT records_applied bigint,
    OUT redo_ms double precision,
    OUT layers_downloaded bigint,
    OUT bytes_downloaded bigint,
    OUT download_wait_ms double precision,
    OUT downloads_warned bigint,
    OUT downloads_refused bigint,
    OUT bytes_out bigint,
    OUT bytes_total_estimate bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_access_stats'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_access_stats IS
'what the view bb_access_stats shows: one''s own calls; others'' take pg_read_all_stats';

CREATE VIEW bb_access_stats AS
    SELECT s.call_id, s.pid, pg_get_userbyid(s.usesysid) AS usename,
           s.function, s.task_kind, s.download_behavior,
           s.parent_call_id, s.parent_link, s.store, s.timeline, s.lsn,
           s.start_lsn, s.end_lsn,
           s.started_at, s.duration_ms, s.state, s.sqlstate, s.message,
           s.keys_requested, s.pages_requested, s.layers_visited,
           s.blocks_read, s.blocks_cached, s.images_used, s.records_applied,
           s.redo_ms, s.layers_downloaded, s.bytes_downloaded,
           s.download_wait_ms, s.downloads_warned, s.downloads_refused,
           s.bytes_out,
           s.bytes_total_estimate, bb_stat_scope() AS scope
    FROM bb_get_access_stats() s;

COMMENT ON VIEW bb_access_stats IS
'one row for each call that runs, and for the last bbackup.track_calls; of all sessions, or of this one alone, as scope says';

CREATE FUNCTION bb_get_stat_totals(
    OUT task_kind text,
    OUT download_behavior text,
    OUT calls bigint,
    OUT errors bigint,
    OUT cancelled bigint,
    OUT duration_ms double precision,
    OUT keys_requested bigint,
    OUT pages_requested bigint,
    OUT layers_visited bigint,
    OUT blocks_read bigint,
    OUT blocks_cached bigint,
    OUT images_used bigint,
    OUT records_applied bigint,
    OUT redo_ms double precision,
    OUT layers_downloaded bigint,
    OUT bytes_downloaded bigint,
    OUT download_wait_ms double precision,
    OUT downloads_warned bigint,
    OUT downloads_refused bigint,
    OUT bytes_out bigint,
    OUT stats_reset timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_totals'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_totals IS
'what the view bb_stat_totals shows';

CREATE VIEW bb_stat_totals AS
    SELECT t.*, bb_stat_scope() AS scope
    FROM bb_get_stat_totals() t;

COMMENT ON VIEW bb_stat_totals IS
'what the ended calls of a task kind and download behaviour did since stats_reset: the sums of their rows in bb_access_stats';

CREATE FUNCTION bb_layer_stats(
    store name DEFAULT 'bbackup',
    timeline text DEFAULT NULL,
    OUT timeline text,
    OUT layer text,
    OUT bytes bigint,
    OUT resident boolean,
    OUT resident_since timestamptz,
    OUT first_access timestamptz,
    OUT last_access timestamptz,
    OUT accesses bigint,
    OUT accesses_by_task_kind jsonb,
    OUT downloads bigint,
    OUT evictions bigint,
    OUT scope text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_layer_stats'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_layer_stats IS
'how the layers of one timeline, or of all (NULL), are used; an access is a call that opens one';

--
-- A base backup reads past every table privilege.
--
REVOKE ALL ON FUNCTION bb_import_directory FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_create_branch FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_drop_timeline FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_get_stat_progress_import FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_ingest FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_get_stat_progress_ingest FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_fdw_validator FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_timelines FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_lsn_at FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_layers FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_databases FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_relations FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_files FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_read_file FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_get_page FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup_stream FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup_archives FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_prefetch FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_evict FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_evict_idle FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_stat_scope FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_stat_reset FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_get_access_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_get_stat_totals FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_layer_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup_to_file FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup_lo FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_basebackup_to_program FROM PUBLIC;
REVOKE ALL ON PROCEDURE bb_copy FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_restore FROM PUBLIC;
REVOKE ALL ON FUNCTION bb_tablespaces FROM PUBLIC;

-- How far imports are is for those who watch servers.
GRANT EXECUTE ON FUNCTION bb_get_stat_progress_import TO pg_read_all_stats;
GRANT SELECT ON bb_stat_progress_import TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION bb_get_stat_progress_ingest TO pg_read_all_stats;
GRANT SELECT ON bb_stat_progress_ingest TO pg_read_all_stats;

-- So is what calls do.  Others see their own once they may call the functions
-- behind the view: bb_get_access_stats and bb_stat_scope.
GRANT EXECUTE ON FUNCTION bb_stat_scope TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION bb_get_access_stats TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION bb_get_stat_totals TO pg_read_all_stats;
GRANT SELECT ON bb_access_stats TO PUBLIC;
GRANT SELECT ON bb_stat_totals TO pg_read_all_stats;
