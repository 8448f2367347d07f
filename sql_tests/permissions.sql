-- permissions; those for real imports and backups are tested in t/
CREATE ROLE bb_regress_nobody;
CREATE ROLE bb_regress_reader;
CREATE SERVER vault FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');

-- nobody may call functions at first
SET ROLE bb_regress_nobody;
SELECT * FROM bb_timelines('vault');
SELECT bb_basebackup();
SELECT bb_basebackup_stream();
SELECT bb_import_directory('/tmp');
SELECT bb_ingest('/tmp');
SELECT bb_restore('/tmp/bb_regress_no_such_directory');
SELECT bb_basebackup_to_file('/tmp/bb_regress_no_such_file');
SELECT bb_prefetch();
SELECT bb_evict('x');
SELECT bb_evict_idle();
SELECT * FROM bb_stat_progress_import;
SELECT * FROM bb_stat_progress_ingest;
RESET ROLE;

-- EXECUTE alone is not enough: a store requires USAGE
GRANT EXECUTE ON FUNCTION bb_timelines(name) TO bb_regress_reader;
GRANT EXECUTE ON FUNCTION bb_import_directory(text, name, text, text, text)
    TO bb_regress_reader;
GRANT EXECUTE ON FUNCTION bb_create_branch(text, text, pg_lsn, name)
    TO bb_regress_reader;
GRANT EXECUTE ON FUNCTION bb_drop_timeline(text, name) TO bb_regress_reader;
SET ROLE bb_regress_reader;
SELECT * FROM bb_timelines('vault');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER vault TO bb_regress_reader;
SET ROLE bb_regress_reader;
SELECT * FROM bb_timelines('vault');
SELECT * FROM bb_timelines('bbackup');

-- the same is enough to write to it, but not to read the server's files
SELECT bb_import_directory('/tmp', 'vault');
SELECT bb_create_branch('branch', store => 'vault');
SELECT bb_drop_timeline('main', 'vault');
RESET ROLE;

-- to set a store's URL, a role needs both rights, to read and to write files
GRANT pg_write_server_files TO bb_regress_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO bb_regress_reader;
SET ROLE bb_regress_reader;
CREATE SERVER mine FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');
RESET ROLE;
GRANT pg_read_server_files TO bb_regress_reader;
SET ROLE bb_regress_reader;
CREATE SERVER mine FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');
SELECT count(*) FROM bb_timelines('mine');
-- only superusers may set the default store's directory
SET bbackup.store_directory = '/tmp';
RESET ROLE;

-- members of pg_read_all_stats see the progress of imports and ingests
GRANT pg_read_all_stats TO bb_regress_nobody;
SET ROLE bb_regress_nobody;
SELECT * FROM bb_stat_progress_import;
SELECT * FROM bb_stat_progress_ingest;
RESET ROLE;

-- the extension's own server can have no options and mappings, since pg_dump
-- would omit them; the first of these statements loads the library
\c -
ALTER SERVER bbackup OPTIONS (ADD url 'file:///tmp/bb_regress_no_such_store');
CREATE USER MAPPING FOR PUBLIC SERVER bbackup;
CREATE USER MAPPING FOR CURRENT_USER SERVER bbackup
    OPTIONS (access_key_id 'a');
ALTER SERVER bbackup OPTIONS (ADD region 'eu-central-1');
ALTER SERVER bbackup RENAME TO bb_regress_renamed;
ALTER SERVER bb_regress_renamed OPTIONS (ADD region 'eu-central-1');
ALTER SERVER bb_regress_renamed RENAME TO bbackup;
ALTER SERVER bbackup VERSION '1';
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'bbackup';
SELECT count(*) FROM pg_user_mappings WHERE srvname = 'bbackup';
CREATE USER MAPPING FOR PUBLIC SERVER vault;
DROP USER MAPPING FOR PUBLIC SERVER vault;

DROP SERVER mine, vault;
REVOKE ALL ON FOREIGN DATA WRAPPER bbackup FROM bb_regress_reader;
DROP OWNED BY bb_regress_reader;
DROP ROLE bb_regress_reader, bb_regress_nobody;
