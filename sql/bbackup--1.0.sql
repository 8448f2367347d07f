/* bbackup--1.0.sql: base backups at any LSN out of a page store */

-- refuse to be run by psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION bbackup" to load this file. \quit

--
-- Page stores are foreign servers.  The extension's own, "bbackup", is in
-- bbackup.store_directory, by default a directory beside the data directory.
--
CREATE FUNCTION bb_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_fdw_validator'
LANGUAGE C STRICT;

COMMENT ON FUNCTION bb_fdw_validator IS
'checks the options of page stores (foreign servers) and of their user mappings; errors: an option that does not exist, an invalid value, no privilege to read and write files of the server';

CREATE FOREIGN DATA WRAPPER bbackup VALIDATOR bb_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER bbackup IS 'page stores of bbackup';

CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup;
COMMENT ON SERVER bbackup IS
'the default page store: the directory in bbackup.store_directory';

--
-- Sources are servers, which are imported and followed over the replication
-- protocol.
--
CREATE FUNCTION bb_source_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_source_validator'
LANGUAGE C STRICT;

COMMENT ON FUNCTION bb_source_validator IS
'checks the options of sources (foreign servers) and of their user mappings; errors: an option that does not exist, an invalid value, no privilege to read files of the server, an option of the mapping that only superusers can set';

CREATE FOREIGN DATA WRAPPER bbackup_source VALIDATOR bb_source_validator;
COMMENT ON FOREIGN DATA WRAPPER bbackup_source IS
'servers that bbackup imports and follows';

CREATE FUNCTION bb_identify_source(
    source name,
    OUT host text, OUT role text, OUT encrypted boolean, OUT standby boolean,
    OUT version_num integer, OUT system_identifier bigint, OUT tli integer,
    OUT lsn pg_lsn, OUT segment_size integer)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_identify_source'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_identify_source IS
'connects to a source as an import would, and returns which server answers: host and port; the role there; whether the connection is encrypted; whether the server is a standby; its version (150004: 15.4); its system identifier; its current timeline ID and the end of its WAL; the size of its WAL segments in bytes; needs USAGE on the foreign server, and the role needs REPLICATION at the source; errors: no such source, no connection, a password that is missing or wrong, a server of another major version';

--
-- Filling a store
--
CREATE FUNCTION bb_import_directory(
    directory text, store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    wal_directory text DEFAULT NULL,
    OUT timeline text, OUT lsn pg_lsn, OUT databases bigint,
    OUT relations bigint, OUT pages bigint, OUT bytes_read bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_import_directory'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_import_directory IS
'stores a data directory as a new timeline. The directory belongs to a cluster that was shut down cleanly, or is a base backup with backup_label and WAL (wal_directory NULL: its pg_wal). Errors: a running cluster, another major version, a corrupt page, a timeline that exists';

CREATE FUNCTION bb_import_server(
    source name, store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    checkpoint text DEFAULT 'spread', max_rate integer DEFAULT NULL,
    OUT timeline text, OUT lsn pg_lsn, OUT databases bigint,
    OUT relations bigint, OUT pages bigint, OUT bytes_read bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_import_server'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_import_server IS
'stores a running server as a new timeline, by a base backup of it and the WAL that is written meanwhile. source: a foreign server of the wrapper bbackup_source. checkpoint: fast or spread, how the source begins the backup. max_rate: kilobytes per second; NULL: no limit. Small files wait in a temporary file (temp_tablespaces, temp_file_limit). Errors: another major version, a corrupt page, a timeline that exists, a connection that breaks';

CREATE FUNCTION bb_rebase_directory(
    directory text, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main', wal_directory text DEFAULT NULL,
    OUT timeline text, OUT gap_start pg_lsn, OUT gap_end pg_lsn,
    OUT pages bigint, OUT pages_stored bigint, OUT bytes_read bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_rebase_directory'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_rebase_directory IS
'stores a data directory as a new base of an existing timeline, where WAL was lost. Pages that are equal are not stored again. The timeline then has a gap from its end to gap_end, where it can be read and continued. The directory is one that bb_import_directory takes, of the same cluster. Errors: those of bb_import_directory; a base that does not begin after the end of the timeline, or whose history left the timeline before (branch there)';

CREATE FUNCTION bb_rebase_server(
    source name, store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    checkpoint text DEFAULT 'spread', max_rate integer DEFAULT NULL,
    OUT timeline text, OUT gap_start pg_lsn, OUT gap_end pg_lsn,
    OUT pages bigint, OUT pages_stored bigint, OUT bytes_read bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_rebase_server'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_rebase_server IS
'stores a running server as a new base of an existing timeline, where WAL was lost; see bb_rebase_directory. The arguments are those of bb_import_server. All pages are read and sent, but those that are equal are not stored again. Errors: those of both functions';

CREATE FUNCTION bb_ingest(
    wal_directory text, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main', until pg_lsn DEFAULT NULL,
    tli text DEFAULT 'latest',
    OUT timeline text, OUT start_lsn pg_lsn, OUT end_lsn pg_lsn,
    OUT tli integer, OUT records bigint, OUT pages bigint, OUT layers bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_ingest'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_ingest IS
'continues a timeline with the WAL in a directory (an archive, a pg_wal), up to an LSN (until; NULL: all WAL), along a timeline ID (tli: latest, current or a number, as recovery_target_timeline). Errors keep the WAL before them: a missing segment, a broken record, WAL that does not follow, WAL of another system, and with latest also WAL that continues under two timeline IDs';

CREATE FUNCTION bb_create_branch(
    timeline text, ancestor text DEFAULT 'main', lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_create_branch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_create_branch IS
'creates a timeline that branches off from another one at an LSN (NULL: its end); returns that LSN';

CREATE FUNCTION bb_drop_timeline(
    timeline text, store name DEFAULT 'bbackup')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_drop_timeline'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_drop_timeline IS
'removes a timeline and its layers, even if it cannot be read; an error if a branch needs it';

CREATE FUNCTION bb_get_stat_progress_import(
    OUT pid integer, OUT datid oid, OUT usesysid oid, OUT phase text,
    OUT bytes_total bigint, OUT bytes_done bigint, OUT files_total bigint,
    OUT files_done bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_progress_import'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_progress_import IS
'rows of the view bb_stat_progress_import; the imports of other users require pg_read_all_stats';

CREATE VIEW bb_stat_progress_import AS
    SELECT p.pid, p.datid, d.datname, p.phase,
           p.bytes_total, p.bytes_done, p.files_total, p.files_done
    FROM bb_get_stat_progress_import() p
    LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW bb_stat_progress_import IS
'one row for each backend that runs bb_import_directory or bb_import_server';
COMMENT ON COLUMN bb_stat_progress_import.pid IS 'Process ID of the backend';
COMMENT ON COLUMN bb_stat_progress_import.datid IS 'OID of the database that the backend is connected to';
COMMENT ON COLUMN bb_stat_progress_import.datname IS 'Name of that database';
COMMENT ON COLUMN bb_stat_progress_import.phase IS 'Current phase: initializing, checking, waiting for checkpoint, receiving (a base backup), reading files or committing';
COMMENT ON COLUMN bb_stat_progress_import.bytes_total IS 'Bytes to read; 0 until it is known';
COMMENT ON COLUMN bb_stat_progress_import.bytes_done IS 'Bytes read so far';
COMMENT ON COLUMN bb_stat_progress_import.files_total IS 'Files to read; 0 until it is known';
COMMENT ON COLUMN bb_stat_progress_import.files_done IS 'Files read so far';

CREATE FUNCTION bb_get_stat_progress_ingest(
    OUT pid integer, OUT datid oid, OUT usesysid oid, OUT phase text,
    OUT start_lsn pg_lsn, OUT limit_lsn pg_lsn, OUT current_lsn pg_lsn,
    OUT records bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_progress_ingest'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_progress_ingest IS
'rows of the view bb_stat_progress_ingest; the ingests of other users require pg_read_all_stats';

CREATE VIEW bb_stat_progress_ingest AS
    SELECT p.pid, p.datid, d.datname, p.phase,
           p.start_lsn, p.limit_lsn, p.current_lsn,
           p.limit_lsn - p.start_lsn AS bytes_total,
           p.current_lsn - p.start_lsn AS bytes_done, p.records
    FROM bb_get_stat_progress_ingest() p
    LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW bb_stat_progress_ingest IS
'one row for each backend that runs bb_ingest';
COMMENT ON COLUMN bb_stat_progress_ingest.pid IS 'Process ID of the backend';
COMMENT ON COLUMN bb_stat_progress_ingest.datid IS 'OID of the database that the backend is connected to';
COMMENT ON COLUMN bb_stat_progress_ingest.datname IS 'Name of that database';
COMMENT ON COLUMN bb_stat_progress_ingest.phase IS 'Current phase: initializing, opening, reading WAL or writing layers';
COMMENT ON COLUMN bb_stat_progress_ingest.start_lsn IS 'LSN at which the ingest began';
COMMENT ON COLUMN bb_stat_progress_ingest.limit_lsn IS 'LSN up to which there is WAL, or up to which it was asked to ingest';
COMMENT ON COLUMN bb_stat_progress_ingest.current_lsn IS 'LSN reached so far';
COMMENT ON COLUMN bb_stat_progress_ingest.bytes_total IS 'Bytes of WAL to read';
COMMENT ON COLUMN bb_stat_progress_ingest.bytes_done IS 'Bytes of WAL read so far';
COMMENT ON COLUMN bb_stat_progress_ingest.records IS 'WAL records ingested so far';

--
-- Upkeep
--
CREATE FUNCTION bb_upkeep(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    max_jobs integer DEFAULT NULL, max_time interval DEFAULT NULL,
    OUT timeline text, OUT job text, OUT keys text, OUT lsn pg_lsn,
    OUT why text, OUT layers_read bigint, OUT layers_written bigint,
    OUT layers_removed bigint, OUT bytes_read bigint,
    OUT bytes_written bigint, OUT duration_ms double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_upkeep'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_upkeep IS
'does what upkeep has to do for one timeline, or for all timelines of a store (NULL), job by job, and returns the jobs. A job that is done stays done, even if the call or its transaction fails later. max_jobs: so many jobs at most; max_time: no job is begun after that time; NULL: until there is nothing to do. Errors of one timeline are warnings until all others are done';

CREATE FUNCTION bb_get_stat_upkeep(
    OUT datid oid, OUT store name, OUT timeline text, OUT state text,
    OUT pid integer, OUT visited_at timestamptz, OUT job text,
    OUT job_at timestamptz, OUT jobs_done bigint, OUT jobs_failed bigint,
    OUT layers bigint, OUT runs bigint, OUT depth bigint,
    OUT retired_layers bigint, OUT bytes bigint, OUT bytes_ingested bigint,
    OUT bytes_read bigint, OUT bytes_written bigint,
    OUT bytes_merged bigint, OUT bytes_images bigint,
    OUT bytes_squashed bigint, OUT write_amplification double precision,
    OUT failed_at timestamptz, OUT retry_at timestamptz, OUT sqlstate text,
    OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_upkeep'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_upkeep IS
'rows of the view bb_stat_upkeep; the upkeep of other users requires pg_read_all_stats';

CREATE VIEW bb_stat_upkeep AS
    SELECT u.datid, d.datname, u.store, u.timeline, u.state, u.pid,
           u.visited_at, u.job, u.job_at, u.jobs_done, u.jobs_failed, u.layers,
           u.runs, u.depth, u.retired_layers, u.bytes, u.bytes_ingested,
           u.bytes_read, u.bytes_written, u.bytes_merged, u.bytes_images,
           u.bytes_squashed, u.write_amplification, u.failed_at, u.retry_at,
           u.sqlstate, u.error
    FROM bb_get_stat_upkeep() u
    LEFT JOIN pg_database d ON d.oid = u.datid;

COMMENT ON VIEW bb_stat_upkeep IS
'one row for each timeline that upkeep has visited since the server started; without shared_preload_libraries, in this session';
COMMENT ON COLUMN bb_stat_upkeep.datid IS 'OID of the database whose page store it is';
COMMENT ON COLUMN bb_stat_upkeep.datname IS 'Name of that database';
COMMENT ON COLUMN bb_stat_upkeep.store IS 'Name of the page store';
COMMENT ON COLUMN bb_stat_upkeep.timeline IS 'Timeline; NULL: the store could not be opened or listed';
COMMENT ON COLUMN bb_stat_upkeep.state IS 'idle, running, waiting after error, or elsewhere: another process takes care of it';
COMMENT ON COLUMN bb_stat_upkeep.pid IS 'Process ID of the last visit';
COMMENT ON COLUMN bb_stat_upkeep.visited_at IS 'When it was visited last';
COMMENT ON COLUMN bb_stat_upkeep.job IS 'The running job, or the last one, as in bb_stat_upkeep_jobs';
COMMENT ON COLUMN bb_stat_upkeep.job_at IS 'When the last job ended';
COMMENT ON COLUMN bb_stat_upkeep.jobs_done IS 'Jobs that have ended';
COMMENT ON COLUMN bb_stat_upkeep.jobs_failed IS 'Among them, those that failed';
COMMENT ON COLUMN bb_stat_upkeep.layers IS 'Layers, at the last visit';
COMMENT ON COLUMN bb_stat_upkeep.runs IS 'Stretches of WAL that have delta layers of their own; each flush adds one, merges take them away';
COMMENT ON COLUMN bb_stat_upkeep.depth IS 'Delta layers that a read of one page may have to visit, at most; an estimate';
COMMENT ON COLUMN bb_stat_upkeep.retired_layers IS 'Layers that are not read any more, and whose objects will be removed';
COMMENT ON COLUMN bb_stat_upkeep.bytes IS 'Size of the layers, without retired ones';
COMMENT ON COLUMN bb_stat_upkeep.bytes_ingested IS 'Size of the delta layers that were added at the end, by whatever process';
COMMENT ON COLUMN bb_stat_upkeep.bytes_read IS 'Bytes that upkeep has read';
COMMENT ON COLUMN bb_stat_upkeep.bytes_written IS 'Bytes that upkeep has written';
COMMENT ON COLUMN bb_stat_upkeep.bytes_merged IS 'Among them, by merges';
COMMENT ON COLUMN bb_stat_upkeep.bytes_images IS 'Among them, as images';
COMMENT ON COLUMN bb_stat_upkeep.bytes_squashed IS 'Among them, behind the window';
COMMENT ON COLUMN bb_stat_upkeep.write_amplification IS 'bytes_written / bytes_ingested; NULL: nothing was ingested';
COMMENT ON COLUMN bb_stat_upkeep.failed_at IS 'When a job failed that has not succeeded since';
COMMENT ON COLUMN bb_stat_upkeep.retry_at IS 'When it is tried again';
COMMENT ON COLUMN bb_stat_upkeep.sqlstate IS 'SQLSTATE of its error';
COMMENT ON COLUMN bb_stat_upkeep.error IS 'Its error';

CREATE FUNCTION bb_get_stat_upkeep_jobs(
    OUT id bigint, OUT datid oid, OUT store name, OUT timeline text,
    OUT job text, OUT why text, OUT lsn pg_lsn, OUT started_at timestamptz,
    OUT duration_ms double precision, OUT pid integer,
    OUT layers_read bigint, OUT layers_written bigint,
    OUT layers_removed bigint, OUT bytes_read bigint,
    OUT bytes_written bigint, OUT sqlstate text, OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_upkeep_jobs'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_upkeep_jobs IS
'rows of the view bb_stat_upkeep_jobs; the jobs of other users require pg_read_all_stats';

CREATE VIEW bb_stat_upkeep_jobs AS
    SELECT j.id, j.datid, d.datname, j.store, j.timeline, j.job, j.why,
           j.lsn, j.started_at, j.duration_ms, j.pid, j.layers_read,
           j.layers_written, j.layers_removed, j.bytes_read,
           j.bytes_written, j.sqlstate, j.error
    FROM bb_get_stat_upkeep_jobs() j
    LEFT JOIN pg_database d ON d.oid = j.datid;

COMMENT ON VIEW bb_stat_upkeep_jobs IS
'the last 512 jobs of upkeep; without shared_preload_libraries, the last 64 of this session';
COMMENT ON COLUMN bb_stat_upkeep_jobs.id IS 'Rising number';
COMMENT ON COLUMN bb_stat_upkeep_jobs.datid IS 'OID of the database whose page store it is';
COMMENT ON COLUMN bb_stat_upkeep_jobs.datname IS 'Name of that database';
COMMENT ON COLUMN bb_stat_upkeep_jobs.store IS 'Name of the page store';
COMMENT ON COLUMN bb_stat_upkeep_jobs.timeline IS 'Timeline; NULL: the store as a whole';
COMMENT ON COLUMN bb_stat_upkeep_jobs.job IS 'merge, image, squash, expire, retire, remove; verify: a verification; copy: to the page store of a copy; look: the store or timeline was looked at, which failed; room: layers were evicted from the cache';
COMMENT ON COLUMN bb_stat_upkeep_jobs.why IS 'Why it was done';
COMMENT ON COLUMN bb_stat_upkeep_jobs.lsn IS 'LSN of an image, or of the new start of the timeline';
COMMENT ON COLUMN bb_stat_upkeep_jobs.started_at IS 'When it began';
COMMENT ON COLUMN bb_stat_upkeep_jobs.duration_ms IS 'How long it took, milliseconds';
COMMENT ON COLUMN bb_stat_upkeep_jobs.pid IS 'Process ID of the process that did it';
COMMENT ON COLUMN bb_stat_upkeep_jobs.layers_read IS 'Layers that it has read';
COMMENT ON COLUMN bb_stat_upkeep_jobs.layers_written IS 'Layers that it has made';
COMMENT ON COLUMN bb_stat_upkeep_jobs.layers_removed IS 'Layers that it has retired, or removed';
COMMENT ON COLUMN bb_stat_upkeep_jobs.bytes_read IS 'Bytes read';
COMMENT ON COLUMN bb_stat_upkeep_jobs.bytes_written IS 'Bytes written';
COMMENT ON COLUMN bb_stat_upkeep_jobs.sqlstate IS 'SQLSTATE of the error that ended it';
COMMENT ON COLUMN bb_stat_upkeep_jobs.error IS 'That error, or why it was not done';

CREATE FUNCTION bb_get_stat_progress_upkeep(
    OUT pid integer, OUT datid oid, OUT usesysid oid, OUT job text,
    OUT bytes_total bigint, OUT bytes_read bigint, OUT bytes_written bigint,
    OUT unused bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_progress_upkeep'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_progress_upkeep IS
'rows of the view bb_stat_progress_upkeep; the upkeep of other users requires pg_read_all_stats';

CREATE VIEW bb_stat_progress_upkeep AS
    SELECT p.pid, p.datid, d.datname, p.job, p.bytes_total, p.bytes_read,
           p.bytes_written
    FROM bb_get_stat_progress_upkeep() p
    LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW bb_stat_progress_upkeep IS
'one row for each process that does a job of upkeep';
COMMENT ON COLUMN bb_stat_progress_upkeep.pid IS 'Process ID of the process';
COMMENT ON COLUMN bb_stat_progress_upkeep.datid IS 'OID of the database that it is connected to';
COMMENT ON COLUMN bb_stat_progress_upkeep.datname IS 'Name of that database';
COMMENT ON COLUMN bb_stat_progress_upkeep.job IS 'merge, image, squash, expire, retire or remove';
COMMENT ON COLUMN bb_stat_progress_upkeep.bytes_total IS 'About how many bytes it has to read';
COMMENT ON COLUMN bb_stat_progress_upkeep.bytes_read IS 'Bytes read so far';
COMMENT ON COLUMN bb_stat_progress_upkeep.bytes_written IS 'Bytes written so far';

--
-- Following servers.  The rows are written by bb_follow and bb_unfollow, and
-- dumped by pg_dump.
--
CREATE TABLE bb_following (
    store name NOT NULL,
    timeline text NOT NULL,
    source name NOT NULL,
    owner regrole NOT NULL,
    slot name NOT NULL,
    checkpoint text NOT NULL,
    max_rate integer,
    imported boolean NOT NULL,
    PRIMARY KEY (store, timeline));

SELECT pg_catalog.pg_extension_config_dump('bb_following', '');

COMMENT ON TABLE bb_following IS
'which timelines follow which servers; to be changed by bb_follow and bb_unfollow';
COMMENT ON COLUMN bb_following.store IS 'Page store: a foreign server of the wrapper bbackup';
COMMENT ON COLUMN bb_following.timeline IS 'Timeline of that store';
COMMENT ON COLUMN bb_following.source IS 'Followed server: a foreign server of the wrapper bbackup_source';
COMMENT ON COLUMN bb_following.owner IS 'Role that the background workers act as';
COMMENT ON COLUMN bb_following.slot IS 'Replication slot in the source';
COMMENT ON COLUMN bb_following.checkpoint IS 'Checkpoint that an import begins with: spread or fast';
COMMENT ON COLUMN bb_following.max_rate IS 'Limit of an import, in kB/s; NULL: none';
COMMENT ON COLUMN bb_following.imported IS 'Whether the timeline was complete once; if it is missing, it is not imported again';

CREATE FUNCTION bb_follow(
    source name, store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    slot name DEFAULT NULL, checkpoint text DEFAULT 'spread',
    max_rate integer DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_follow'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_follow IS
'lets a timeline follow a server (source: a foreign server of the wrapper bbackup_source) from the commit on: background workers import it if the timeline does not exist, and then store its WAL as it is written, through a replication slot (NULL: a default name). An import begins with a checkpoint (spread or fast) and is limited to max_rate kB/s. Where following has failed, it starts again. Errors: a timeline that is followed or written by another process, a source that cannot be reached or is another system';

CREATE FUNCTION bb_unfollow(
    timeline text DEFAULT 'main', store name DEFAULT 'bbackup',
    drop_slot boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_unfollow'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_unfollow IS
'ends following: stops the background workers, waits for their end, and drops the replication slot in the source; a source that cannot be reached is a warning. If the transaction aborts, the workers start again. Errors: a timeline that is not followed';

CREATE FUNCTION bb_wait(
    lsn pg_lsn DEFAULT NULL, timeline text DEFAULT 'main',
    timeout interval DEFAULT NULL, store name DEFAULT 'bbackup')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_wait'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_wait IS
'waits until a timeline can be read at an LSN (NULL: the end of the WAL of the server that it follows, now), asks for a flush, and returns the LSN up to which it can be read. Errors: the timeout, following that has failed, and with NULL a timeline that does not follow a server';

CREATE FUNCTION bb_get_stat_follow(
    OUT source name, OUT store name, OUT timeline text, OUT slot name,
    OUT host text, OUT state text,
    OUT received_lsn pg_lsn, OUT received_time timestamptz,
    OUT confirmed_lsn pg_lsn, OUT confirmed_time timestamptz,
    OUT readable_lsn pg_lsn, OUT readable_time timestamptz,
    OUT source_lsn pg_lsn, OUT lag_bytes bigint,
    OUT lag_seconds double precision, OUT spool_bytes bigint,
    OUT last_error text, OUT last_error_time timestamptz,
    OUT restarts bigint, OUT confirm text, OUT is_synchronous boolean,
    OUT follower_pid integer, OUT receiver_pid integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_follow'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_follow IS
'rows of the view bb_stat_follow; what other users follow requires pg_read_all_stats';

CREATE VIEW bb_stat_follow AS
    SELECT * FROM bb_get_stat_follow();

COMMENT ON VIEW bb_stat_follow IS
'one row for each timeline of this database that follows a server';
COMMENT ON COLUMN bb_stat_follow.source IS 'Followed server: a foreign server of the wrapper bbackup_source';
COMMENT ON COLUMN bb_stat_follow.store IS 'Page store of the timeline';
COMMENT ON COLUMN bb_stat_follow.timeline IS 'Timeline that follows';
COMMENT ON COLUMN bb_stat_follow.slot IS 'Replication slot in the source';
COMMENT ON COLUMN bb_stat_follow.host IS 'Host and port of the source that is connected to';
COMMENT ON COLUMN bb_stat_follow.state IS 'State: starting, importing, catching up, streaming, waiting (for the source, or to retry after an error), failed, or stopped (no background worker runs)';
COMMENT ON COLUMN bb_stat_follow.received_lsn IS 'Position up to which WAL was received';
COMMENT ON COLUMN bb_stat_follow.received_time IS 'Time at which WAL was received last';
COMMENT ON COLUMN bb_stat_follow.confirmed_lsn IS 'Position that was confirmed to the source, which may remove WAL before it';
COMMENT ON COLUMN bb_stat_follow.confirmed_time IS 'Time at which that position moved last';
COMMENT ON COLUMN bb_stat_follow.readable_lsn IS 'Position up to which the timeline can be read';
COMMENT ON COLUMN bb_stat_follow.readable_time IS 'Time at which that position moved last';
COMMENT ON COLUMN bb_stat_follow.source_lsn IS 'End of the WAL of the source, as it said last';
COMMENT ON COLUMN bb_stat_follow.lag_bytes IS 'Bytes of WAL of the source that cannot be read yet';
COMMENT ON COLUMN bb_stat_follow.lag_seconds IS 'Age in seconds of the oldest WAL of the source that cannot be read yet; 0 if there is none. While the source cannot be reached, WAL that it may have written since counts, too';
COMMENT ON COLUMN bb_stat_follow.spool_bytes IS 'Bytes of WAL in the spool';
COMMENT ON COLUMN bb_stat_follow.last_error IS 'Last error, which may have passed; of a stopped follower, why it cannot run';
COMMENT ON COLUMN bb_stat_follow.last_error_time IS 'Time of the last error';
COMMENT ON COLUMN bb_stat_follow.restarts IS 'Number of times that a background worker began again after an error';
COMMENT ON COLUMN bb_stat_follow.confirm IS 'What is confirmed to the source: WAL in the page store (store) or in the synced spool (spool)';
COMMENT ON COLUMN bb_stat_follow.is_synchronous IS 'Whether commits of the source wait for what is confirmed, as of when the receiver connected';
COMMENT ON COLUMN bb_stat_follow.follower_pid IS 'Process ID of the background worker that imports and ingests';
COMMENT ON COLUMN bb_stat_follow.receiver_pid IS 'Process ID of the background worker that receives';

--
-- Looking into a store
--
CREATE FUNCTION bb_timelines(
    store name DEFAULT 'bbackup',
    OUT timeline text, OUT ancestor text, OUT ancestor_lsn pg_lsn,
    OUT start_lsn pg_lsn, OUT end_lsn pg_lsn, OUT prev_lsn pg_lsn,
    OUT end_time timestamptz, OUT system_identifier bigint,
    OUT pg_version integer, OUT tli integer, OUT data_checksums boolean,
    OUT generation bigint, OUT layers bigint, OUT bytes_stored bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_timelines'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_timelines IS
'lists the timelines of a page store, with the range of LSNs that can be read';

CREATE FUNCTION bb_gaps(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT gap_start pg_lsn, OUT gap_end pg_lsn,
    OUT start_time timestamptz, OUT end_time timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_gaps'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_gaps IS
'lists the gaps of one timeline, or of all timelines (NULL): where WAL was lost; a timeline can be read up to gap_start and from gap_end on, not between; gap_end is NULL while bb_rebase_server() runs, or after it was killed';

CREATE FUNCTION bb_lsn_at(
    "time" timestamptz, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_at'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_at IS
'returns the LSN where recovery_target_time would stop: just after the last commit or abort at or before a time; errors: a time in the future or in the past of the timeline or in a gap, a timeline without commits';

CREATE FUNCTION bb_layers(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT layer text, OUT kind text, OUT start_lsn pg_lsn,
    OUT end_lsn pg_lsn, OUT start_key text, OUT end_key text,
    OUT entries bigint, OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_layers'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_layers IS
'lists the layers of one timeline, or of all timelines (NULL)';

CREATE FUNCTION bb_layer_map(
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS text
AS 'MODULE_PATHNAME', 'bb_sql_layer_map'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_layer_map IS
'draws the layers of a timeline as an SVG document: keys across, LSNs and times up';

CREATE FUNCTION bb_databases(
    lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT database oid, OUT tablespace oid, OUT default_tablespace boolean,
    OUT relations bigint, OUT pages bigint, OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_databases'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_databases IS
'lists the databases at an LSN (NULL: the end of the timeline), one row for each tablespace that they use; database 0 stands for the shared catalogs';

CREATE FUNCTION bb_tablespaces(
    lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT tablespace oid, OUT location text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_tablespaces'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_tablespaces IS
'lists the tablespaces at an LSN (NULL: the end of the timeline) with their locations in the source, without pg_default and pg_global';

CREATE FUNCTION bb_relations(
    lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT tablespace oid, OUT database oid, OUT relfilenode oid, OUT fork text,
    OUT pages bigint, OUT bytes bigint, OUT unlogged boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_relations'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_relations IS
'lists the relation forks at an LSN (NULL: the end of the timeline)';

CREATE FUNCTION bb_files(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    manifest text DEFAULT 'yes', manifest_checksums text DEFAULT NULL,
    tablespaces text DEFAULT 'in-place',
    OUT path text, OUT kind text, OUT size bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_files'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_files IS
'lists the files of a backup with these arguments, in their order, without building it; with tablespaces ''archives'', the files of the archives; sizes in bytes';

CREATE FUNCTION bb_read_file(
    path text, lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_read_file'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_read_file IS
'returns one file of the cluster at an LSN; path is a path in bb_files()';

CREATE FUNCTION bb_get_page(
    tablespace oid, database oid, relfilenode oid, fork text, block bigint,
    lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_get_page'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_page IS
'returns one page at an LSN, in the format that pageinspect reads; fork is main, fsm, vm or init';

--
-- Base backups
--
CREATE FUNCTION bb_basebackup(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1)
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_basebackup'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_basebackup IS
'returns a base backup at an LSN (NULL: the end of the timeline) as a tar; an error if it has 1 GB or more';

CREATE FUNCTION bb_basebackup_stream(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1)
RETURNS SETOF bytea
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_stream'
LANGUAGE C VOLATILE PARALLEL RESTRICTED
ROWS 10000;

COMMENT ON FUNCTION bb_basebackup_stream IS
'returns the same tar as rows of about 256 kB, in order; call it in the select list, where it streams';

CREATE FUNCTION bb_basebackup_archives(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1,
    OUT archive text, OUT data bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_archives'
LANGUAGE C VOLATILE PARALLEL RESTRICTED
ROWS 10000;

COMMENT ON FUNCTION bb_basebackup_archives IS
'returns rows of several tars, in order: one tar for each tablespace, one for all other files (base), and the backup manifest; call it in the select list, where it streams';

CREATE FUNCTION bb_basebackup_to_file(
    path text, lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1,
    tablespaces text DEFAULT 'in-place')
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_to_file'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_to_file IS
'writes the same tar to a file on the server, or with tablespaces ''archives'', a tar for each tablespace to a new directory; returns the number of bytes. The file is complete and durable, or does not exist. Errors: the file exists, no pg_write_server_files';

CREATE PROCEDURE bb_copy(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1)
AS 'MODULE_PATHNAME', 'bb_sql_copy'
LANGUAGE C;

COMMENT ON PROCEDURE bb_copy IS
'sends the same tar, raw, to the client as a COPY stream; an error unless the client itself sent the CALL';

CREATE FUNCTION bb_basebackup_to_program(
    command text, lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1)
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_to_program'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_to_program IS
'writes the same tar to the standard input of a shell command on the server; returns the number of bytes. If the backup fails, the command is killed. Errors: the command fails, it does not read all bytes, no pg_execute_server_program';

CREATE FUNCTION bb_basebackup_lo(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    compression text DEFAULT 'none', manifest text DEFAULT 'yes',
    manifest_checksums text DEFAULT NULL, max_rate integer DEFAULT NULL,
    progress boolean DEFAULT true, jobs integer DEFAULT 1)
RETURNS oid
AS 'MODULE_PATHNAME', 'bb_sql_basebackup_lo'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_basebackup_lo IS
'stores the same tar as a new large object; returns its OID; an error leaves no large object';

CREATE FUNCTION bb_restore(
    directory text, lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    prev_lsn pg_lsn DEFAULT NULL, new_tli integer DEFAULT NULL,
    settings text DEFAULT 'clone', label text DEFAULT NULL,
    manifest text DEFAULT 'yes', manifest_checksums text DEFAULT NULL,
    max_rate integer DEFAULT NULL, progress boolean DEFAULT true,
    jobs integer DEFAULT 1, tablespace_mapping text[] DEFAULT NULL,
    delta boolean DEFAULT false,
    OUT restored_lsn pg_lsn, OUT files bigint, OUT bytes bigint,
    OUT bytes_written bigint, OUT files_removed bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_restore'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_restore IS
'restores a cluster at an LSN (NULL: the end of the timeline) into a data directory on the server, which must be new or empty, or with delta, one of the same system, in which only differences are written. Errors: a directory with other content, a running server, no pg_write_server_files';

--
-- Resident layers
--
CREATE FUNCTION bb_prefetch(
    lsn pg_lsn DEFAULT NULL, full_backup boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    wait boolean DEFAULT false)
RETURNS bigint
AS 'MODULE_PATHNAME', 'bb_sql_prefetch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_prefetch IS
'downloads the layers that a backup at an LSN (NULL: the end of the timeline) reads, in a background worker; returns once that has begun, or with wait, at its end; returns the call_id of the worker''s call, or NULL if statistics are not shared';

CREATE FUNCTION bb_evict(
    layer text, store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS boolean
AS 'MODULE_PATHNAME', 'bb_sql_evict'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_evict IS
'removes a layer from the cache of its store; returns false if it was not there; an error while the layer is in use';

CREATE FUNCTION bb_evict_idle(
    unused_for interval DEFAULT NULL, store name DEFAULT 'bbackup',
    OUT layers bigint, OUT bytes bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_evict_idle'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_evict_idle IS
'removes the layers from the cache of a store that have not been used for that long (NULL: for bbackup.eviction_threshold) and are not in use; returns their number and size';

--
-- How long history is kept
--
CREATE FUNCTION bb_set_retention(
    "window" interval, floor interval DEFAULT NULL, keep text DEFAULT NULL,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_set_retention'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_set_retention IS
'sets how long the history of a timeline is kept: every LSN of the last window (NULL: everything), counted back from the time of its end, and behind that the last LSN of so many hours, days, weeks, months and years (keep: ''daily 30, monthly 12''; an empty text: none). The window cannot be set below the floor. A floor or keep that is NULL stays as it is. Errors: a window below the floor';

CREATE FUNCTION bb_pin(
    lsn pg_lsn, name text, reason text DEFAULT NULL,
    expires timestamptz DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_pin'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_pin IS
'keeps an LSN (NULL: the end of the timeline) readable, whatever the retention is, until bb_unpin or until it expires (NULL: never), and returns it; a pin of the same name and LSN is replaced. Errors: an LSN that cannot be read, a pin of that name at another LSN';

CREATE FUNCTION bb_unpin(
    name text, store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_unpin'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_unpin IS
'removes a pin: its LSN is kept as long as the retention says. Errors: no such pin';

CREATE FUNCTION bb_keeps(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT kind text, OUT name text, OUT lsn pg_lsn,
    OUT "time" timestamptz, OUT reason text, OUT since timestamptz,
    OUT owner text, OUT expires timestamptz, OUT holds boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_keeps'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_keeps IS
'lists what holds history of one timeline, or of all timelines (NULL): the window, the points before it that can be read, pins and branches; time is that of the last commit at the LSN; holds is false for a pin that has expired';

CREATE FUNCTION bb_expire(
    dry_run boolean DEFAULT true, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main',
    OUT layer text, OUT kind text, OUT start_lsn pg_lsn, OUT end_lsn pg_lsn,
    OUT bytes bigint, OUT action text, OUT why text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_expire'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_expire IS
'lets history go that the retention of a timeline does not keep, and says of each layer whether it goes or stays, and why; a dry run only says it. Layers that go are removed bbackup.removal_delay later. Errors: a timeline whose manifest cannot be read, since it may be a branch';

CREATE FUNCTION bb_get_window(
    store name DEFAULT NULL,
    OUT store name, OUT timeline text, OUT retention text,
    OUT oldest_lsn pg_lsn, OUT oldest_time timestamptz,
    OUT newest_lsn pg_lsn, OUT newest_time timestamptz, OUT gaps bigint,
    OUT points bigint, OUT oldest_point pg_lsn,
    OUT oldest_point_time timestamptz, OUT held_by text, OUT layers bigint,
    OUT bytes bigint, OUT bytes_window bigint, OUT bytes_points bigint,
    OUT bytes_expired bigint, OUT bytes_per_day bigint, OUT wal_needed text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_window'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_window IS
'rows of the view bb_window, of one page store or of all that the user may use (NULL)';

CREATE VIEW bb_window AS
    SELECT * FROM bb_get_window();

COMMENT ON VIEW bb_window IS
'one row for each timeline of the page stores that the user may use: what can be read, what holds it, and what it takes';
COMMENT ON COLUMN bb_window.store IS 'Page store';
COMMENT ON COLUMN bb_window.timeline IS 'Timeline';
COMMENT ON COLUMN bb_window.retention IS 'What bb_set_retention() has set';
COMMENT ON COLUMN bb_window.oldest_lsn IS 'Every LSN from here on can be read, except in gaps';
COMMENT ON COLUMN bb_window.oldest_time IS 'Time of the last commit at that LSN; NULL if the cluster is of another major version';
COMMENT ON COLUMN bb_window.newest_lsn IS 'Last LSN that can be read';
COMMENT ON COLUMN bb_window.newest_time IS 'Time of that LSN';
COMMENT ON COLUMN bb_window.gaps IS 'Number of gaps; see bb_gaps()';
COMMENT ON COLUMN bb_window.points IS 'Number of LSNs before the oldest one that can be read, too; see bb_keeps()';
COMMENT ON COLUMN bb_window.oldest_point IS 'The oldest of them';
COMMENT ON COLUMN bb_window.oldest_point_time IS 'Time of the last commit at that LSN';
COMMENT ON COLUMN bb_window.held_by IS 'What holds the oldest LSN that can be read: the window, or what the oldest point is kept for';
COMMENT ON COLUMN bb_window.layers IS 'Number of layers';
COMMENT ON COLUMN bb_window.bytes IS 'Size of the layers';
COMMENT ON COLUMN bb_window.bytes_window IS 'Size of those that LSNs of the window need';
COMMENT ON COLUMN bb_window.bytes_points IS 'Size of those that only points need';
COMMENT ON COLUMN bb_window.bytes_expired IS 'Size of layers that no LSN needs any more, and of retired ones that are still to be removed';
COMMENT ON COLUMN bb_window.bytes_per_day IS 'Growth of the window, for each day between its times';
COMMENT ON COLUMN bb_window.wal_needed IS 'Name of the oldest WAL segment that the page store still needs from an archive; it has all WAL before';

--
-- Statistics
--
CREATE FUNCTION bb_stat_scope()
RETURNS text
AS 'MODULE_PATHNAME', 'bb_sql_stat_scope'
LANGUAGE C STRICT STABLE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_stat_scope IS
'returns which calls the statistics contain: "shared": those of all sessions (the library is in shared_preload_libraries); "session": those of this session';

CREATE FUNCTION bb_stat_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_stat_reset'
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_stat_reset IS
'forgets all statistics except running calls and the times when layers were used';

CREATE FUNCTION bb_get_access_stats(
    OUT call_id bigint, OUT pid integer, OUT usesysid oid, OUT function text,
    OUT task_kind text, OUT download_behavior text, OUT parent_call_id bigint,
    OUT parent_link text, OUT store name, OUT timeline text, OUT lsn pg_lsn,
    OUT start_lsn pg_lsn, OUT end_lsn pg_lsn, OUT started_at timestamptz,
    OUT duration_ms double precision, OUT state text, OUT sqlstate text,
    OUT message text, OUT keys_requested bigint, OUT pages_requested bigint,
    OUT layers_visited bigint, OUT blocks_read bigint,
    OUT blocks_cached bigint, OUT images_used bigint,
    OUT records_applied bigint, OUT redo_ms double precision,
    OUT layers_downloaded bigint, OUT bytes_downloaded bigint,
    OUT download_wait_ms double precision, OUT downloads_warned bigint,
    OUT downloads_refused bigint, OUT bytes_out bigint,
    OUT bytes_total_estimate bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_access_stats'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_access_stats IS
'rows of the view bb_access_stats; the calls of other users require pg_read_all_stats';

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
'one row for each running call, and for each of the last bbackup.track_calls calls that have ended';
COMMENT ON COLUMN bb_access_stats.call_id IS 'Number of the call, unique since the server (scope shared) or the session started';
COMMENT ON COLUMN bb_access_stats.pid IS 'Process ID of the backend or background worker';
COMMENT ON COLUMN bb_access_stats.usename IS 'Name of the user';
COMMENT ON COLUMN bb_access_stats.function IS 'SQL function that was called';
COMMENT ON COLUMN bb_access_stats.task_kind IS 'Kind of work: basebackup, page read, listing, import, ingest, management, prefetch, eviction, receive, follow, upkeep, verify or copy';
COMMENT ON COLUMN bb_access_stats.download_behavior IS 'What the call does when it needs a layer that is not resident: download, warn or error';
COMMENT ON COLUMN bb_access_stats.parent_call_id IS 'Call that started this call; NULL: a user did';
COMMENT ON COLUMN bb_access_stats.parent_link IS 'attached: a part of its parent, whose counters include those of this call; detached: a call that only was started by its parent';
COMMENT ON COLUMN bb_access_stats.store IS 'Page store';
COMMENT ON COLUMN bb_access_stats.timeline IS 'Timeline';
COMMENT ON COLUMN bb_access_stats.lsn IS 'LSN that the call reads at';
COMMENT ON COLUMN bb_access_stats.start_lsn IS 'LSN at which an ingest began';
COMMENT ON COLUMN bb_access_stats.end_lsn IS 'LSN that an ingest has reached';
COMMENT ON COLUMN bb_access_stats.started_at IS 'Start of the call';
COMMENT ON COLUMN bb_access_stats.duration_ms IS 'Duration of the call, so far or in total';
COMMENT ON COLUMN bb_access_stats.state IS 'running; done (also if the consumer of a stream stopped early); error (also if the transaction was rolled back); cancelled (by request, timeout or the end of the session)';
COMMENT ON COLUMN bb_access_stats.sqlstate IS 'SQLSTATE of the error that ended the call';
COMMENT ON COLUMN bb_access_stats.message IS 'Message of that error';
COMMENT ON COLUMN bb_access_stats.keys_requested IS 'Values requested from the page store, of any kind';
COMMENT ON COLUMN bb_access_stats.pages_requested IS 'Relation blocks among them';
COMMENT ON COLUMN bb_access_stats.layers_visited IS 'Layers opened or searched';
COMMENT ON COLUMN bb_access_stats.blocks_read IS 'Layer blocks read and decoded';
COMMENT ON COLUMN bb_access_stats.blocks_cached IS 'Layer blocks found already decoded';
COMMENT ON COLUMN bb_access_stats.images_used IS 'Values found as an image, without WAL to apply';
COMMENT ON COLUMN bb_access_stats.records_applied IS 'WAL records applied by redo helpers';
COMMENT ON COLUMN bb_access_stats.redo_ms IS 'Time spent waiting for redo helpers';
COMMENT ON COLUMN bb_access_stats.layers_downloaded IS 'Layers downloaded as whole files';
COMMENT ON COLUMN bb_access_stats.bytes_downloaded IS 'Bytes downloaded from object storage';
COMMENT ON COLUMN bb_access_stats.download_wait_ms IS 'Time spent waiting for layers';
COMMENT ON COLUMN bb_access_stats.downloads_warned IS 'Downloads that raised a warning';
COMMENT ON COLUMN bb_access_stats.downloads_refused IS 'Downloads that were refused';
COMMENT ON COLUMN bb_access_stats.bytes_out IS 'Bytes returned to the caller, after compression';
COMMENT ON COLUMN bb_access_stats.bytes_total_estimate IS 'Size of the backup before compression; NULL if unknown';
COMMENT ON COLUMN bb_access_stats.scope IS 'Whose calls the statistics contain: shared (all sessions) or session (this one); see bb_stat_scope()';

CREATE FUNCTION bb_get_stat_totals(
    OUT task_kind text, OUT download_behavior text, OUT calls bigint,
    OUT errors bigint, OUT cancelled bigint, OUT duration_ms double precision,
    OUT keys_requested bigint, OUT pages_requested bigint,
    OUT layers_visited bigint, OUT blocks_read bigint,
    OUT blocks_cached bigint, OUT images_used bigint,
    OUT records_applied bigint, OUT redo_ms double precision,
    OUT layers_downloaded bigint, OUT bytes_downloaded bigint,
    OUT download_wait_ms double precision, OUT downloads_warned bigint,
    OUT downloads_refused bigint, OUT bytes_out bigint,
    OUT stats_reset timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_totals'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_totals IS
'rows of the view bb_stat_totals';

CREATE VIEW bb_stat_totals AS
    SELECT t.*, bb_stat_scope() AS scope
    FROM bb_get_stat_totals() t;

COMMENT ON VIEW bb_stat_totals IS
'sums over the calls that have ended since stats_reset, one row for each task kind and download behavior';
COMMENT ON COLUMN bb_stat_totals.task_kind IS 'Kind of work, as in bb_access_stats';
COMMENT ON COLUMN bb_stat_totals.download_behavior IS 'Download behavior, as in bb_access_stats';
COMMENT ON COLUMN bb_stat_totals.calls IS 'Calls that have ended';
COMMENT ON COLUMN bb_stat_totals.errors IS 'Calls that ended with an error';
COMMENT ON COLUMN bb_stat_totals.cancelled IS 'Calls that were cancelled';
COMMENT ON COLUMN bb_stat_totals.duration_ms IS 'Duration of the calls';
COMMENT ON COLUMN bb_stat_totals.keys_requested IS 'Values requested from the page store, of any kind';
COMMENT ON COLUMN bb_stat_totals.pages_requested IS 'Relation blocks among them';
COMMENT ON COLUMN bb_stat_totals.layers_visited IS 'Layers opened or searched';
COMMENT ON COLUMN bb_stat_totals.blocks_read IS 'Layer blocks read and decoded';
COMMENT ON COLUMN bb_stat_totals.blocks_cached IS 'Layer blocks found already decoded';
COMMENT ON COLUMN bb_stat_totals.images_used IS 'Values found as an image, without WAL to apply';
COMMENT ON COLUMN bb_stat_totals.records_applied IS 'WAL records applied by redo helpers';
COMMENT ON COLUMN bb_stat_totals.redo_ms IS 'Time spent waiting for redo helpers';
COMMENT ON COLUMN bb_stat_totals.layers_downloaded IS 'Layers downloaded as whole files';
COMMENT ON COLUMN bb_stat_totals.bytes_downloaded IS 'Bytes downloaded from object storage';
COMMENT ON COLUMN bb_stat_totals.download_wait_ms IS 'Time spent waiting for layers';
COMMENT ON COLUMN bb_stat_totals.downloads_warned IS 'Downloads that raised a warning';
COMMENT ON COLUMN bb_stat_totals.downloads_refused IS 'Downloads that were refused';
COMMENT ON COLUMN bb_stat_totals.bytes_out IS 'Bytes returned to the caller, after compression';
COMMENT ON COLUMN bb_stat_totals.stats_reset IS 'Time of the last reset, or of the start';
COMMENT ON COLUMN bb_stat_totals.scope IS 'Whose calls the statistics contain: shared (all sessions) or session (this one); see bb_stat_scope()';

CREATE FUNCTION bb_layer_stats(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT layer text, OUT bytes bigint, OUT resident boolean,
    OUT resident_since timestamptz, OUT first_access timestamptz,
    OUT last_access timestamptz, OUT accesses bigint,
    OUT accesses_by_task_kind jsonb, OUT downloads bigint,
    OUT evictions bigint, OUT scope text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_layer_stats'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_layer_stats IS
'shows how the layers of one timeline, or of all timelines (NULL), are used; an access is a call that opens the layer, however many pages it reads there';

--
-- Upkeep: is the store whole?
--
CREATE FUNCTION bb_verify(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    level text DEFAULT 'blocks', lsns pg_lsn[] DEFAULT NULL,
    resume boolean DEFAULT false,
    OUT timeline text, OUT kind text, OUT layer text, OUT byte_offset bigint,
    OUT start_lsn pg_lsn, OUT end_lsn pg_lsn, OUT start_key text,
    OUT end_key text, OUT lost text, OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_verify'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_verify IS
'checks one timeline, or all timelines (NULL), and returns a row for each fault: its kind; the layer and the byte; what cannot be read any more, the keys from start_key up to, not including, end_key (lost: in words), at LSNs from start_lsn up to, not including, end_lsn (NULL: up to the end). No row: the timeline is whole. level: objects (each layer is there, with its size), blocks (each byte of each layer) or pages (the same; and every page at some LSNs is made and checked: lsns, NULL: the start, the middle and the end of the timeline). resume: go on with the pass that the store has noted, of whatever level, if there is one. It reads the store itself, not a cache, within bbackup.upkeep_rate and bbackup.upkeep_cpu_share. Errors: no such timeline, an LSN that it does not have, a store that cannot be reached';

CREATE FUNCTION bb_get_stat_verification(
    store name DEFAULT NULL,
    OUT store name, OUT timeline text, OUT level text,
    OUT started_at timestamptz, OUT finished_at timestamptz,
    OUT layers bigint, OUT bytes bigint, OUT pages bigint,
    OUT findings bigint, OUT running_level text,
    OUT running_since timestamptz, OUT running_layers_total bigint,
    OUT running_layers bigint, OUT running_pages bigint,
    OUT running_findings bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_verification'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_verification IS
'rows of the view bb_stat_verification, of one page store or of all that the user may use (NULL)';

CREATE VIEW bb_stat_verification AS
    SELECT * FROM bb_get_stat_verification();

COMMENT ON VIEW bb_stat_verification IS
'one row for each timeline of the page stores that the user may use: its last verification of level blocks or pages, and the one that is under way';
COMMENT ON COLUMN bb_stat_verification.store IS 'Page store';
COMMENT ON COLUMN bb_stat_verification.timeline IS 'Timeline';
COMMENT ON COLUMN bb_stat_verification.level IS 'Level of the last whole pass; NULL: there was none';
COMMENT ON COLUMN bb_stat_verification.started_at IS 'When it began';
COMMENT ON COLUMN bb_stat_verification.finished_at IS 'When it ended';
COMMENT ON COLUMN bb_stat_verification.layers IS 'Layers that it checked';
COMMENT ON COLUMN bb_stat_verification.bytes IS 'Their size';
COMMENT ON COLUMN bb_stat_verification.pages IS 'Blocks that it made and checked';
COMMENT ON COLUMN bb_stat_verification.findings IS 'Number of its findings; 0: the timeline was whole';
COMMENT ON COLUMN bb_stat_verification.running_level IS 'Level of the pass that is under way, or was broken off; NULL: none is';
COMMENT ON COLUMN bb_stat_verification.running_since IS 'When it began';
COMMENT ON COLUMN bb_stat_verification.running_layers_total IS 'Layers that it has to check';
COMMENT ON COLUMN bb_stat_verification.running_layers IS 'Layers that it has checked, as last noted';
COMMENT ON COLUMN bb_stat_verification.running_pages IS 'Blocks that it has made and checked';
COMMENT ON COLUMN bb_stat_verification.running_findings IS 'Number of its findings so far';

CREATE FUNCTION bb_get_findings(
    store name DEFAULT NULL,
    OUT store name, OUT timeline text, OUT kind text, OUT layer text,
    OUT byte_offset bigint, OUT start_lsn pg_lsn, OUT end_lsn pg_lsn,
    OUT start_key text, OUT end_key text, OUT lost text, OUT message text,
    OUT found_by timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_findings'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_findings IS
'rows of the view bb_findings, of one page store or of all that the user may use (NULL)';

CREATE VIEW bb_findings AS
    SELECT * FROM bb_get_findings();

COMMENT ON VIEW bb_findings IS
'what the last verification of each timeline has found, and the one that is under way; see bb_verify()';
COMMENT ON COLUMN bb_findings.store IS 'Page store';
COMMENT ON COLUMN bb_findings.timeline IS 'Timeline';
COMMENT ON COLUMN bb_findings.kind IS 'What is wrong: missing, size, block, page, ...';
COMMENT ON COLUMN bb_findings.layer IS 'Layer; NULL: it is not in one layer';
COMMENT ON COLUMN bb_findings.byte_offset IS 'Where in the layer';
COMMENT ON COLUMN bb_findings.start_lsn IS 'From this LSN on, what is lost cannot be read';
COMMENT ON COLUMN bb_findings.end_lsn IS 'From this LSN on, it can be read again; NULL: it cannot';
COMMENT ON COLUMN bb_findings.start_key IS 'First key that is lost';
COMMENT ON COLUMN bb_findings.end_key IS 'First key after it that is not lost';
COMMENT ON COLUMN bb_findings.lost IS 'What is lost, in words';
COMMENT ON COLUMN bb_findings.message IS 'What is wrong, as a sentence';
COMMENT ON COLUMN bb_findings.found_by IS 'When the verification began that has found it';

CREATE FUNCTION bb_mend(
    timeline text, from_store name, store name DEFAULT 'bbackup',
    OUT layer text, OUT kind text, OUT bytes bigint, OUT mended boolean,
    OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_mend'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_mend IS
'checks each byte of a timeline, and replaces the layers that are lost or broken by those of a copy in another page store (from_store), each verified against the manifest; a row for each such layer says what was wrong, or why it is not mended. Errors: no such timeline, a manifest that cannot be read, a store that cannot be reached or written';

--
-- Copies of timelines in other page stores.
--
CREATE TABLE bb_replicating (
    timeline text NOT NULL,
    from_store name NOT NULL,
    to_store name NOT NULL,
    owner regrole NOT NULL,
    PRIMARY KEY (timeline, from_store, to_store));

SELECT pg_catalog.pg_extension_config_dump('bb_replicating', '');

COMMENT ON TABLE bb_replicating IS
'which timelines the background worker copies to other page stores; to be changed by bb_replicate and bb_stop_replicating';
COMMENT ON COLUMN bb_replicating.timeline IS 'Timeline that is copied';
COMMENT ON COLUMN bb_replicating.from_store IS 'Page store that has it';
COMMENT ON COLUMN bb_replicating.to_store IS 'Page store that it is copied to';
COMMENT ON COLUMN bb_replicating.owner IS 'Role that asked for it';

CREATE FUNCTION bb_replicate(
    timeline text, from_store name, to_store name,
    continuously boolean DEFAULT false,
    OUT timeline text, OUT layers_copied bigint, OUT bytes_copied bigint,
    OUT layers_found bigint, OUT layers_retired bigint,
    OUT end_lsn pg_lsn, OUT end_time timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_replicate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_replicate IS
'copies a timeline to another page store, or brings its copy up to date; a row for each ancestor, and one for the timeline';

CREATE FUNCTION bb_stop_replicating(
    timeline text, from_store name, to_store name)
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_stop_replicating'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_stop_replicating IS
'ends the updates of a copy by the background worker; the copy stays';

CREATE FUNCTION bb_get_stat_copies(
    OUT timeline text, OUT from_store name, OUT to_store name,
    OUT owner text, OUT source_lsn pg_lsn, OUT copy_lsn pg_lsn,
    OUT copy_time timestamptz, OUT copied_at timestamptz,
    OUT lag_bytes bigint, OUT lag interval, OUT bytes_to_copy bigint,
    OUT problem text, OUT last_error text, OUT last_error_time timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_stat_copies'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_stat_copies IS
'the rows of bb_stat_copies';

CREATE VIEW bb_stat_copies AS
    SELECT * FROM bb_get_stat_copies();

COMMENT ON VIEW bb_stat_copies IS
'copies that the background worker keeps up to date';
COMMENT ON COLUMN bb_stat_copies.timeline IS 'Timeline that is copied';
COMMENT ON COLUMN bb_stat_copies.from_store IS 'Page store that has it';
COMMENT ON COLUMN bb_stat_copies.to_store IS 'Page store that it is copied to';
COMMENT ON COLUMN bb_stat_copies.owner IS 'Role that asked for it';
COMMENT ON COLUMN bb_stat_copies.source_lsn IS 'End of the timeline';
COMMENT ON COLUMN bb_stat_copies.copy_lsn IS 'End of the copy';
COMMENT ON COLUMN bb_stat_copies.copy_time IS 'Time of the last commit in the copy';
COMMENT ON COLUMN bb_stat_copies.copied_at IS 'When the copy was changed last';
COMMENT ON COLUMN bb_stat_copies.lag_bytes IS 'Bytes of WAL that the copy is behind';
COMMENT ON COLUMN bb_stat_copies.lag IS 'Time that the last commit in the copy is behind the one in the timeline';
COMMENT ON COLUMN bb_stat_copies.bytes_to_copy IS 'Bytes of layers that the copy lacks';
COMMENT ON COLUMN bb_stat_copies.problem IS 'Why one of the two cannot be read now; NULL: both can';
COMMENT ON COLUMN bb_stat_copies.last_error IS 'Error of the last attempt to copy this timeline; NULL: it succeeded';
COMMENT ON COLUMN bb_stat_copies.last_error_time IS 'When that happened';

CREATE FUNCTION bb_detach_copy(
    timeline text, store name DEFAULT 'bbackup')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_detach_copy'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_detach_copy IS
'makes a copy that bb_replicate made an independent timeline, which can be written to';

CREATE FUNCTION bb_move(
    timeline text, from_store name, to_store name,
    OUT timeline text, OUT layers_copied bigint, OUT bytes_copied bigint,
    OUT layers_found bigint, OUT layers_retired bigint,
    OUT end_lsn pg_lsn, OUT end_time timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_move'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_move IS
'moves a timeline to another page store; its ancestors are copied';

--
-- A base backup reads past every table privilege.
--
REVOKE ALL ON FUNCTION
    bb_basebackup, bb_basebackup_archives, bb_basebackup_lo,
    bb_basebackup_stream, bb_basebackup_to_file, bb_basebackup_to_program,
    bb_create_branch, bb_databases, bb_detach_copy, bb_drop_timeline,
    bb_evict, bb_evict_idle, bb_expire, bb_fdw_validator, bb_files, bb_follow,
    bb_gaps, bb_get_access_stats, bb_get_findings, bb_get_page,
    bb_get_stat_copies, bb_get_stat_follow, bb_get_stat_progress_import,
    bb_get_stat_progress_ingest, bb_get_stat_progress_upkeep,
    bb_get_stat_totals, bb_get_stat_upkeep, bb_get_stat_upkeep_jobs,
    bb_get_stat_verification, bb_get_window, bb_identify_source,
    bb_import_directory, bb_import_server, bb_ingest, bb_keeps, bb_layer_map,
    bb_layer_stats, bb_layers, bb_lsn_at, bb_mend, bb_move, bb_pin,
    bb_prefetch, bb_read_file, bb_rebase_directory, bb_rebase_server,
    bb_relations, bb_replicate, bb_restore, bb_set_retention,
    bb_source_validator, bb_stat_reset, bb_stat_scope, bb_stop_replicating,
    bb_tablespaces, bb_timelines, bb_unfollow, bb_unpin, bb_upkeep, bb_verify,
    bb_wait
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE bb_copy FROM PUBLIC;

-- Members of pg_read_all_stats see the progress and the statistics of all
-- users.  Other users see their own calls in bb_access_stats, once they have
-- EXECUTE on bb_get_access_stats and bb_stat_scope.
GRANT EXECUTE ON FUNCTION
    bb_get_stat_progress_import, bb_get_stat_progress_ingest,
    bb_get_stat_progress_upkeep, bb_get_access_stats, bb_get_stat_follow,
    bb_get_stat_totals, bb_get_stat_upkeep, bb_get_stat_upkeep_jobs,
    bb_stat_scope
    TO pg_read_all_stats;
GRANT SELECT ON bb_stat_follow, bb_stat_progress_import,
    bb_stat_progress_ingest, bb_stat_progress_upkeep, bb_stat_totals,
    bb_stat_upkeep, bb_stat_upkeep_jobs
    TO pg_read_all_stats;
GRANT SELECT ON bb_access_stats TO PUBLIC;
