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
'checks the options of page stores (foreign servers), of their user mappings, and of tables of the past (foreign tables); errors: an option that does not exist, an invalid value, no privilege to read and write files of the server';

CREATE FUNCTION bb_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME', 'bb_sql_fdw_handler'
LANGUAGE C STRICT;

COMMENT ON FUNCTION bb_fdw_handler IS
'plans and runs scans of tables of the past, which are foreign tables of page stores';

CREATE FOREIGN DATA WRAPPER bbackup
HANDLER bb_fdw_handler VALIDATOR bb_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER bbackup IS
'page stores of bbackup; foreign tables are tables of the past';

CREATE FUNCTION bb_changes(
    relation anyelement,
    from_lsn pg_lsn,
    to_lsn pg_lsn DEFAULT NULL,
    OUT op text,
    OUT image anyelement)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_changes'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_changes IS
'returns the rows of a table that differ between two LSNs: "-" as they were at from_lsn, "+" as they are at to_lsn (NULL: the end of the timeline), by primary key; relation: a table of the past, as NULL::past.accounts; errors: no SELECT privilege on it, an LSN that cannot be read, a column that the table does not have at one of them';

CREATE FUNCTION bb_row_history(
    relation anyelement,
    key text[],
    from_lsn pg_lsn,
    to_lsn pg_lsn DEFAULT NULL,
    OUT lsn pg_lsn,
    OUT "time" timestamptz,
    OUT xid xid8,
    OUT op text,
    OUT image anyelement)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_row_history'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_row_history IS
'returns the changes of one row between two LSNs, a row for each commit: its LSN, time and transaction ID, INSERT, UPDATE or DELETE, and the row after it (DELETE: before it); relation: a table of the past, as NULL::past.accounts; key: the values of its primary key, as text; to_lsn: NULL: the end of the timeline; errors: no SELECT privilege on the table, no primary key, an LSN that cannot be read, a gap in between, a table that was rewritten in between';

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
    wal_directory text DEFAULT NULL, restore_command text DEFAULT NULL,
    OUT timeline text, OUT lsn pg_lsn, OUT databases bigint,
    OUT relations bigint, OUT pages bigint, OUT bytes_read bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_import_directory'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_import_directory IS
'stores a data directory as a new timeline. The directory belongs to a cluster that was shut down cleanly, or is a base backup with backup_label and WAL, or one in the tar format (base.tar, as pg_basebackup -Ft writes it, compressed or not) (wal_directory NULL: its pg_wal; both arguments for WAL are as those of bb_ingest). Errors: a running cluster, another major version, a corrupt page, a timeline that exists';

CREATE PROCEDURE bb_import_copy(
    store name DEFAULT 'bbackup', INOUT timeline text DEFAULT 'main',
    wal_directory text DEFAULT NULL, restore_command text DEFAULT NULL,
    INOUT lsn pg_lsn DEFAULT NULL, INOUT databases bigint DEFAULT NULL,
    INOUT relations bigint DEFAULT NULL, INOUT pages bigint DEFAULT NULL,
    INOUT bytes_read bigint DEFAULT NULL,
    INOUT bytes_stored bigint DEFAULT NULL,
    INOUT duration interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'bb_sql_import_copy'
LANGUAGE C;

COMMENT ON PROCEDURE bb_import_copy IS
'stores a base backup that a program, such as bb_import, sends as a COPY stream: one tar, compressed or not, as pg_basebackup -Ft -D - writes it, or a tar of base.tar and the other archives of a backup in the tar format. Its WAL is in the stream (pg_basebackup -X fetch), or comes from wal_directory or restore_command on the server, which are as those of bb_import_directory. Errors: a stream that was cut, or is none; those of bb_import_directory; anything but a CALL that the client itself sent';

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
    restore_command text DEFAULT NULL,
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
    wal_directory text DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main', until pg_lsn DEFAULT NULL,
    tli text DEFAULT 'latest', restore_command text DEFAULT NULL,
    OUT timeline text, OUT start_lsn pg_lsn, OUT end_lsn pg_lsn,
    OUT tli integer, OUT records bigint, OUT pages bigint, OUT layers bigint,
    OUT bytes_stored bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_ingest'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_ingest IS
'continues a timeline with the WAL in one or several directories (archives, a pg_wal; separated by colons), and with what a command like restore_command fetches of the rest, up to an LSN (until; NULL: all WAL), along a timeline ID (tli: latest, current or a number, as recovery_target_timeline). Errors keep the WAL before them: a missing segment, a broken record, WAL that does not follow, WAL of another system, and with latest also WAL that continues under two timeline IDs';

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
'removes a timeline and its layers, even if it cannot be read; an error if a branch needs it, or if the worker keeps it up to date as a copy; a NOTICE names copies of it';

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
COMMENT ON COLUMN bb_stat_upkeep.state IS 'idle, running, waiting after error, elsewhere: another process takes care of it, left: with the reason why upkeep does nothing, or idle, no images: other major version';
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
COMMENT ON COLUMN bb_stat_upkeep_jobs.job IS 'merge, image, squash, expire, retire, remove; verify: a verification; copy: to the page store of a copy; retain: the retention of objects was extended; look: the store or timeline was looked at, which failed; room: layers were evicted from the cache';
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
    OUT generation bigint, OUT layers bigint, OUT bytes_stored bigint,
    OUT upgraded_from text, OUT redo boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_timelines'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_timelines IS
'lists the timelines of a page store, with the range of LSNs that can be read; upgraded_from: the timeline of the cluster before pg_upgrade, as bb_set_upgraded_from() has noted it; redo: are there redo helpers of its major version here (bbackup.redo_bindir)? If not, pages that changed since an image cannot be read';

CREATE FUNCTION bb_set_upgraded_from(
    timeline text, upgraded_from text, store name DEFAULT 'bbackup')
RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_set_upgraded_from'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_set_upgraded_from IS
'notes that pg_upgrade made the cluster of a timeline of that of another timeline in the same page store (NULL: of none), so that errors about targets before the upgrade name the latter, and bb_timelines() shows the chain; errors: no such timeline, clusters that cannot be those before and after an upgrade, a branch, a copy';

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
    "time" timestamptz, inclusive boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_at'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_at(timestamptz, boolean, name, text) IS
'returns the LSN where recovery_target_time would stop: just before the first commit or abort that is later than a time (or not earlier, unless inclusive); errors: a time in the future or in the past of the timeline or in a gap, a timeline without commits';

CREATE FUNCTION bb_lsn_at(
    target text, inclusive boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_at_text'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_at(text, boolean, name, text) IS
'does the same for a time as text: as timestamptz takes it, or relative to now(), as in -10 min or 10 min ago';

CREATE FUNCTION bb_lsn_of_restore_point(
    name text, store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_of_restore_point'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_of_restore_point IS
'returns the LSN of a restore point that pg_create_restore_point() made, as recovery_target_name: the newest of that name, with a NOTICE if there are older ones';

CREATE FUNCTION bb_lsn_of_xid(
    xid xid8, inclusive boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_of_xid'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_of_xid IS
'returns the LSN where recovery_target_xid would stop: just after the commit or abort of a transaction, or just before it, unless inclusive; an ID without epoch means the last transaction that has it; a NOTICE says if it was rolled back; errors: a transaction that did not end in the timeline, or ended in a gap';

CREATE FUNCTION bb_lsn_of_target(
    target text, inclusive boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_of_target'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_of_target IS
'returns the LSN of a target of any kind: name:RESTORE_POINT, xid:XID, time:TIME, lsn:LSN or latest; an LSN means what recovery_target_lsn does: just after the first record that starts at or after it, or just before that record, unless inclusive';

CREATE FUNCTION bb_lsn_latest(
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_latest'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_latest IS
'returns the end of a timeline, the last LSN that can be read';

CREATE FUNCTION bb_restore_points(
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    OUT name text, OUT lsn pg_lsn, OUT "time" timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_restore_points'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_restore_points IS
'lists the restore points of a timeline that can be read, oldest first';

CREATE FUNCTION bb_transactions(
    database_name text, relation_name text DEFAULT NULL,
    "from" pg_lsn DEFAULT NULL, "to" pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    OUT lsn pg_lsn, OUT "time" timestamptz, OUT xid xid8, OUT origin text,
    OUT schema_name text, OUT table_name text, OUT relid oid,
    OUT inserted bigint, OUT updated bigint, OUT deleted bigint,
    OUT actions text[], OUT complete boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_transactions'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_transactions IS
'lists which committed transactions changed a table of the stored cluster, after "from" (NULL: the start of the window) and up to "to" (NULL: its end), in the order of commits, out of the WAL records in the layers; relation_name is schema.table as the table was called then (NULL: all tables of the database except those of the system) and stands for its partitions, too; a row for each commit and table: the end of the commit record, its time and transaction, the replication origin (NULL: none), numbers of rows, actions out of truncated, rewritten and dropped; complete is false if the transaction may have begun before the window; errors: a range outside of the window; WAL whose records an earlier version of bbackup did not keep';

CREATE FUNCTION bb_lsn_before(
    relation_name text, what text, database_name text, more_than bigint DEFAULT 0,
    "from" pg_lsn DEFAULT NULL, "to" pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'bb_sql_lsn_before'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_lsn_before IS
'returns the LSN just before the commit of the last transaction in a range that did something to a table: drop, truncate, rewrite, or delete (of more than "more_than" rows); the range and the table are those of bb_transactions(); errors: no such transaction; those of bb_transactions()';

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

CREATE FUNCTION bb_undrop_table(
    name text, lsn pg_lsn DEFAULT NULL, datname name DEFAULT NULL,
    run boolean DEFAULT false, with_data boolean DEFAULT true,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    OUT step integer, OUT object text, OUT statement text, OUT problem text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_undrop_table'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_undrop_table IS
'shows, or runs, the statements that make a table again as it was at an LSN (NULL: bbackup.as_of), with its partitions, the tables that inherit from it, and its rows; datname NULL is the name of this database; problem is what a statement needs and what does not come back; errors: there is no such table at the LSN; with run, a problem, or what a statement fails of';

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
    timeline text DEFAULT 'main', "offset" bigint DEFAULT 0,
    length bigint DEFAULT NULL)
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_read_file'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_read_file IS
'returns one file of the cluster at an LSN, or length bytes (NULL: all) from the byte offset on, fewer where the file ends; path is a path in bb_files(). Errors: no such file, a directory, a gigabyte or more at once';

CREATE FUNCTION bb_read_blocks(
    paths text[], blocks bigint[], counts integer[], lsn pg_lsn DEFAULT NULL,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS bytea
AS 'MODULE_PATHNAME', 'bb_sql_read_blocks'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_read_blocks IS
'returns ranges of blocks of relation and SLRU files of a full backup at an LSN (NULL: the end of the timeline), one after the other, less than a gigabyte in all: for each range, the path of the file as in bb_clone_files(), its first block, and the count of blocks, of 8192 bytes each; block 0 is the first one of the file. The session keeps the timeline open from call to call. Errors: arrays that differ in length, no such file, a file with fewer blocks, an LSN that cannot be read';

CREATE FUNCTION bb_clone_files(
    lsn pg_lsn DEFAULT NULL, lease text DEFAULT NULL,
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main',
    settings text DEFAULT 'clone', content_max bigint DEFAULT 65536,
    OUT path text, OUT kind text, OUT size bigint, OUT mode integer,
    OUT offsets bigint[], OUT contents bytea[], OUT raw_path bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_clone_files'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_clone_files IS
'lists the files and directories of a full backup, without a manifest, at an LSN or for a lease, whose LSN and timeline ID it then has, with what bb_read_blocks() does not read: the contents, as pieces at byte offsets, in order, between which and after which the file is zeros up to its size. Relation and SLRU files have no contents (NULL), nor have other files of more than content_max bytes, which bb_read_file() reads in parts; WAL and control file always have. Sizes in bytes, mode as in chmod; raw_path is NULL unless the path is not valid text in the database, and its bytes then. Errors: no such lease, a lease at another LSN';

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
    delta boolean DEFAULT false, only_databases text[] DEFAULT NULL,
    OUT restored_lsn pg_lsn, OUT files bigint, OUT bytes bigint,
    OUT bytes_written bigint, OUT files_removed bigint, OUT duration interval)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_restore'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_restore IS
'restores a cluster at an LSN (NULL: the end of the timeline) into a data directory on the server, which must be new or empty, or with delta, one of the same system, in which only differences are written; with only_databases, other databases have no relations and are marked invalid. Errors: a directory with other content, a running server, no pg_write_server_files';

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

CREATE FUNCTION bb_lease(
    name text, lsn pg_lsn DEFAULT NULL, duration interval DEFAULT '1 hour',
    reason text DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main', new_tli integer DEFAULT NULL,
    OUT lsn pg_lsn, OUT new_tli integer, OUT expires timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'bb_sql_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_lease IS
'takes a lease for a client that reads a backup at an LSN (NULL: the end of the timeline) bit by bit: keeps the LSN readable, whatever the retention is, until the lease is released or expires, and reserves a timeline ID for the clone (NULL: one that neither the source nor another lease has). A lease of that name is renewed instead; duration is from a second to 30 days. Errors: an LSN that cannot be read, a pin of that name, a lease of that name at another LSN, a copy';

CREATE FUNCTION bb_renew_lease(
    name text, duration interval DEFAULT '1 hour',
    store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'bb_sql_renew_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_renew_lease IS
'lets a lease expire that long from now, and returns when; one that has expired is renewed as long as it was not removed and its LSN can be read. Errors: no such lease, since it was released, or expired and was removed';

CREATE FUNCTION bb_release_lease(
    name text, store name DEFAULT 'bbackup', timeline text DEFAULT 'main')
RETURNS boolean
AS 'MODULE_PATHNAME', 'bb_sql_release_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_release_lease IS
'removes a lease: its LSN is kept as long as the retention says; false if there is none of that name. Errors: a pin of that name';

CREATE FUNCTION bb_leases(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT name text, OUT lsn pg_lsn, OUT new_tli integer,
    OUT reason text, OUT owner text, OUT since timestamptz,
    OUT expires timestamptz, OUT holds boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_leases'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_leases IS
'lists the leases of one timeline, or of all timelines (NULL); holds is false for one that has expired, which upkeep removes';

CREATE FUNCTION bb_keeps(
    store name DEFAULT 'bbackup', timeline text DEFAULT NULL,
    OUT timeline text, OUT kind text, OUT name text, OUT lsn pg_lsn,
    OUT "time" timestamptz, OUT reason text, OUT since timestamptz,
    OUT owner text, OUT expires timestamptz, OUT holds boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_keeps'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_keeps IS
'lists what holds history of one timeline, or of all timelines (NULL): the window, the points before it that can be read, pins, leases and branches; time is that of the last commit at the LSN; holds is false for a pin or lease that has expired';

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
COMMENT ON COLUMN bb_access_stats.task_kind IS 'Kind of work: basebackup, page read, listing, import, ingest, management, prefetch, eviction, receive, follow, upkeep, verify, copy, table read or block read';
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
    timeline text, from_store name DEFAULT NULL,
    store name DEFAULT 'bbackup', from_source name DEFAULT NULL,
    from_directory text DEFAULT NULL, checkpoint text DEFAULT 'spread',
    max_rate integer DEFAULT NULL,
    OUT layer text, OUT kind text, OUT bytes bigint, OUT mended boolean,
    OUT message text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_mend'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_mend IS
'checks each byte of a timeline, and replaces the layers that are lost or broken by those of a copy in another page store (from_store), each verified against the manifest. If the end of the timeline still cannot be read, a new base is taken from the running server of a source (from_source; checkpoint and max_rate as in bb_import_server) or from a data directory (from_directory), behind a gap. A row for each such layer says what was wrong, and what became of it. Errors: no such timeline, a manifest that cannot be read, a store that cannot be reached or written, those of bb_rebase_server and bb_rebase_directory';

--
-- Can it be restored?
--
CREATE FUNCTION bb_test_restore(
    lsn pg_lsn DEFAULT NULL, store name DEFAULT 'bbackup',
    timeline text DEFAULT 'main', start_server boolean DEFAULT false,
    query text DEFAULT NULL, dbname text DEFAULT NULL,
    role text DEFAULT NULL, jobs integer DEFAULT 1,
    OUT restored_lsn pg_lsn, OUT files bigint, OUT bytes bigint,
    OUT pages bigint, OUT answer text, OUT duration interval)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_test_restore'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;

COMMENT ON FUNCTION bb_test_restore IS
'does a restore test: makes a full backup at an LSN (NULL: the end of the timeline), checks each page, and keeps nothing. With start_server, restores it into a private directory (bbackup.restore_test_directory), starts a server there that nobody else can connect to, and runs a query (NULL: a count of tables) in the database dbname (NULL: in each) as a role (NULL: the superuser). The page store remembers how it ended. Errors: those of a backup; an invalid page; a server that does not start; a query that fails or returns false; with start_server, no pg_execute_server_program';

CREATE FUNCTION bb_get_restore_tests(
    store name DEFAULT NULL,
    OUT store name, OUT timeline text, OUT tested_at timestamptz,
    OUT start_server boolean, OUT lsn pg_lsn, OUT bytes bigint,
    OUT duration interval, OUT answer text, OUT error text,
    OUT good_at timestamptz, OUT good_lsn pg_lsn,
    OUT started_at timestamptz, OUT started_lsn pg_lsn)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_get_restore_tests'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_get_restore_tests IS
'rows of the view bb_restore_tests, of one page store or of all that the user may use (NULL)';

CREATE VIEW bb_restore_tests AS
    SELECT * FROM bb_get_restore_tests();

COMMENT ON VIEW bb_restore_tests IS
'one row for each timeline of the page stores that the user may use: the last restore test of bb_test_restore() or the background worker, and the last good ones';
COMMENT ON COLUMN bb_restore_tests.store IS 'Page store';
COMMENT ON COLUMN bb_restore_tests.timeline IS 'Timeline';
COMMENT ON COLUMN bb_restore_tests.tested_at IS 'When the last test ended; NULL: there was none';
COMMENT ON COLUMN bb_restore_tests.start_server IS 'Whether it was to start a server';
COMMENT ON COLUMN bb_restore_tests.lsn IS 'LSN of its backup; NULL: it failed';
COMMENT ON COLUMN bb_restore_tests.bytes IS 'Size of its backup';
COMMENT ON COLUMN bb_restore_tests.duration IS 'How long it took';
COMMENT ON COLUMN bb_restore_tests.answer IS 'What the restored server answered in each database';
COMMENT ON COLUMN bb_restore_tests.error IS 'Why it failed; NULL: it was good';
COMMENT ON COLUMN bb_restore_tests.good_at IS 'When the last good test ended';
COMMENT ON COLUMN bb_restore_tests.good_lsn IS 'LSN of its backup';
COMMENT ON COLUMN bb_restore_tests.started_at IS 'When the last good test ended that started a server';
COMMENT ON COLUMN bb_restore_tests.started_lsn IS 'LSN of its backup';

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
'makes a copy that bb_replicate made an independent timeline, which can be written to; a NOTICE says if it ends updates by the background worker';

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
-- Encrypted page stores.
--
CREATE FUNCTION bb_encryption(
    store name DEFAULT 'bbackup',
    OUT encrypted boolean, OUT store_key text, OUT given_key text,
    OUT data_keys integer, OUT data_key_created timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_encryption'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;

COMMENT ON FUNCTION bb_encryption IS
'tells whether a page store is encrypted, and the ids of its keys, which do not disclose them: of the key that wraps its key ring (store_key; NULL: nothing was written yet), and of the first key that its options give (given_key; another one: bb_rotate_key has not run since); and how many data keys it has, and since when it has the newest. Errors: a key that is missing or wrong';

CREATE FUNCTION bb_rotate_key(
    store name DEFAULT 'bbackup', new_data_key boolean DEFAULT false,
    OUT encrypted boolean, OUT store_key text, OUT given_key text,
    OUT data_keys integer, OUT data_key_created timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_rotate_key'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;

COMMENT ON FUNCTION bb_rotate_key IS
'makes the first key that the options of an encrypted page store give its key; the key before has to be among the others that they give. No layer is written anew. With new_data_key, objects that are written from now on have another data key. Returns what bb_encryption shows. Errors: a store that is not encrypted, a key that is missing or wrong';

--
-- Page stores in object storage.
--
CREATE FUNCTION bb_store_credentials(
    store name DEFAULT 'bbackup',
    OUT keys_from text, OUT expires timestamptz, OUT renewable boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_store_credentials'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;

COMMENT ON FUNCTION bb_store_credentials IS
'tells where the keys of a page store in object storage come from: "keys" (the user mapping or the environment of the server), "instance", "container" or "web_identity"; until when they are valid (NULL: not known, or forever); and whether they can be used after that: a session token is not renewed. Asks the source for keys if it is time to. No row for a store elsewhere. Errors: a source that gives no keys';

CREATE FUNCTION bb_recover_store(
    store name, at timestamptz, dry_run boolean DEFAULT true,
    OUT object text, OUT was text, OUT version_time timestamptz,
    OUT size bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_recover_store'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_recover_store IS
'makes a page store in a bucket that keeps versions what it was at a time: puts back the versions of objects that were deleted or overwritten since, layers first and manifests last, and returns a row for each; a dry run only returns them. Objects that were added since stay. Needs the rights s3:ListBucketVersions and s3:GetObjectVersion. Errors: a store in a directory, a timeline that is being written, nothing that was there at that time';

--
-- Is it well?
--
CREATE FUNCTION bb_try_store(
    store name DEFAULT 'bbackup')
RETURNS boolean
AS 'MODULE_PATHNAME', 'bb_sql_try_store'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_try_store IS
'writes a small object to a page store, reads it and removes it; false: another session does so at the moment. Errors: a store that cannot be reached, read or written';

CREATE FUNCTION bb_store_space(
    store name DEFAULT 'bbackup',
    OUT bytes_total bigint, OUT bytes_free bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_store_space'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;

COMMENT ON FUNCTION bb_store_space IS
'returns the size of the file system of a page store in a local directory, and what is free there; no row for a store elsewhere, or whose directory does not exist';

CREATE FUNCTION bb_store_growth(
    store name DEFAULT 'bbackup',
    OUT at timestamptz, OUT bytes bigint, OUT bytes_total bigint,
    OUT bytes_free bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_store_growth'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_store_growth IS
'returns how large a page store was, as upkeep notes each six hours, for 60 days: bytes of its layers, size of its file system and what was free there (NULL: it is not in a local directory)';

CREATE FUNCTION bb_store_forecast(
    store name DEFAULT 'bbackup',
    OUT bytes bigint, OUT bytes_total bigint, OUT bytes_free bigint,
    OUT bytes_per_day bigint, OUT full_in interval)
RETURNS record
AS $$
WITH noted AS (
    SELECT g.at, coalesce(g.bytes_total - g.bytes_free, g.bytes) AS used
    FROM @extschema@.bb_store_growth($1) g
    WHERE g.at BETWEEN pg_catalog.now() - interval '30 days'
        AND pg_catalog.now()),
-- the faster of the last month and the last three days
slopes AS (
    SELECT pg_catalog.regr_slope(n.used, extract(epoch FROM n.at)) * 86400
               AS bytes_per_day
    FROM noted n,
        (VALUES (interval '30 days'), (interval '3 days')) AS p(span)
    WHERE n.at > pg_catalog.now() - p.span
    GROUP BY p.span
    HAVING pg_catalog.count(*) >= 3
       AND pg_catalog.max(n.at) - pg_catalog.min(n.at)
           >= interval '1 day'),
growth AS (
    -- Windows are not asked unless they have to: a layer that is lost may
    -- hold the time of one.  What is shorter than a day tells nothing of the
    -- growth; what has reached its retention has none.
    SELECT coalesce(
        (SELECT CASE WHEN pg_catalog.max(s.bytes_per_day) < 0 THEN 0
                     ELSE pg_catalog.max(s.bytes_per_day) END FROM slopes s),
        (SELECT pg_catalog.sum(w.bytes_per_day)::double precision
         FROM @extschema@.bb_get_window($1) w
         WHERE w.newest_time - w.oldest_time > interval '1 day'
           AND (w.retention !~ '^window '
                OR w.newest_time - w.oldest_time
                   < 0.9 * pg_catalog.substring(w.retention,
                       '^window ([^,]+)')::interval))) AS bytes_per_day,
        (SELECT pg_catalog.sum(t.bytes)
         FROM @extschema@.bb_timeline_states($1) t) AS bytes)
SELECT coalesce(g.bytes, 0)::bigint, r.bytes_total, r.bytes_free,
       g.bytes_per_day::bigint,
       CASE WHEN g.bytes_per_day >= 1
            THEN pg_catalog.make_interval(days => least(
                r.bytes_free / g.bytes_per_day, 36500)::integer) END
FROM growth g LEFT JOIN @extschema@.bb_store_space($1) r ON true
$$
LANGUAGE sql VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_store_forecast IS
'returns the size of a page store, of its file system and of what is free there (NULL: it is not in a local directory), how fast that fills, and when it will be full (NULL: it does not fill, or that is not known). The growth is that of the last three days or of the last 30, whichever is faster, as bb_store_growth() has it, or while that has less than a day, that of the windows';

CREATE FUNCTION bb_timeline_states(
    store name DEFAULT 'bbackup',
    OUT timeline text, OUT readable boolean, OUT error text, OUT hint text,
    OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_timeline_states'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION bb_timeline_states IS
'lists the timelines of a page store, also those that cannot be read: readable is false, error says why; without an error, the base backup that was imported lacks WAL to be consistent. bytes: size of the layers';

CREATE FUNCTION bb_source_slot(
    source name, slot name,
    OUT restart_lsn pg_lsn, OUT source_lsn pg_lsn)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'bb_sql_source_slot'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;

COMMENT ON FUNCTION bb_source_slot IS
'asks a source from which LSN on a replication slot keeps WAL (NULL: it has none, or was invalidated), and for the end of its WAL; no row: there is no such slot. Errors: those of bb_identify_source';

CREATE FUNCTION bb_run_checks(
    only_store name, only_timeline text, max_lag interval,
    max_lag_bytes bigint, max_age interval, max_copy_lag interval,
    full_within interval, min_free_percent double precision,
    pin_notice interval, max_key_age interval, write boolean,
    OUT checked text, OUT at_store name, OUT at_timeline text,
    OUT status text, OUT message text, OUT hint text)
RETURNS SETOF record
AS $check$
DECLARE
    server name;
    server_options text[];
    may_try boolean := pg_catalog.has_function_privilege(
        '@extschema@.bb_try_store(name)', 'EXECUTE');
    may_ask boolean := pg_catalog.has_function_privilege(
        '@extschema@.bb_source_slot(name, name)', 'EXECUTE');
    may_encrypt boolean := pg_catalog.has_function_privilege(
        '@extschema@.bb_encryption(name)', 'EXECUTE');
    verify_interval interval;
    test_interval interval;
    timelines bigint;
    can_read boolean;
    timeline_seen boolean := only_timeline IS NULL;
    follow record;
    slot_found record;
    error_detail text;
    error_hint text;
BEGIN
    IF only_store IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_foreign_server s
        JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE s.srvname = only_store AND w.fdwname = 'bbackup') THEN
        RETURN QUERY SELECT 'store', only_store, NULL::text, 'critical',
            format('page store "%s" does not exist', only_store),
            'Its foreign server was dropped or renamed.';
        RETURN;
    END IF;

    FOR server, server_options IN
        SELECT s.srvname, s.srvoptions
        FROM pg_catalog.pg_foreign_server s
        JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE w.fdwname = 'bbackup'
          AND CASE WHEN only_store IS NULL
                   THEN pg_catalog.has_server_privilege(s.oid, 'USAGE')
                   ELSE s.srvname = only_store END
        ORDER BY s.srvname LOOP

        -- a default store that was never used is no page store
        IF only_store IS NULL AND server = 'bbackup' THEN
            BEGIN
                IF NOT EXISTS (SELECT FROM @extschema@.bb_timeline_states(server))
                   AND NOT EXISTS (SELECT FROM @extschema@.bb_get_stat_follow() f
                                   WHERE f.store = server)
                   AND (SELECT count(*) FROM pg_catalog.pg_foreign_server s
                        JOIN pg_catalog.pg_foreign_data_wrapper w
                            ON w.oid = s.srvfdw
                        WHERE w.fdwname = 'bbackup') > 1 THEN
                    CONTINUE;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                NULL;   -- the checks will say why
            END;
        END IF;

        FOREACH checked IN ARRAY ARRAY['store', 'credentials', 'window', 'following',
            'slot', 'gaps', 'findings', 'verification', 'restore_test', 'upkeep',
            'copies', 'space', 'pins', 'key'] LOOP
            -- each of these would wait for a store that cannot be reached
            CONTINUE WHEN checked IN ('window', 'gaps', 'findings',
                'verification', 'restore_test', 'copies', 'space', 'pins',
                'key') AND NOT can_read;
            at_store := server;
            at_timeline := NULL;
            hint := NULL;
            BEGIN
                CASE checked
                WHEN 'store' THEN
                    can_read := false;
                    timelines := (SELECT count(*)
                        FROM @extschema@.bb_timeline_states(server));
                    can_read := true;
                    IF timelines = 0 THEN
                        status := CASE WHEN EXISTS (
                            SELECT FROM @extschema@.bb_get_stat_follow() f
                            WHERE f.store = server AND f.readable_lsn IS NOT NULL)
                            THEN 'critical' ELSE 'warning' END;
                        message := 'page store has no timelines';
                        hint := 'If it should have some, check its URL and that its directory is there.';
                    ELSIF NOT write OR NOT may_try THEN
                        status := 'ok';
                        message := format('can be read, and has %s timeline%s', timelines, CASE WHEN timelines <> 1 THEN 's' END);
                    ELSIF @extschema@.bb_try_store(server) THEN
                        status := 'ok';
                        message := format('can be written and read, and has %s timeline%s', timelines, CASE WHEN timelines <> 1 THEN 's' END);
                    ELSE
                        status := 'ok';
                        message := 'another session tries to write it now';
                    END IF;
                    RETURN NEXT;

                WHEN 'credentials' THEN
                    RETURN QUERY
                    SELECT checked, server, NULL::text,
                        CASE WHEN NOT k.renewable THEN 'warning'
                             WHEN k.expires < now() THEN 'critical'
                             ELSE 'ok' END,
                        CASE WHEN NOT k.renewable
                             THEN 'the session token expires, and cannot be renewed'
                             ELSE format('keys from "%s" are renewed before they expire%s', k.keys_from,
                                 coalesce(format(' at %s', k.expires), '')) END,
                        CASE WHEN NOT k.renewable
                             THEN 'Replace it in the user mapping before that, or let the server obtain keys: option "credentials".'
                             WHEN k.expires < now()
                             THEN 'The source gives keys that have expired. Is the clock of this machine right?' END
                    FROM @extschema@.bb_store_credentials(server) k
                    WHERE k.keys_from <> 'keys' OR NOT k.renewable;

                WHEN 'window' THEN
                    RETURN QUERY
                    SELECT checked, server, t.timeline,
                        CASE WHEN NOT t.readable OR w.newest_lsn IS NULL
                                  OR w.newest_time < now() - max_age
                             THEN 'critical' ELSE 'ok' END,
                        CASE WHEN t.error IS NOT NULL
                             THEN format('cannot be read: %s', t.error)
                             WHEN NOT t.readable OR w.newest_lsn IS NULL
                             THEN 'no LSN can be restored yet: the base backup lacks WAL'
                             WHEN w.newest_time < now() - max_age
                             THEN format('ends at %s, more than %s ago', w.newest_time, max_age)
                             ELSE format('can be read from %s to %s (%s)', w.oldest_lsn, w.newest_lsn, w.newest_time) END,
                        CASE WHEN t.error IS NOT NULL THEN t.hint
                             WHEN NOT t.readable
                             THEN 'Ingest the WAL that was written during the base backup.'
                             WHEN w.newest_time < now() - max_age
                             THEN 'Look at what ingests its WAL, bb_follow() or bb_ingest().' END
                    FROM @extschema@.bb_timeline_states(server) t
                    LEFT JOIN @extschema@.bb_get_window(server) w
                        ON w.timeline = t.timeline
                    WHERE t.timeline = coalesce(only_timeline, t.timeline);
                    timeline_seen := timeline_seen OR FOUND;

                WHEN 'following' THEN
                    RETURN QUERY
                    SELECT checked, server, f.timeline,
                        CASE WHEN f.state IN ('failed', 'stopped')
                                  OR f.lag_seconds > l.seconds
                                  OR f.lag_bytes > max_lag_bytes
                             THEN 'critical'
                             WHEN f.state = 'waiting'
                                  OR f.lag_seconds > l.seconds / 2
                                  OR f.lag_bytes > max_lag_bytes / 2
                                  OR f.spool_bytes > l.spool_size * 0.8
                             THEN 'warning' ELSE 'ok' END,
                        format('%s, %s s and %s behind "%s"%s', f.state,
                            coalesce(round(f.lag_seconds::numeric, 1), 0),
                            pg_size_pretty(coalesce(f.lag_bytes, 0)), f.source,
                            CASE WHEN f.spool_bytes > l.spool_size * 0.8
                                 THEN format(', and the spool is nearly full: %s', pg_size_pretty(f.spool_bytes)) ELSE '' END ||
                            CASE WHEN f.state IN ('failed', 'stopped', 'waiting')
                                 THEN coalesce(': ' || nullif(f.last_error, ''), '') ELSE '' END),
                        CASE WHEN f.state = 'failed'
                             THEN 'It does not go on by itself. The error says what to do; then call bb_follow() again.'
                             WHEN f.state = 'stopped'
                             THEN 'No background worker runs: see the error, or the log of the server.'
                             WHEN f.state = 'waiting'
                             THEN format('It goes on by itself when the error is gone. SELECT * FROM bb_identify_source(%L) tries the connection to the source.', f.source)
                             WHEN f.lag_seconds > l.seconds / 2
                                  OR f.lag_bytes > max_lag_bytes / 2
                             THEN 'The store does not keep up with the source, or the network does not.' END
                    FROM @extschema@.bb_get_stat_follow() f,
                        (SELECT extract(epoch FROM max_lag)::double precision,
                                pg_size_bytes(current_setting('bbackup.spool_size')))
                        l(seconds, spool_size)
                    WHERE f.store = server
                      AND f.timeline = coalesce(only_timeline, f.timeline);

                WHEN 'slot' THEN
                    FOR follow IN
                        SELECT f.timeline, f.source, f.slot, f.state,
                               f.source_lsn - f.confirmed_lsn AS kept,
                               f.receiver_pid IS NOT NULL AS received
                        FROM @extschema@.bb_get_stat_follow() f
                        WHERE f.store = server
                          AND f.timeline = coalesce(only_timeline, f.timeline) LOOP
                        at_timeline := follow.timeline;
                        hint := NULL;
                        IF follow.received AND follow.state <> 'waiting' THEN
                            status := CASE WHEN follow.kept > max_lag_bytes
                                THEN 'warning' ELSE 'ok' END;
                            message := format('slot "%s" of "%s" is in use, and keeps %s of WAL', follow.slot,
                                follow.source, pg_size_pretty(coalesce(follow.kept, 0)));
                        ELSIF follow.state = 'waiting' THEN
                            status := 'warning';
                            message := format('slot "%s" of "%s" keeps WAL, since following waits', follow.slot, follow.source);
                            hint := 'The check "following" says what following waits for.';
                        ELSIF NOT may_ask THEN
                            status := 'warning';
                            message := format('slot "%s" of "%s" is not in use', follow.slot, follow.source);
                            hint := 'The slot keeps WAL until it is used again, or was dropped. Members of bbackup_admin see which.';
                        ELSE
                            SELECT s.restart_lsn, s.source_lsn INTO slot_found
                            FROM @extschema@.bb_source_slot(follow.source, follow.slot) s;
                            IF NOT FOUND OR slot_found.restart_lsn IS NULL THEN
                                status := 'critical';
                                message := format('slot "%s" does not exist in "%s", or was invalidated', follow.slot, follow.source);
                                hint := 'The source may remove WAL that the timeline needs. Follow again soon: an archive (option wal_directory of the source) or bb_rebase_server() helps if WAL is gone.';
                            ELSE
                                status := 'warning';
                                message := format('slot "%s" of "%s" is not in use, and keeps %s of WAL', follow.slot,
                                    follow.source, pg_size_pretty(slot_found.source_lsn - slot_found.restart_lsn));
                                hint := 'It keeps WAL until it is used again or dropped.';
                            END IF;
                        END IF;
                        RETURN NEXT;
                    END LOOP;

                WHEN 'gaps' THEN
                    RETURN QUERY
                    SELECT checked, server, t.timeline,
                        CASE WHEN g.open THEN 'critical'
                             WHEN g.number > 0 THEN 'warning' ELSE 'ok' END,
                        CASE WHEN g.open
                             THEN format('cannot be read after %s: a new base is not complete', g.last_start)
                             WHEN g.number > 0
                             THEN format('has %s gaps; the last one is from %s to %s', g.number, g.last_start, g.last_end)
                             ELSE 'has no gap' END,
                        CASE WHEN g.open
                             THEN 'bb_rebase_server() or bb_rebase_directory() is under way, or was killed: then call it again.'
                             WHEN g.number > 0
                             THEN 'What was lost stays lost; LSNs before and after the gap can be read. The gap goes with the history before it (bb_set_retention).' END
                    FROM @extschema@.bb_timeline_states(server) t
                    LEFT JOIN (
                        SELECT a.timeline, count(*) AS number,
                               bool_or(a.gap_end IS NULL) AS open,
                               max(a.gap_start) AS last_start,
                               max(a.gap_end) AS last_end
                        FROM @extschema@.bb_gaps(server) a GROUP BY 1) g
                        ON g.timeline = t.timeline
                    WHERE t.timeline = coalesce(only_timeline, t.timeline)
                      AND t.error IS NULL;

                WHEN 'findings' THEN
                    RETURN QUERY
                    SELECT checked, server, t.timeline,
                        CASE WHEN count(f.kind) > 0 THEN 'critical' ELSE 'ok' END,
                        CASE WHEN count(f.kind) > 0
                             THEN format('%s finding%s not mended; the first: %s', count(f.kind), CASE WHEN count(f.kind) > 1 THEN 's' END, min(f.message))
                             ELSE 'no verification has found anything' END,
                        CASE WHEN count(f.kind) > 0
                             THEN 'See bb_findings for what is lost, and mend it by bb_mend(). Then bb_verify() shows that it is whole.' END
                    FROM @extschema@.bb_timeline_states(server) t
                    LEFT JOIN @extschema@.bb_get_findings(server) f
                        ON f.timeline = t.timeline
                    WHERE t.timeline = coalesce(only_timeline, t.timeline)
                      AND t.error IS NULL
                    GROUP BY t.timeline ORDER BY t.timeline;

                WHEN 'verification' THEN
                    verify_interval := current_setting('bbackup.verify_interval')::interval;
                    RETURN QUERY
                    SELECT checked, server, v.timeline,
                        CASE WHEN v.finished_at < now() - verify_interval * 3
                                  AND verify_interval > interval '0'
                             THEN 'critical'
                             WHEN verify_interval = interval '0'
                                  OR v.finished_at IS NULL
                                     AND v.running_since IS NULL
                                  OR v.finished_at < now() - verify_interval * 1.5
                             THEN 'warning' ELSE 'ok' END,
                        CASE WHEN v.finished_at IS NULL AND v.running_since IS NULL
                             THEN 'was never verified'
                             WHEN v.finished_at IS NULL
                             THEN format('the first verification is under way since %s', v.running_since)
                             ELSE format('was verified at %s', v.finished_at) END
                        || CASE WHEN verify_interval = interval '0'
                                THEN ', and bbackup.verify_interval is 0' ELSE '' END,
                        CASE WHEN verify_interval = interval '0'
                                  OR v.finished_at IS NULL
                                     AND v.running_since IS NULL
                                  OR v.finished_at < now() - verify_interval * 1.5
                             THEN 'The worker of bbackup.upkeep does this each bbackup.verify_interval; bb_verify() does it now.' END
                    FROM @extschema@.bb_get_stat_verification(server) v
                    WHERE v.timeline = coalesce(only_timeline, v.timeline);

                WHEN 'upkeep' THEN
                    RETURN QUERY
                    SELECT checked, server, u.timeline,
                        CASE WHEN u.failed_at < now() - interval '1 day'
                             THEN 'critical'
                             WHEN u.error IS NOT NULL OR u.depth > 25
                             THEN 'warning' ELSE 'ok' END,
                        CASE WHEN u.error IS NOT NULL
                             THEN format('fails since %s: %s', u.failed_at, u.error)
                             WHEN u.depth > 25
                             THEN format('does not keep up: a read of a page may visit %s layers', u.depth)
                             ELSE format('last visit at %s', u.visited_at) END,
                        CASE WHEN u.error IS NOT NULL
                             THEN 'It is tried again. See bb_stat_upkeep_jobs.'
                             WHEN u.depth > 25
                             THEN 'Raise bbackup.upkeep_cpu_share or bbackup.upkeep_rate.' END
                    FROM @extschema@.bb_get_stat_upkeep() u
                    WHERE u.store = server AND u.datid = (
                        SELECT d.oid FROM pg_catalog.pg_database d
                        WHERE d.datname = current_database())
                      AND (only_timeline IS NULL OR u.timeline IS NULL
                           OR u.timeline = only_timeline)
                    ORDER BY u.timeline;
                    IF NOT EXISTS (
                        SELECT FROM @extschema@.bb_get_stat_upkeep() u
                        WHERE u.store = server
                          AND u.visited_at > now() - interval '1 day') THEN
                        IF 'upkeep=off' = ANY (server_options) THEN
                            status := 'ok';
                            message := 'is done elsewhere: the store has the option upkeep ''off''';
                        ELSIF NOT current_setting('bbackup.upkeep')::boolean THEN
                            status := 'warning';
                            message := 'bbackup.upkeep is off, and nothing else has visited the store within a day';
                            hint := 'Turn it on, call bb_upkeep() regularly, or set the option upkeep ''off'' of the foreign server if something else does it.';
                        ELSIF @extschema@.bb_stat_scope() <> 'shared' THEN
                            status := 'warning';
                            message := 'bbackup.upkeep is on, but no worker runs';
                            hint := 'Add bbackup to shared_preload_libraries.';
                        ELSIF pg_postmaster_start_time() > now() - interval '1 hour' THEN
                            status := 'ok';
                            message := 'the server was started less than an hour ago';
                        ELSE
                            status := 'warning';
                            message := 'bbackup.upkeep is on, but the store was not visited for a day';
                            hint := 'See the log of the server.';
                        END IF;
                        at_timeline := NULL;
                        RETURN NEXT;
                    END IF;

                WHEN 'copies' THEN
                    RETURN QUERY
                    SELECT checked, server, c.timeline,
                        CASE WHEN c.problem IS NOT NULL OR c.lag > max_copy_lag
                             THEN 'critical'
                             WHEN c.last_error IS NOT NULL
                                  OR c.lag > max_copy_lag / 2
                             THEN 'warning' ELSE 'ok' END,
                        format('copy in "%s" %s', c.to_store,
                            CASE WHEN c.problem IS NOT NULL
                                 THEN format('is not well: %s', c.problem)
                                 WHEN c.last_error IS NOT NULL
                                 THEN format('cannot be updated: %s', c.last_error)
                                 ELSE format('is %s behind, and lacks %s', c.lag,
                                     pg_size_pretty(c.bytes_to_copy)) END),
                        CASE WHEN c.problem IS NOT NULL
                                  OR c.last_error IS NOT NULL
                                  OR c.lag > max_copy_lag / 2
                             THEN 'See bb_stat_copies. The worker of bbackup.upkeep updates copies; bb_replicate() does it now.' END
                    FROM @extschema@.bb_get_stat_copies() c
                    WHERE c.from_store = server
                      AND c.timeline = coalesce(only_timeline, c.timeline);

                WHEN 'space' THEN
                    RETURN QUERY
                    SELECT checked, server, NULL::text,
                        CASE WHEN f.percent < min_free_percent / 3
                                  OR f.full_in < full_within / 4
                             THEN 'critical'
                             WHEN f.percent < min_free_percent
                                  OR f.full_in < full_within
                             THEN 'warning' ELSE 'ok' END,
                        CASE WHEN f.bytes_total IS NULL
                             THEN format('takes %s', pg_size_pretty(f.bytes))
                             ELSE format('%s of %s is free (%s%%)', pg_size_pretty(f.bytes_free),
                                 pg_size_pretty(f.bytes_total), round(f.percent::numeric, 1)) END
                        || CASE WHEN f.full_in IS NOT NULL
                                THEN format(', which lasts %s days at %s a day', extract(day FROM f.full_in),
                                    pg_size_pretty(f.bytes_per_day))
                                WHEN f.bytes_per_day > 0
                                THEN format(', and grows by %s a day', pg_size_pretty(f.bytes_per_day))
                                ELSE '' END,
                        CASE WHEN f.percent < min_free_percent
                                  OR f.full_in < full_within
                             THEN 'Shorten the retention (bb_set_retention), or give the store more room. bb_window shows what it takes.' END
                    FROM (SELECT c.*, 100.0 * c.bytes_free
                                 / nullif(c.bytes_total, 0) AS percent
                          FROM @extschema@.bb_store_forecast(server) c) f;

                WHEN 'restore_test' THEN
                    test_interval := current_setting('bbackup.restore_test_interval')::interval;
                    RETURN QUERY
                    SELECT checked, server, r.timeline,
                        CASE WHEN r.error IS NOT NULL
                                  OR r.good_at < now() - test_interval * 3
                                  AND test_interval > interval '0'
                             THEN 'critical'
                             WHEN r.good_at IS NULL
                                  OR r.good_at < now() - test_interval * 1.5
                                  AND test_interval > interval '0'
                             THEN 'warning' ELSE 'ok' END,
                        CASE WHEN r.error IS NOT NULL
                             THEN format('the restore test at %s failed: %s', r.tested_at, r.error)
                             WHEN r.good_at IS NULL
                             THEN 'no backup of it was tested'
                             WHEN r.good_at = r.started_at
                             THEN format('a server was restored and started at %s', r.good_at)
                             ELSE format('a backup was read at %s', r.good_at) END,
                        CASE WHEN r.error IS NOT NULL
                             THEN 'Call bb_test_restore() to see the error, and bb_verify() to see what is lost.'
                             WHEN r.good_at IS NULL
                                  OR r.good_at < now() - test_interval * 1.5
                                  AND test_interval > interval '0'
                             THEN 'The worker of bbackup.upkeep does this each bbackup.restore_test_interval; bb_test_restore() does it now.' END
                    FROM @extschema@.bb_get_restore_tests(server) r
                    JOIN @extschema@.bb_timeline_states(server) t
                        ON t.timeline = r.timeline AND t.readable
                    WHERE r.timeline = coalesce(only_timeline, r.timeline);

                WHEN 'key' THEN
                    -- whether a plan checks the privilege is up to the planner
                    CONTINUE WHEN NOT may_encrypt;
                    RETURN QUERY
                    SELECT checked, server, NULL::text,
                        CASE WHEN e.store_key <> e.given_key
                                  OR e.data_key_created < now() - max_key_age
                             THEN 'warning' ELSE 'ok' END,
                        CASE WHEN e.store_key <> e.given_key
                             THEN format('the key of the store is %s, but the first one that its options give is %s', e.store_key, e.given_key)
                             ELSE format('the newest data key is of %s', e.data_key_created) END,
                        CASE WHEN e.store_key <> e.given_key
                             THEN 'Call bb_rotate_key() once all servers have the new key, or remove it from the options.'
                             WHEN e.data_key_created < now() - max_key_age
                             THEN 'Call bb_rotate_key() with new_data_key => true.' END
                    FROM @extschema@.bb_encryption(server) e
                    WHERE e.encrypted;

                WHEN 'pins' THEN
                    RETURN QUERY
                    SELECT checked, server, k.timeline,
                        CASE WHEN k.kind = 'pin' AND k.expires < now() + pin_notice
                             THEN 'warning' ELSE 'ok' END,
                        format('%s "%s" of LSN %s %s', k.kind, k.name, k.lsn,
                            CASE WHEN k.expires IS NULL THEN 'does not expire'
                                 ELSE format('expires at %s', k.expires) END),
                        CASE WHEN k.kind = 'pin' AND k.expires < now() + pin_notice
                             THEN 'Call bb_pin() with the same name and LSN to keep it for longer.' END
                    FROM @extschema@.bb_keeps(server) k
                    WHERE k.kind IN ('pin', 'lease') AND k.holds
                      AND k.timeline = coalesce(only_timeline, k.timeline);
                END CASE;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS error_detail = PG_EXCEPTION_DETAIL,
                    error_hint = PG_EXCEPTION_HINT;
                status := 'critical';
                message := SQLERRM
                    || CASE WHEN error_detail <> ''
                            THEN format(' (%s)', error_detail) ELSE '' END;
                hint := nullif(error_hint, '');
                RETURN NEXT;
            END;
        END LOOP;
    END LOOP;

    IF NOT timeline_seen THEN
        RETURN QUERY SELECT 'window', only_store, only_timeline, 'critical',
            format('timeline "%s" does not exist, or its page store cannot be read', only_timeline),
            NULL::text;
    END IF;
END
$check$
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error;

COMMENT ON FUNCTION bb_run_checks IS
'the rows of bb_check()';

CREATE FUNCTION bb_check(
    store name DEFAULT NULL, timeline text DEFAULT NULL,
    max_lag interval DEFAULT '5 minutes',
    max_lag_bytes bigint DEFAULT 1073741824,
    max_age interval DEFAULT NULL,
    max_copy_lag interval DEFAULT '1 hour',
    full_within interval DEFAULT '14 days',
    min_free_percent double precision DEFAULT 10,
    pin_notice interval DEFAULT '7 days',
    max_key_age interval DEFAULT '2 years', write boolean DEFAULT true,
    OUT check_name text, OUT store name, OUT timeline text,
    OUT status text, OUT message text, OUT hint text)
RETURNS SETOF record
AS $$
SELECT * FROM @extschema@.bb_run_checks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
$$
LANGUAGE sql VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_check IS
'says whether one page store, or all that the user may use (NULL), are well: a row for each check and timeline, with the status ok, warning or critical, and a hint what to do. A check that fails is a critical row with its error. Limits: max_lag and max_lag_bytes of following and slots (critical above, warning above the half); max_age: how old the end of a timeline may be (NULL: any); max_copy_lag of copies; full_within and min_free_percent of the file system of a local store; pin_notice: how long before it expires a pin is named; max_key_age: how old the newest data key of an encrypted store may be (NULL: any). write: write a small object to each store, if the user may call bb_try_store()';

CREATE FUNCTION bb_run_metrics(
    only_store name,
    OUT metric text, OUT type text, OUT help text, OUT labels jsonb,
    OUT value double precision)
RETURNS SETOF record
AS $metrics$
DECLARE
    server name;
    part text;
    place jsonb;
    may_encrypt boolean := pg_catalog.has_function_privilege(
        '@extschema@.bb_encryption(name)', 'EXECUTE');
BEGIN
    FOR server IN
        SELECT s.srvname
        FROM pg_catalog.pg_foreign_server s
        JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE w.fdwname = 'bbackup'
          AND CASE WHEN only_store IS NULL
                   THEN pg_catalog.has_server_privilege(s.oid, 'USAGE')
                   ELSE s.srvname = only_store END
        ORDER BY s.srvname LOOP
        place := jsonb_build_object('store', server);
        FOREACH part IN ARRAY ARRAY['store', 'space', 'window', 'verification',
            'restore_test', 'follow', 'upkeep', 'copies', 'key'] LOOP
            BEGIN
                CASE part
                WHEN 'store' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help, place, m.value
                    FROM (SELECT count(*) AS timelines,
                                 count(*) FILTER (WHERE NOT t.readable) AS unreadable
                          FROM @extschema@.bb_timeline_states(server) t) t
                    LEFT JOIN @extschema@.bb_store_space(server) s ON true,
                    LATERAL (VALUES
                        ('bbackup_store_up', 'Whether the page store can be read', 1::double precision),
                        ('bbackup_store_timelines', 'Number of timelines', t.timelines),
                        ('bbackup_store_unreadable_timelines', 'Number of timelines of which no LSN can be read', t.unreadable),
                        ('bbackup_store_size_bytes', 'Size of the file system of a local page store', s.bytes_total),
                        ('bbackup_store_free_bytes', 'Free space there', s.bytes_free))
                        m(metric, help, value)
                    WHERE m.value IS NOT NULL;
                WHEN 'space' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help, place, m.value
                    FROM @extschema@.bb_store_forecast(server) f,
                    LATERAL (VALUES
                        ('bbackup_store_layers_bytes', 'Size of the layers of all timelines', f.bytes::double precision),
                        ('bbackup_store_full_seconds', 'Time until the file system is full, as it fills now; absent: it does not', extract(epoch FROM f.full_in)))
                        m(metric, help, value)
                    WHERE m.value IS NOT NULL;
                WHEN 'window' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help,
                           place || jsonb_build_object('timeline', w.timeline), m.value
                    FROM @extschema@.bb_get_window(server) w,
                    LATERAL (VALUES
                        ('bbackup_window_oldest_timestamp_seconds', 'Time of the oldest LSN of the window', extract(epoch FROM w.oldest_time)::double precision),
                        ('bbackup_window_newest_timestamp_seconds', 'Time of the newest LSN that can be read', extract(epoch FROM w.newest_time)),
                        ('bbackup_window_newest_lsn_bytes', 'The newest LSN that can be read, as a number', w.newest_lsn - '0/0'::pg_lsn),
                        ('bbackup_window_gaps', 'Number of gaps', w.gaps),
                        ('bbackup_window_points', 'Number of points before the window', w.points),
                        ('bbackup_timeline_layers', 'Number of layers', w.layers),
                        ('bbackup_timeline_bytes', 'Size of the layers', w.bytes),
                        ('bbackup_timeline_expired_bytes', 'Size of layers that no LSN needs', w.bytes_expired),
                        ('bbackup_timeline_bytes_per_day', 'Growth of the window for each day', w.bytes_per_day))
                        m(metric, help, value)
                    WHERE m.value IS NOT NULL;
                WHEN 'verification' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help,
                           place || jsonb_build_object('timeline', v.timeline), m.value
                    FROM @extschema@.bb_get_stat_verification(server) v,
                    LATERAL (VALUES
                        ('bbackup_verification_timestamp_seconds', 'End of the last verification; 0: there was none', coalesce(extract(epoch FROM v.finished_at), 0)::double precision),
                        ('bbackup_verification_findings', 'Findings of the last verification and the running one', coalesce(v.findings, 0) + coalesce(v.running_findings, 0)))
                        m(metric, help, value)
                    WHERE m.value IS NOT NULL;
                WHEN 'restore_test' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help,
                           place || jsonb_build_object('timeline', r.timeline), m.value
                    FROM @extschema@.bb_get_restore_tests(server) r,
                    LATERAL (VALUES
                        ('bbackup_restore_test_timestamp_seconds', 'End of the last good restore test; 0: there was none', coalesce(extract(epoch FROM r.good_at), 0)::double precision),
                        ('bbackup_restore_test_started_timestamp_seconds', 'End of the last good restore test that started a server; 0: there was none', coalesce(extract(epoch FROM r.started_at), 0)),
                        ('bbackup_restore_test_failing', 'Whether the last restore test has failed', (r.error IS NOT NULL)::integer),
                        ('bbackup_restore_test_duration_seconds', 'How long the last restore test took', extract(epoch FROM r.duration)))
                        m(metric, help, value)
                    WHERE m.value IS NOT NULL;
                WHEN 'key' THEN
                    CONTINUE WHEN NOT may_encrypt;
                    RETURN QUERY
                    SELECT 'bbackup_data_key_timestamp_seconds', 'gauge',
                           'When the newest data key of an encrypted page store was made',
                           place, extract(epoch FROM e.data_key_created)::double precision
                    FROM @extschema@.bb_encryption(server) e
                    WHERE e.encrypted
                      AND e.data_key_created IS NOT NULL;
                WHEN 'follow' THEN
                    RETURN QUERY
                    SELECT m.metric, m.type, m.help,
                           place || jsonb_build_object('timeline', f.timeline, 'source', f.source), m.value
                    FROM @extschema@.bb_get_stat_follow() f,
                    LATERAL (VALUES
                        ('bbackup_follow_up', 'gauge', 'Whether following goes on: the state is starting, importing, catching up or streaming', (f.state NOT IN ('waiting', 'failed', 'stopped'))::integer::double precision),
                        ('bbackup_follow_lag_seconds', 'gauge', 'Age of the oldest WAL that cannot be read yet', f.lag_seconds),
                        ('bbackup_follow_lag_bytes', 'gauge', 'WAL that cannot be read yet', f.lag_bytes),
                        ('bbackup_follow_slot_kept_bytes', 'gauge', 'WAL that the source keeps for the slot', f.source_lsn - f.confirmed_lsn),
                        ('bbackup_follow_spool_bytes', 'gauge', 'WAL in the spool', f.spool_bytes),
                        ('bbackup_follow_restarts_total', 'counter', 'How often a worker began again after an error', f.restarts))
                        m(metric, type, help, value)
                    WHERE f.store = server AND m.value IS NOT NULL;
                WHEN 'upkeep' THEN
                    RETURN QUERY
                    SELECT m.metric, m.type, m.help,
                           place || jsonb_build_object('timeline', coalesce(u.timeline, '')), m.value
                    FROM @extschema@.bb_get_stat_upkeep() u,
                    LATERAL (VALUES
                        ('bbackup_upkeep_failing', 'gauge', 'Whether a job has failed that has not succeeded since', (u.failed_at IS NOT NULL)::integer::double precision),
                        ('bbackup_upkeep_visit_timestamp_seconds', 'gauge', 'Time of the last visit', extract(epoch FROM u.visited_at)),
                        ('bbackup_upkeep_depth', 'gauge', 'Delta layers that a read of a page may visit', u.depth),
                        ('bbackup_upkeep_jobs_total', 'counter', 'Jobs that have ended', u.jobs_done),
                        ('bbackup_upkeep_failed_jobs_total', 'counter', 'Jobs that have failed', u.jobs_failed),
                        ('bbackup_upkeep_written_bytes_total', 'counter', 'Bytes that upkeep has written', u.bytes_written))
                        m(metric, type, help, value)
                    WHERE u.store = server AND m.value IS NOT NULL
                      AND u.datid = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = current_database());
                WHEN 'copies' THEN
                    RETURN QUERY
                    SELECT m.metric, 'gauge', m.help,
                           place || jsonb_build_object('timeline', c.timeline, 'to_store', c.to_store), m.value
                    FROM @extschema@.bb_get_stat_copies() c,
                    LATERAL (VALUES
                        ('bbackup_copy_up', 'Whether the copy can be read, and its last update succeeded', (c.problem IS NULL AND c.last_error IS NULL)::integer::double precision),
                        ('bbackup_copy_lag_seconds', 'How far the copy is behind', extract(epoch FROM c.lag)),
                        ('bbackup_copy_missing_bytes', 'Bytes of layers that the copy lacks', c.bytes_to_copy))
                        m(metric, help, value)
                    WHERE c.from_store = server AND m.value IS NOT NULL;
                END CASE;
            EXCEPTION WHEN OTHERS THEN
                IF part = 'store' THEN
                    RETURN QUERY SELECT 'bbackup_store_up', 'gauge',
                        'Whether the page store can be read', place,
                        0::double precision;
                    EXIT;
                END IF;
                RETURN QUERY SELECT 'bbackup_metrics_errors', 'gauge',
                    'Parts of bb_metrics that failed',
                    place || jsonb_build_object('part', part),
                    1::double precision;
            END;
        END LOOP;
    END LOOP;

    RETURN QUERY SELECT 'bbackup_time_seconds', 'gauge',
        'Time of the server when the metrics were made', '{}'::jsonb,
        extract(epoch FROM clock_timestamp())::double precision;

    RETURN QUERY
    SELECT m.metric, 'counter', m.help,
           jsonb_build_object('task_kind', t.task_kind), m.value
    FROM (SELECT a.task_kind, sum(a.calls) AS calls, sum(a.errors) AS errors,
                 sum(a.bytes_out) AS bytes_out
          FROM @extschema@.bb_get_stat_totals() a GROUP BY 1) t,
    LATERAL (VALUES
        ('bbackup_calls_total', 'Calls that have ended', t.calls::double precision),
        ('bbackup_call_errors_total', 'Calls that ended with an error', t.errors),
        ('bbackup_call_out_bytes_total', 'Bytes returned to callers', t.bytes_out))
        m(metric, help, value);
END
$metrics$
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error;

COMMENT ON FUNCTION bb_run_metrics IS
'the rows of bb_get_metrics()';

CREATE FUNCTION bb_get_metrics(
    store name DEFAULT NULL,
    OUT metric text, OUT type text, OUT help text, OUT labels jsonb,
    OUT value double precision)
RETURNS SETOF record
AS $$
SELECT * FROM @extschema@.bb_run_metrics($1) ORDER BY 1, 4
$$
LANGUAGE sql VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION bb_metrics_text(
    store name DEFAULT NULL)
RETURNS SETOF text
AS $$
SELECT CASE WHEN pg_catalog.row_number() OVER by_name = 1
            THEN pg_catalog.format(E'# HELP %s %s\n# TYPE %1$s %3$s\n',
                                   m.metric, m.help, m.type)
            ELSE '' END
       || m.metric
       || coalesce('{' || (
            SELECT pg_catalog.string_agg(pg_catalog.format('%s="%s"', l.key,
                pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
                    l.value, E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n')),
                ',' ORDER BY l.key)
            FROM pg_catalog.jsonb_each_text(m.labels) l) || '}', '')
       || ' ' || CASE m.value WHEN 'Infinity' THEN '+Inf'
                              WHEN '-Infinity' THEN '-Inf'
                              ELSE m.value::text END
FROM @extschema@.bb_get_metrics($1) m
WINDOW by_name AS (PARTITION BY m.metric ORDER BY m.labels)
ORDER BY m.metric, m.labels
$$
LANGUAGE sql VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION bb_metrics_text IS
'returns the same in the text format of Prometheus, for a file that node_exporter reads';

COMMENT ON FUNCTION bb_get_metrics IS
'rows of the view bb_metrics, of one page store or of all that the user may use (NULL)';

CREATE VIEW bb_metrics AS
    SELECT * FROM bb_get_metrics();

COMMENT ON VIEW bb_metrics IS
'page stores, following, upkeep, verification and copies as metrics with the names of Prometheus';
COMMENT ON COLUMN bb_metrics.metric IS 'Name of the metric';
COMMENT ON COLUMN bb_metrics.type IS 'gauge or counter';
COMMENT ON COLUMN bb_metrics.help IS 'What it is';
COMMENT ON COLUMN bb_metrics.labels IS 'Labels: store, timeline, source, to_store or task_kind';
COMMENT ON COLUMN bb_metrics.value IS 'Value, in bytes, seconds or a number';

--
-- A base backup reads past every table privilege.
--
REVOKE ALL ON FUNCTION
    bb_basebackup, bb_basebackup_archives, bb_basebackup_lo,
    bb_basebackup_stream, bb_basebackup_to_file, bb_basebackup_to_program,
    bb_changes, bb_check, bb_get_metrics, bb_metrics_text, bb_run_checks, bb_run_metrics,
    bb_source_slot, bb_store_forecast, bb_store_growth,
    bb_store_space, bb_timeline_states, bb_try_store, bb_test_restore, bb_undrop_table,
    bb_get_restore_tests,
    bb_clone_files, bb_create_branch, bb_databases, bb_detach_copy, bb_drop_timeline,
    bb_recover_store, bb_store_credentials,
    bb_encryption, bb_evict, bb_evict_idle, bb_expire, bb_fdw_handler, bb_fdw_validator, bb_files, bb_follow,
    bb_gaps, bb_get_access_stats, bb_get_findings, bb_get_page,
    bb_get_stat_copies, bb_get_stat_follow, bb_get_stat_progress_import,
    bb_get_stat_progress_ingest, bb_get_stat_progress_upkeep,
    bb_get_stat_totals, bb_get_stat_upkeep, bb_get_stat_upkeep_jobs,
    bb_get_stat_verification, bb_get_window, bb_identify_source,
    bb_import_directory, bb_import_server, bb_ingest, bb_keeps, bb_layer_map,
    bb_layer_stats, bb_layers, bb_lease, bb_leases,
    bb_lsn_at(timestamptz, boolean, name, text),
    bb_lsn_at(text, boolean, name, text), bb_lsn_before, bb_lsn_latest,
    bb_lsn_of_restore_point, bb_lsn_of_target, bb_lsn_of_xid, bb_mend,
    bb_move, bb_pin, bb_prefetch, bb_read_blocks, bb_read_file, bb_rebase_directory, bb_rebase_server,
    bb_relations, bb_release_lease, bb_renew_lease, bb_replicate, bb_restore, bb_restore_points, bb_rotate_key,
    bb_row_history, bb_set_retention, bb_set_upgraded_from,
    bb_source_validator, bb_stat_reset, bb_stat_scope, bb_stop_replicating,
    bb_tablespaces, bb_timelines, bb_transactions, bb_unfollow, bb_unpin, bb_upkeep, bb_verify,
    bb_wait
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE bb_copy, bb_import_copy FROM PUBLIC;

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

-- Members of pg_monitor see what the page stores have and what state they are
-- in, too: those on which pg_monitor has USAGE.
GRANT EXECUTE ON FUNCTION
    bb_check, bb_gaps, bb_get_findings, bb_get_restore_tests, bb_get_stat_copies,
    bb_get_metrics, bb_metrics_text, bb_get_stat_verification, bb_get_window, bb_keeps, bb_leases,
    bb_run_checks, bb_run_metrics, bb_store_credentials, bb_store_forecast,
    bb_store_growth, bb_store_space, bb_timeline_states, bb_timelines
    TO pg_monitor;
GRANT SELECT ON bb_findings, bb_metrics, bb_restore_tests, bb_stat_copies, bb_stat_verification,
    bb_window
    TO pg_monitor;
GRANT USAGE ON FOREIGN SERVER bbackup TO pg_monitor;
