/*-------------------------------------------------------------------------
 *
 * test_settings.c
 *	  The configuration of a backup: parsing files, the settings of a clone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "members/clonesettings.h"
#include "members/confparse.h"
#include "pagestore/catalog.h"
#include "unit.h"

#define LSN UINT64CONST(0x12345678)

static BbPageStore *
new_store(void)
{
	BbPageStoreInfo info = {
		.timeline = "main",
		.tli = 1,
		.wal_segment_size = 16 * 1024 * 1024,
		.directory_mode = 0700,
		.start_lsn = LSN,
		.end_lsn = LSN,
	};

	return fixture_pagestore_new(&info);
}

static void
put_directory(BbPageStore *store, uint32 ordinal, const char *path)
{
	fixture_put(store, bb_key_make(BB_KEY_FILE_DIRECTORY, 0, 0, ordinal, 0, 0),
				path, strlen(path));
}

static BbControl
small_control(void)
{
	return (BbControl){
		.major = bb_major_own(),
		.max_connections = 100,
		.max_worker_processes = 8,
		.max_wal_senders = 10,
		.max_locks_per_xact = 64,
		.wal_segment_size = 16 * 1024 * 1024,
	};
}

static BbSmallFiles *
files_of(const BbReqCtx *ctx, BbPageStore *store)
{
	return bb_smallfiles_new(ctx, unit_snapshot(store, LSN));
}

static char *
text_of(const BbReqCtx *ctx, BbSmallFiles *files, const char *path)
{
	size_t		length;
	char	   *text = bb_smallfiles_read(ctx, files, path, &length);

	CHECK(text == NULL || strlen(text) == length);
	return text;
}

static bool
is_set(const BbConf *conf, const char *name, const char *expected)
{
	const char *value = bb_conf_value(conf, name);

	return value != NULL && strcmp(value, expected) == 0;
}

static int
count_of(const char *text, const char *what)
{
	int			count = 0;

	for (const char *at = strstr(text, what); at != NULL;
		 at = strstr(at + 1, what))
		count++;
	return count;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t		length = strlen(text);

	return length >= strlen(end) &&
		strcmp(text + length - strlen(end), end) == 0;
}

/* ---- the list of files ---- */

/* Each path once, in order, without the files that a backup generates. */
UNIT_TEST(smallfiles_each_path_once)
{
	BbPageStore *store = new_store();
	BbSmallFiles *files;
	BbSmallFilesWalk walk = {0};
	StringInfoData text;
	BbMember	member;

	fixture_put_file(store, 1, "neon.signal", "PREV LSN: 0/1");
	fixture_put_file(store, 6, "a-b", "");
	fixture_put_file(store, 7, "a/b/c", "");
	fixture_put_file(store, 8, "pg_wal/00000002.history", "old");
	fixture_put_file(store, 9, "pg_wal/00000002.history", "newer");
	put_directory(store, 1, "a");
	put_directory(store, 2, "e/f");
	put_directory(store, 3, "e/f");
	files = files_of(ctx, store);
	CHECK(strcmp(text_of(ctx, files, "pg_wal/00000002.history"), "newer") ==
		  0);
	bb_smallfiles_write(files, "b", pstrdup("new"), 3);
	bb_smallfiles_write(files, "a-b", pstrdup("other"), 5);
	bb_smallfiles_remove(files, "nothing");

	initStringInfo(&text);
	walk.files = files;
	walk.major = bb_major_own();
	while (bb_smallfiles_next(&walk, &member))
		appendStringInfo(&text, "%s %s " UINT64_FORMAT " %o\n",
						 bb_member_kind_name(member.kind), member.path,
						 member.size, (unsigned int) member.mode);
	CHECK(strcmp(text.data,
				 "directory a 0 700\n"
				 "config a-b 5 640\n"
				 "directory a/b 0 700\n"
				 "config a/b/c 0 640\n"
				 "generated b 3 600\n"
				 "directory e 0 700\n"
				 "directory e/f 0 700\n"
				 "history pg_wal/00000002.history 5 640\n") == 0);
}

/* Paths that import never captures, as a file and as a directory. */
UNIT_TEST(smallfiles_refused)
{
	const char *const paths[] = {"../elsewhere",	"standby.signal",
								 "recovery.signal", "backup_label",
								 "tablespace_map",	"pg_wal/archive_status"};

	for (int i = 0; i < lengthof(paths); i++)
	{
		BbPageStore *store = new_store();

		fixture_put_file(store, 1, paths[i], "");
		CHECK_ERROR(files_of(ctx, store), ERRCODE_DATA_CORRUPTED);
		store = new_store();
		put_directory(store, 1, paths[i]);
		CHECK_ERROR(files_of(ctx, store), ERRCODE_DATA_CORRUPTED);
	}
}

/* ---- parsing files ---- */

UNIT_TEST(conf_follows_includes)
{
	BbPageStore *store = new_store();
	BbConf		conf;

	fixture_put_file(store, 1, "postgresql.conf",
					 "port = 1 # comment\n"
					 "work_mem '4MB'\n"
					 "include = 'more/one.conf'\n"
					 "shared_buffers = '12''3'\n"
					 "  Include_Dir 'conf.d'\r\n"
					 "include_if_exists 'missing.conf'\n"
					 "include '/etc/postgresql/common.conf'\n"
					 "#include 'commented.conf'\n"
					 "include_if_exists '../../up.conf'\n"
					 "include.this = on\n"
					 "last_of_all = 1");
	fixture_put_file(store, 2, "more/one.conf",
					 "include 'two.conf'\nport = 2\nWORK_MEM = '5MB'\n");
	fixture_put_file(store, 3, "more/two.conf",
					 "found = beside\ninclude 'one.conf'\n");
	fixture_put_file(store, 4, "conf.d/b.conf", "chosen = b\nonly_b = 1\n");
	fixture_put_file(store, 5, "conf.d/a.conf", "chosen = a\n");
	fixture_put_file(store, 6, "conf.d/.hidden.conf", "chosen = hidden\n");
	fixture_put_file(store, 7, "conf.d/z.conf.bak", "chosen = bak\n");
	fixture_put_file(store, 8, "conf.d/sub/z.conf", "chosen = sub\n");
	fixture_put_file(store, 9, "two.conf", "found = above\n");
	fixture_put_file(store, 10, "commented.conf", "commented = on\n");
	fixture_put_file(store, 11, "postgresql.auto.conf", "only_b = '2'\n");

	conf = bb_conf_parse(ctx, files_of(ctx, store));
	CHECK(is_set(&conf, "port", "2"));
	CHECK(is_set(&conf, "work_mem", "5MB"));
	CHECK(is_set(&conf, "found", "beside"));
	CHECK(is_set(&conf, "shared_buffers", "12'3"));
	CHECK(is_set(&conf, "chosen", "b"));
	CHECK(is_set(&conf, "only_b", "2"));
	CHECK(is_set(&conf, "include.this", "on"));
	CHECK(is_set(&conf, "last_of_all", "1"));
	CHECK(bb_conf_value(&conf, "commented") == NULL);
	CHECK(list_length(conf.outside) == 2);
	CHECK(strcmp(linitial(conf.outside), "/etc/postgresql/common.conf") == 0);
	CHECK(conf.missing == NIL);
}

/* A server does not start without them. */
UNIT_TEST(conf_includes_what_is_not_there)
{
	BbPageStore *store = new_store();
	BbConf		conf;

	fixture_put_file(store, 1, "postgresql.conf",
					 "include 'no.conf'\n"
					 "include_dir 'no.d'\n"
					 "include_dir 'empty.d'\n"
					 "include_dir 'full.d'\n"
					 "include_dir 'none.d'\n"
					 "include 'empty.d'\n"
					 "include_if_exists 'no.conf'\n");
	fixture_put_file(store, 2, "full.d/a.conf", "include 'no.conf'\n");
	fixture_put_file(store, 3, "none.d/README", "");
	put_directory(store, 1, "empty.d");

	conf = bb_conf_parse(ctx, files_of(ctx, store));
	CHECK(list_length(conf.missing) == 4);
	CHECK(strcmp(linitial(conf.missing), "no.conf") == 0);
	CHECK(strcmp(lsecond(conf.missing), "no.d") == 0);
	CHECK(strcmp(lthird(conf.missing), "full.d/no.conf") == 0);
	CHECK(strcmp(lfourth(conf.missing), "empty.d") == 0);
}

/* A line that the server couldn't read isn't an error here, and is cheap. */
UNIT_TEST(conf_that_is_broken)
{
	BbPageStore *store = new_store();
	BbConf		conf;

	fixture_put_file(store, 1, "postgresql.conf", "a = 1\n= = =\nb = 2\n");
	fixture_put_file(store, 2, "postgresql.auto.conf", "");
	conf = bb_conf_parse(ctx, files_of(ctx, store));
	CHECK(is_set(&conf, "a", "1"));

	store = new_store();
	fixture_put_file(store, 1, "postgresql.conf", "include_dir 'd'\n");
	for (int i = 0; i < 20; i++)
		fixture_put_file(store, 2 + i, psprintf("d/%02d.conf", i),
						 "include_dir '.'\ninclude_dir '../d'\n");
	conf = bb_conf_parse(ctx, files_of(ctx, store));
	CHECK(conf.files == 1000);

	conf = bb_conf_parse(ctx, files_of(ctx, new_store()));
	CHECK(conf.settings == NIL);
}

/* ---- the settings of a clone ---- */

UNIT_TEST(settings_of_a_clone)
{
	BbControl	control = small_control();
	BbDataNeeds needs = {.control = &control};
	BbPageStore *store = new_store();
	BbPageStore *second = new_store();
	BbSmallFiles *files;
	BbConf		conf;
	char	   *text;

	fixture_put_file(store, 1, "postgresql.conf",
					 "archive_mode = on\n"
					 "Data_Directory = '/srv/parent'\n"
					 "include 'more.conf'\n"
					 "log_directory = '/var/log/parent'\n");
	fixture_put_file(store, 2, "more.conf",
					 "\nexternal_pid_file = '/run/parent.pid'\nport = 7");
	fixture_put_file(store, 3, "postgresql.auto.conf",
					 "# Do not edit\nprimary_conninfo = 'host=parent'\n"
					 "external_pid_file = 'x'\narchive_mode = always");

	/* unchanged, for a cluster that takes the source's place */
	files = files_of(ctx, store);
	CHECK(bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs) ==
		  NIL);
	conf = bb_conf_parse(ctx, files);
	CHECK(is_set(&conf, "archive_mode", "always"));
	CHECK(is_set(&conf, "data_directory", "/srv/parent"));
	CHECK(is_set(&conf, "primary_conninfo", "host=parent"));

	files = files_of(ctx, store);
	CHECK(bb_clonesettings_apply(ctx, files, BB_SETTINGS_CLONE, &needs) ==
		  NIL);
	conf = bb_conf_parse(ctx, files);
	CHECK(is_set(&conf, "archive_mode", "off"));
	CHECK(is_set(&conf, "primary_conninfo", ""));
	CHECK(is_set(&conf, "restore_command", ""));
	CHECK(is_set(&conf, "max_logical_replication_workers", "0"));
	CHECK(is_set(&conf, "log_directory", "log"));
	CHECK(is_set(&conf, "port", "7"));
	CHECK(bb_conf_value(&conf, "data_directory") == NULL);
	CHECK(bb_conf_value(&conf, "external_pid_file") == NULL);
	text = text_of(ctx, files, "more.conf");
	CHECK(strcmp(text,
				 "\n# disabled in a clone (bbackup): external_pid_file "
				 "= '/run/parent.pid'\nport = 7") == 0);
	text = text_of(ctx, files, "postgresql.auto.conf");
	CHECK(strncmp(text,
				  "# Do not edit\nprimary_conninfo = 'host=parent'\n# "
				  "disabled in a clone",
				  60) == 0);
	CHECK(strstr(text, "\narchive_mode = always\n# begin of ") != NULL);
	CHECK(ends_with(text,
					"\n# end of settings that keep a clone apart "
					"(bbackup)\n"));

	/* a clone of the clone has the same block, once */
	fixture_put_file(second, 1, "postgresql.conf", "");
	fixture_put_file(second, 2, "postgresql.auto.conf",
					 psprintf("%slog_directory = '/elsewhere'\n", text));
	files = files_of(ctx, second);
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_CLONE, &needs);
	text = text_of(ctx, files, "postgresql.auto.conf");
	CHECK(count_of(text, "# begin of ") == 1);
	CHECK(count_of(text, "primary_conninfo = ''") == 1);
	CHECK(ends_with(text,
					"\nlog_directory = 'log'\n# end of settings that "
					"keep a clone apart (bbackup)\n"));

	/* a cluster that takes the clone's place has its settings and the block */
	files = files_of(ctx, second);
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs);
	CHECK(count_of(text_of(ctx, files, "postgresql.auto.conf"),
				   "# begin of ") == 1);
}

/* Without configuration files, a file with the block is generated. */
UNIT_TEST(settings_of_nothing)
{
	BbControl	control = small_control();
	BbDataNeeds needs = {.control = &control};
	BbSmallFiles *files = files_of(ctx, new_store());

	bb_clonesettings_apply(ctx, files, BB_SETTINGS_CLONE, &needs);
	CHECK(strncmp(text_of(ctx, files, "postgresql.auto.conf"),
				  "# begin of settings that keep", 29) == 0);
	files = bb_smallfiles_new(ctx, unit_snapshot(new_store(), LSN));
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs);
	CHECK(text_of(ctx, files, "postgresql.auto.conf") == NULL);
}

/* A server doesn't start with a setting that its major version doesn't have. */
UNIT_TEST(settings_are_those_of_the_major_version)
{
	for (int number = BB_MAJOR_OLDEST; number <= BB_MAJOR_NEWEST; number++)
	{
		BbControl	control = small_control();
		BbDataNeeds needs = {.control = &control, .origins = 1000};
		BbSmallFiles *files = files_of(ctx, new_store());
		const char *text;

		control.major = bb_major_of(number * 10000);
		bb_clonesettings_apply(ctx, files, BB_SETTINGS_CLONE, &needs);
		text = text_of(ctx, files, "postgresql.auto.conf");
		CHECK((strstr(text, "\npromote_trigger_file = ''\n") != NULL) ==
			  (number < 16));
		CHECK((strstr(text, "\nsync_replication_slots = 'off'\n") != NULL) ==
			  (number >= 17));
		CHECK(strstr(text,
					 number >= 18
						 ? "\nmax_active_replication_origins = '1000'\n"
						 : "\nmax_replication_slots = '1000'\n") != NULL);
	}
}

UNIT_TEST(settings_that_data_need)
{
	BbControl	control = small_control();
	BbDataNeeds needs = {.control = &control};
	BbPageStore *store = new_store();
	BbPageStore *again = new_store();
	BbSmallFiles *files;
	BbConf		conf;
	char	   *text;

	fixture_put_file(store, 1, "postgresql.conf",
					 "max_connections = 10\nmax_prepared_transactions = 3\n"
					 "min_wal_size = '32MB'\n");
	fixture_put_file(store, 2, "postgresql.auto.conf", "a = 1\n");

	/* enough */
	control.max_prepared_xacts = 50;
	needs.prepared = 0;
	needs.origins = 10;
	files = files_of(ctx, store);
	CHECK(bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs) ==
		  NIL);
	CHECK(strcmp(text_of(ctx, files, "postgresql.auto.conf"), "a = 1\n") == 0);

	/* all settings are too low */
	control.track_commit_timestamp = true;
	control.wal_segment_size = 1024 * 1024 * 1024;
	needs.prepared = 1;
	needs.origins = 11;
	files = files_of(ctx, store);
	CHECK(list_length(bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE,
											 &needs)) == 6);
	conf = bb_conf_parse(ctx, files);
	CHECK(is_set(&conf, "max_prepared_transactions", "50"));
	/* (3 + 1 + 100 + 8 + 10 + 50) * 64 / (3 + 1 + 10 + 8 + 10 + 50) */
	CHECK(is_set(&conf, "max_locks_per_transaction", "135"));
	CHECK(is_set(&conf, "track_commit_timestamp", "on"));
	CHECK(is_set(&conf,
				 PG_VERSION_NUM >= 180000 ? "max_active_replication_origins"
										  : "max_replication_slots",
				 "11"));
	CHECK(is_set(&conf, "min_wal_size", "2048MB"));
	CHECK(is_set(&conf, "max_wal_size", "2048MB"));
	CHECK(is_set(&conf, "a", "1"));

	/* once, and removed where they are not needed */
	text = text_of(ctx, files, "postgresql.auto.conf");
	fixture_put_file(again, 1, "postgresql.auto.conf", text);
	fixture_put_file(again, 2, "postgresql.conf", "max_connections = 10\n");
	files = files_of(ctx, again);
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs);
	CHECK(strcmp(text_of(ctx, files, "postgresql.auto.conf"), text) == 0);
	control = small_control();
	needs.prepared = 0;
	needs.origins = 0;
	files = files_of(ctx, again);
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_SOURCE, &needs);
	CHECK(strcmp(text_of(ctx, files, "postgresql.auto.conf"), "a = 1\n") == 0);

	/* values that no server can have are ignored */
	control.max_connections = INT_MAX;
	control.max_locks_per_xact = INT_MAX;
	control.max_prepared_xacts = -1;
	needs.prepared = PG_UINT32_MAX;
	files = files_of(ctx, store);
	bb_clonesettings_apply(ctx, files, BB_SETTINGS_CLONE, &needs);
}
