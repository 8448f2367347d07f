-- bbackup_roles.sql: roles for the users of bbackup
--
--	psql -X -d mydb -f "$(pg_config --sharedir)/extension/bbackup_roles.sql"
--
-- Makes the roles if the cluster does not have them, and grants them what they
-- need of the extension in this database.  Run it as a superuser, in each
-- database that has the extension, and again after an ALTER EXTENSION UPDATE.
-- It may be run any number of times, and takes nothing away.
--
--	bbackup_read	lists, windows, statistics; no data, but of tables of the past
--					that they may select from
--	bbackup_backup	the same, and backups to the client, files and pages
--	bbackup_admin	the same, and everything else
--
-- Nobody can log in as one of them: grant them to the roles that can.  They
-- may use the page store "bbackup"; for others, and for sources:
--
--	GRANT USAGE ON FOREIGN SERVER archive TO bbackup_backup;
--
-- None of them can read or write files of the server.  That takes, in addition:
--
--	bb_import_directory, bb_ingest of a directory	pg_read_server_files
--	bb_restore, bb_basebackup_to_file				pg_write_server_files
--	programs; bb_test_restore that starts a server	pg_execute_server_program
--
-- Roles belong to the cluster, so CREATE EXTENSION does not make them, and DROP
-- EXTENSION does not drop them.  pg_dumpall dumps them, and pg_dump what they
-- are granted.

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

DO $roles$
DECLARE
    -- what a role may call, in addition to what the role before it may
    read_functions text := '^bb_(changes|check|databases|encryption|files|gaps'
        '|row_history|get_(access|findings|metrics|restore|stat|window)\w*|keeps|layer_map'
        '|layer_stats|layers|leases|lsn_\w+|metrics_text|relations|restore_points|run_checks'
        '|run_metrics|stat_scope|store_(credentials|forecast|growth|space)|tablespaces|timeline_states'
        '|timelines|transactions)$';
    backup_functions text := '^bb_(basebackup|basebackup_archives'
        '|basebackup_lo|basebackup_stream|clone_files|copy|get_page|lease|prefetch'
        '|read_blocks|read_file|release_lease|renew_lease|test_restore|undrop_table|wait)$';
    new_role text;
    before text;
    object record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension
                   WHERE extname = 'bbackup') THEN
        RAISE EXCEPTION 'database "%" does not have the extension bbackup',
            pg_catalog.current_database()
            USING HINT = 'CREATE EXTENSION bbackup; first.';
    END IF;

    FOREACH new_role IN ARRAY
        ARRAY['bbackup_read', 'bbackup_backup', 'bbackup_admin'] LOOP
        BEGIN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', new_role);
        EXCEPTION WHEN duplicate_object THEN
            NULL;
        END;
        IF before IS NOT NULL AND
           NOT pg_catalog.pg_has_role(new_role, before, 'USAGE') THEN
            EXECUTE pg_catalog.format('GRANT %I TO %I', before, new_role);
        END IF;
        before := new_role;
    END LOOP;

    -- functions; the validators are called by the server
    FOR object IN
        SELECT p.oid::pg_catalog.regprocedure AS name,
               CASE WHEN p.proname ~ read_functions THEN 'bbackup_read'
                    WHEN p.proname ~ backup_functions THEN 'bbackup_backup'
                    ELSE 'bbackup_admin' END AS role
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_proc p ON p.oid = d.objid
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND d.deptype = 'e' AND e.extname = 'bbackup'
          AND p.proname !~ '_validator$' LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO %I',
                                  object.name, object.role);
    END LOOP;

    -- views
    FOR object IN
        SELECT c.oid::pg_catalog.regclass AS name
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class c ON c.oid = d.objid
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND d.deptype = 'e' AND e.extname = 'bbackup'
          AND c.relkind = 'v' LOOP
        EXECUTE pg_catalog.format('GRANT SELECT ON %s TO bbackup_read',
                                  object.name);
    END LOOP;

    GRANT USAGE ON FOREIGN SERVER bbackup TO bbackup_read;
END
$roles$;

COMMIT;
