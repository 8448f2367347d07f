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
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', encrypted 'perhaps');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', encryption_key_file 'key');

-- keys of a role, and how object storage keeps objects
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'magic');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'instance',
             credentials_endpoint 'http://example.org/');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'instance',
             credentials_endpoint 'http://127.0.0.1.example.org/');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'instance',
             credentials_endpoint 'https://user:password@host/');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials_endpoint 'https://host/');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'web_identity', role_arn 'backup');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', credentials 'web_identity',
             credentials_token_file 'token');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', server_side_encryption 'rot13');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', kms_key_id 'alias/backup');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', server_side_encryption 'AES256',
             kms_key_id 'alias/backup');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', server_side_encryption 'aws:kms',
             kms_key_id E'alias/backup\r\nx-amz-acl: public-read');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', server_side_encryption 'aws:kms',
             bucket_key 'perhaps');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', storage_class 'GLACIER');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', storage_class 'standard ia');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', object_lock_mode 'COMPLIANCE');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', object_lock_mode 'FOREVER',
             object_lock_days '30');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', object_lock_mode 'GOVERNANCE',
             object_lock_days '1 month');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 'file:///tmp/bb_regress_no_such_store',
             storage_class 'STANDARD_IA');
CREATE SERVER rolled FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket', region 'eu-central-1',
             credentials 'web_identity',
             credentials_endpoint 'https://sts.eu-central-1.amazonaws.com/',
             credentials_token_file '/run/token',
             role_arn 'arn:aws:iam::123456789012:role/backup',
             server_side_encryption 'aws:kms', kms_key_id 'alias/backup',
             bucket_key 'on', storage_class 'STANDARD_IA',
             object_lock_mode 'COMPLIANCE', object_lock_days '30');
ALTER SERVER rolled OPTIONS (DROP object_lock_days);
DROP SERVER rolled;

CREATE SERVER cloud FOREIGN DATA WRAPPER bbackup
    OPTIONS (url 's3://bucket/prefix', endpoint 'http://127.0.0.1:1',
             region 'eu-central-1', path_style 'on');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
    OPTIONS (access_key_id 'key', secret_access_key 'two words');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
    OPTIONS (encryption_key 'no key');
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
