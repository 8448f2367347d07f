-- what CREATE EXTENSION made, and that it goes again
\pset format unaligned
\pset footer off
SELECT srvname, fdwname, srvoptions
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE fdwname = 'bbackup';

-- every object has a comment (but row types, which are members from 17 on)
SELECT pg_describe_object(classid, objid, objsubid) AS object
FROM pg_depend
WHERE deptype = 'e' AND classid <> 'pg_type'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
  AND obj_description(objid, classid::regclass::name) IS NULL;

-- and every function's name begins with bb_, and nobody may call it
SELECT p.proname,
       p.proacl IS NOT NULL
       AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
       AS revoked
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
ORDER BY 1;

-- settings, once the library is loaded
LOAD 'bbackup';
SELECT name, setting, unit, vartype, context
FROM pg_settings WHERE name LIKE 'bbackup.%' AND name <> 'bbackup.compression'
ORDER BY name;

DROP EXTENSION bbackup;
SELECT count(*) FROM pg_foreign_data_wrapper WHERE fdwname = 'bbackup';
CREATE EXTENSION bbackup;
