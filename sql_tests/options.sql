-- page stores: the options of foreign servers
CREATE SERVER good FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'good';

-- unknown options, and options of other objects
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (host 'x');
ALTER FOREIGN DATA WRAPPER bbackup OPTIONS (ADD url 'file:///x');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (password 'x');
CREATE FOREIGN TABLE t (i int) SERVER good OPTIONS (url 'file:///x');

CREATE FOREIGN TABLE t (i int) SERVER good;
SELECT * FROM t;
DROP FOREIGN TABLE t;

-- invalid values
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url '');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url '/no/scheme');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url 'ftp://host/x');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://rel/x');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file:///');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file:///a/../b');
ALTER SERVER good OPTIONS (SET url 'nonsense');

-- options of object storage
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS (url 's3://no');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://key:secret@bucket');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', cache_directory 'cache');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', cache_directory '/a/../b');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', cache_directory '/a/..');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', cache_size '1kB');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', endpoint 'https://key:secret@host');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', region 'no where');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', path_style 'perhaps');
CREATE SERVER cloud FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket/prefix', endpoint 'http://127.0.0.1:1',
             region 'eu-central-1', path_style 'on');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
    OPTIONS (access_key_id 'key', secret_access_key 'two words');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
    OPTIONS (access_key_id 'key');
SELECT * FROM bb_timelines('cloud');
DROP SERVER cloud CASCADE;

-- a store is empty at first
SELECT * FROM bb_timelines('good');
SELECT * FROM bb_layers('good');

-- a server without a URL, unless it is the default one
CREATE SERVER nowhere FOREIGN DATA WRAPPER bbackup;
SELECT * FROM bb_timelines('nowhere');

-- a server that isn't a page store
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER other FOREIGN DATA WRAPPER other;
SELECT * FROM bb_timelines('other');
SELECT * FROM bb_timelines('missing');

-- invalid settings
SET bbackup.store_directory = 'relative';
\set VERBOSITY sqlstate
SET bbackup.layer_size = 0;
\set VERBOSITY default
SET bbackup.compression = 'rar';
SET bbackup.no_such_setting = 1;

DROP SERVER good CASCADE;
DROP SERVER nowhere;
DROP FOREIGN DATA WRAPPER other CASCADE;
