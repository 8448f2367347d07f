-- what CREATE EXTENSION creates, and that DROP EXTENSION removes it
\pset format unaligned
\pset footer off
SELECT srvname, fdwname, srvoptions
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE fdwname = 'bbackup';

-- every object has a comment (except row types, which are members from 17 on)
SELECT pg_describe_object(classid, objid, objsubid) AS object
FROM pg_depend
WHERE deptype = 'e' AND classid <> 'pg_type'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
  AND obj_description(objid, classid::regclass::name) IS NULL;

-- and every column of a view
SELECT a.attrelid::regclass AS view, a.attname
FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND a.attnum > 0
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
  AND col_description(a.attrelid, a.attnum) IS NULL;

-- every function's name begins with bb_, and PUBLIC may not call it
SELECT p.proname,
       p.proacl IS NOT NULL
       AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
       AS revoked
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
ORDER BY 1;

-- a name has one type, as an argument and as a column; only the argument tli
-- is text, as recovery_target_timeline is
WITH arguments AS (
    SELECT p.proname, unnest(p.proargnames) AS argument,
           unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) AS type
    FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
)
SELECT argument, type::regtype, string_agg(proname, ' ' ORDER BY proname)
FROM arguments
WHERE argument IN (SELECT argument FROM arguments
                   WHERE (argument, type) <> ('tli', 'text'::regtype)
                   GROUP BY argument
                   HAVING count(DISTINCT type) > 1)
GROUP BY 1, 2 ORDER BY 1, 2;

-- arguments for a timeline and an LSN have these names; mandatory arguments
-- come first, without a default
SELECT p.proname, argument
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid, unnest(p.proargnames) AS argument
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
  AND argument ~ '^(lsn_|timeline_)'
ORDER BY 1, 2;
SELECT p.proname, p.proargnames[1] AS argument
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
  AND p.pronargs > p.pronargdefaults
ORDER BY 1, 2;

-- a view shows the rows of the function of its name
SELECT c.relname, pg_get_viewdef(c.oid) ~ ('bb_get_' || substr(c.relname, 4) || '\(') AS named_so
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relkind = 'v'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'bbackup')
ORDER BY 1;

-- settings, after the library was loaded
LOAD 'bbackup';
SELECT name, setting, unit, vartype, context
FROM pg_settings WHERE name LIKE 'bbackup.%' AND name NOT LIKE 'bbackup.%compression'
ORDER BY name;

DROP EXTENSION bbackup;
SELECT count(*) FROM pg_foreign_data_wrapper WHERE fdwname = 'bbackup';
CREATE EXTENSION bbackup;
