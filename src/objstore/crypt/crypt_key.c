/*-------------------------------------------------------------------------
 *
 * crypt_key.c
 *	  The keys of a store that its options give.
 *
 * The user mapping, the file, or the output of the command, is a text: keys of
 * 64 hexadecimal digits, with white space or commas between them, and comments
 * from '#' to the end of a line.
 *
 * The command runs as a child of the backend, which waits for it with its latch,
 * so that a cancel ends both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/resource.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "objstore/crypt/crypt_internal.h"
#include "process/spawn.h"
#include "process/waitset.h"
#include "utils/memutils.h"

extern char **environ;

#define KEY_DIGITS (2 * BB_KEY_BYTES)

/* The most that a file has, or a command prints. */
#define TEXT_BYTES 8192

/* How long a command may take to exit after it has closed its output. */
#define LOOK_MS 5

/* What the last command of this session has printed. */
static struct
{
	char	   *command; /* NULL: none */
	BbStoreKeys keys;
}			kept;

static void
wipe_keys(void *arg)
{
	explicit_bzero(arg, sizeof(BbStoreKeys));
}

/* ---- the text ---- */

static void
set_id(BbStoreKey *key)
{
	static const char purpose[] = "bbackup store key\n";
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) purpose,
							 sizeof(purpose) - 1) < 0 ||
		pg_cryptohash_update(hash, key->bytes, BB_KEY_BYTES) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute SHA-256")));
	pg_cryptohash_free(hash);
	memcpy(key->id, digest, BB_KEY_ID_BYTES);
}

char *
bb_storekey_name(const uint8 *id)
{
	char	   *name = palloc(2 * BB_KEY_ID_BYTES + 1);

	for (int i = 0; i < BB_KEY_ID_BYTES; i++)
		sprintf(name + 2 * i, "%02x", id[i]);
	return name;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_key(const char *digits, BbStoreKey *key)
{
	for (int i = 0; i < KEY_DIGITS; i += 2)
	{
		int			high = digit_value(digits[i]);
		int			low = digit_value(digits[i + 1]);

		if (high < 0 || low < 0)
			return false;
		key->bytes[i / 2] = (uint8) (high << 4 | low);
	}
	set_id(key);
	return true;
}

/* Returns false if the text has something else than keys and comments. */
static bool
parse_keys(const char *text, BbStoreKeys *keys)
{
	keys->n = 0;
	for (;;)
	{
		size_t		length;

		text += strspn(text, " \t\r\n,");
		if (*text == '\0')
			return true;
		if (*text == '#')
		{
			text += strcspn(text, "\n");
			continue;
		}
		length = strcspn(text, " \t\r\n,#");
		if (length != KEY_DIGITS || keys->n == BB_STORE_KEYS_MAX ||
			!parse_key(text, &keys->keys[keys->n]))
			return false;
		keys->n++;
		text += length;
	}
}

static void
need_keys(const char *text, const char *where, BbStoreKeys *keys)
{
	bool		valid = parse_keys(text, keys);

	if (!valid || keys->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PASSWORD),
				 valid ? errmsg("there is no encryption key in %s", where)
					   : errmsg("invalid encryption key in %s", where),
				 errdetail("A key has %d hexadecimal digits; there may be up "
						   "to %d keys.",
						   KEY_DIGITS, BB_STORE_KEYS_MAX),
				 errhint("Make one by \"openssl rand -hex 32\".")));
}

/* ---- the file ---- */

/* The rule for the server's own private key. */
static bool
others_may_read(const struct stat *st)
{
	return (st->st_uid == geteuid() && (st->st_mode & (S_IRWXG | S_IRWXO))) ||
		(st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)));
}

static void
read_file(const char *path, char *text)
{
	BbFd	   *fd = bb_fd_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	ssize_t		n;

	if (fd == NULL)
		bb_report_file("could not open encryption key file \"%s\": %m", path);
	if (fstat(bb_fd_number(fd), &st) < 0)
		bb_report_file("could not stat encryption key file \"%s\": %m", path);
	if (!S_ISREG(st.st_mode) || others_may_read(&st) ||
		(st.st_uid != geteuid() && st.st_uid != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PASSWORD),
				 errmsg("encryption key file \"%s\" is not private", path),
				 errdetail("It must be a regular file that belongs to the "
						   "server's user with mode 0600 or less, or to root "
						   "with mode 0640 or less.")));
	n = bb_fd_read_at(fd, text, TEXT_BYTES - 1, 0);
	if (n < 0)
		bb_report_file("could not read encryption key file \"%s\": %m", path);
	text[n] = '\0';
	(void) bb_fd_close(fd);
}

/* ---- the command ---- */

typedef struct Command
{
	pid_t		pid; /* 0: not running, or reaped */
	BbFd	   *output;
} Command;

static void
kill_command(void *arg)
{
	Command	   *command = arg;

	if (command->pid == 0)
		return;
	(void) kill(-command->pid, SIGKILL);
	(void) kill(command->pid, SIGKILL);
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
	command->pid = 0;
}

static void
start_command(const char *text, Command *command)
{
	char	   *arguments[] = {"/bin/sh", "-c", unconstify(char *, text),
							   NULL};
	int			fds[3] = {BB_SPAWN_NULL, -1, STDERR_FILENO};
	BbSpawn		spawn = {.arguments = arguments,
						 .environment = environ,
						 .fds = fds,
						 .nfds = 3};
	int			ends[2];
	BbFd	   *input;

	if (pipe(ends) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	command->output = bb_fd_adopt(ends[0]);
	input = bb_fd_adopt(ends[1]);
	fds[1] = ends[1];
	(void) fcntl(ends[0], F_SETFL, O_NONBLOCK);
	bb_on_reset(CurrentMemoryContext, kill_command, command);
	command->pid = bb_spawn(&spawn);
	if (command->pid < 0)
	{
		command->pid = 0;
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not start encryption_key_command: %m")));
	}
	(void) bb_fd_close(input);
}

/* Read up to the end of the output, or until the text is full. */
static void
read_output(const BbReqCtx *ctx, Command *command, char *text)
{
	int			fd = bb_fd_number(command->output);
	size_t		length = 0;

	for (;;)
	{
		ssize_t		n = read(fd, text + length, TEXT_BYTES - 1 - length);

		bb_reqctx_check(ctx);
		if (n == 0)
			break;
		if (n > 0)
			length += n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
		{
			(void) WaitLatchOrSocket(MyLatch,
									 WL_LATCH_SET | WL_SOCKET_READABLE |
										 WL_EXIT_ON_PM_DEATH,
									 fd, -1, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		else if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from encryption_key_command: "
							"%m")));
	}
	text[length] = '\0';
	if (length == TEXT_BYTES - 1)
	{
		kill_command(command);
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("encryption_key_command of the page store printed "
						"more than keys")));
	}
}

static void
run_command(const BbReqCtx *ctx, const char *text, char *output)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup key command",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Command	   *command = palloc0(sizeof(Command));
	int			status;
	pid_t		reaped;

	start_command(text, command);
	read_output(ctx, command, output);
	while ((reaped = waitpid(command->pid, &status, WNOHANG)) == 0)
		bb_latch_wait(ctx, LOOK_MS);
	command->pid = 0;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (reaped < 0 || status != 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("encryption_key_command of the page store failed"),
				 reaped < 0 ? 0
							: errdetail_internal("%s",
												 wait_result_to_str(status)),
				 errhint("What it wrote to its standard error is in the "
						 "server's log.")));
}

static void
keys_of_command(const BbReqCtx *ctx, const char *command, bool again,
				char *text, BbStoreKeys *keys)
{
	if (again || kept.command == NULL || strcmp(kept.command, command) != 0)
	{
		char	   *copy;

		run_command(ctx, command, text);
		need_keys(text, "the output of encryption_key_command", keys);
		copy = MemoryContextStrdup(TopMemoryContext, command);
		if (kept.command != NULL)
			pfree(kept.command);
		kept.command = copy;
		kept.keys = *keys;
	}
	*keys = kept.keys;
}

/* ---- all of them ---- */

static void
wipe_text(void *arg)
{
	explicit_bzero(arg, TEXT_BYTES);
}

const BbStoreKeys *
bb_storekeys_read(const BbReqCtx *ctx, const BbObjectStoreOptions *options,
				  bool again)
{
	BbStoreKeys *keys = palloc0(sizeof(BbStoreKeys));
	char	   *text = palloc0(TEXT_BYTES);

	bb_on_reset(CurrentMemoryContext, wipe_keys, keys);
	bb_on_reset(CurrentMemoryContext, wipe_text, text);
	/* the owner's choice comes before that of a user */
	if (options->encryption_key_file != NULL)
	{
		read_file(options->encryption_key_file, text);
		need_keys(text, psprintf("file \"%s\"", options->encryption_key_file),
				  keys);
	}
	else if (options->encryption_key_command != NULL)
		keys_of_command(ctx, options->encryption_key_command, again, text,
						keys);
	else if (options->encryption_key != NULL)
		need_keys(options->encryption_key, "the user mapping", keys);
	else
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("there is no encryption key for the page store"),
				 errhint("Set encryption_key in the user mapping, or "
						 "encryption_key_file or encryption_key_command of "
						 "the server.")));
	explicit_bzero(text, TEXT_BYTES);
	return keys;
}
