-- errors for invalid arguments
CREATE SERVER empty FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');

-- no such timeline
SELECT bb_basebackup(store => 'empty');
SELECT bb_basebackup_stream(store => 'empty');
SELECT * FROM bb_databases(store => 'empty');
SELECT * FROM bb_relations(store => 'empty');
SELECT * FROM bb_files(store => 'empty');
SELECT * FROM bb_layers('empty', 'main');
SELECT bb_read_file('PG_VERSION', store => 'empty');
SELECT bb_get_page(1663, 1, 1259, 'main', 0, store => 'empty');
SELECT bb_create_branch('branch', store => 'empty');

-- names of timelines
SELECT bb_basebackup(store => 'empty', timeline => '');
SELECT bb_basebackup(store => 'empty', timeline => '../main');
SELECT bb_basebackup(store => 'empty', timeline => '.hidden');
SELECT bb_basebackup(store => 'empty', timeline => repeat('x', 64));
SELECT bb_import_directory('/tmp/bb_regress_no_such_directory', 'empty', 'a/b');

-- only LSNs may be NULL
SELECT bb_basebackup(full_backup => NULL);
SELECT bb_basebackup(store => NULL);
SELECT bb_basebackup(timeline => NULL);
SELECT bb_basebackup_stream(timeline => NULL);
SELECT bb_read_file(NULL);
SELECT bb_get_page(NULL, 1, 1259, 'main', 0);
SELECT * FROM bb_files(full_backup => NULL);
SELECT bb_create_branch(NULL);
SELECT bb_import_directory(NULL);

-- values
SELECT bb_basebackup('0/0');
SELECT bb_basebackup(prev_lsn => '0/0');
SELECT bb_basebackup(max_rate => 31);
SELECT bb_basebackup(max_rate => 1048577);
SELECT bb_basebackup(label => repeat('x', 1024));
SELECT bb_basebackup(label => E'one\ntwo');
SELECT bb_basebackup(settings => 'mine');
SELECT bb_basebackup(compression => NULL);
SELECT bb_basebackup(compression => 'bzip2');
SELECT bb_basebackup(compression => 'gzip:level=99');
SELECT bb_basebackup(compression => 'gzip:speed=5');
SELECT bb_basebackup(compression => 'gzip:workers=2');
SELECT bb_basebackup(compression => 'gzip:level=high');
SELECT bb_basebackup(compression => 'none:5');
SELECT bb_basebackup(compression => '');
SELECT bb_basebackup(manifest => 'maybe');
SELECT bb_basebackup(manifest_checksums => 'md5');
SELECT bb_basebackup(manifest => 'no', manifest_checksums => 'none');
SELECT bb_basebackup(manifest => 'force-encode', manifest_checksums => 'sha256', store => 'empty');
SELECT bb_basebackup(manifest => NULL, manifest_checksums => NULL, store => 'empty');
SELECT * FROM bb_files(manifest_checksums => 'crc');
SELECT * FROM bb_files(tablespaces => 'elsewhere');
SELECT bb_basebackup_archives(store => 'empty');
SELECT bb_basebackup(progress => NULL);
SELECT bb_basebackup(new_tli => 0);
SELECT bb_basebackup(new_tli => -1);
SELECT bb_get_page(1663, 1, 1259, 'toast', 0, store => 'empty');

-- directories that can't be imported
SELECT bb_import_directory('relative', 'empty');
SELECT bb_import_directory('/tmp/bb_regress_no_such_directory', 'empty');
SELECT bb_import_directory('/dev/null', 'empty');
SELECT bb_import_directory('/dev', 'empty');

-- WAL that can't be ingested
SELECT bb_ingest(NULL, 'empty');
SELECT bb_ingest('/tmp', 'empty');
SELECT bb_ingest('/tmp', 'empty', NULL);

-- cache functions, with a store that has no cache
SELECT bb_evict(NULL, 'empty');
SELECT bb_evict('x', 'empty');
SELECT bb_evict_idle('1 hour', 'empty');
SELECT bb_evict_idle('-1 hour', 'empty');
SELECT bb_prefetch(store => 'empty');
SELECT bb_prefetch(wait => NULL);

-- none of that changed anything
SELECT * FROM bb_timelines('empty');
SELECT count(*) FROM bb_stat_progress_import;
SELECT bb_drop_timeline('main', 'empty');
DROP SERVER empty;
