-- what CREATE EXTENSION makes, and that it goes again
CREATE EXTENSION bbackup;

SELECT srvname, fdwname, srvoptions
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE fdwname = 'bbackup';

-- every function has a comment, is named bb_, and nobody may call it
SELECT p.proname, obj_description(p.oid, 'pg_proc') IS NOT NULL AS comment,
       p.proacl IS NOT NULL
       AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
       AS revoked
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
ORDER BY 1;

-- settings
SELECT name, setting, unit, vartype, context
FROM pg_settings WHERE name LIKE 'bbackup.%' AND name <> 'bbackup.compression'
ORDER BY name;

DROP EXTENSION bbackup;
SELECT count(*) FROM pg_foreign_data_wrapper WHERE fdwname = 'bbackup';
CREATE EXTENSION bbackup;
