/*-------------------------------------------------------------------------
 *
 * packedfile.c
 *	  A file that may be compressed, read front to back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "archive/packedfile.h"
#include "base/resource.h"
#include "utils/memutils.h"

#define INPUT_BYTES (128 * 1024)

struct BbPackedFile
{
	MemoryContext context;
	const char *path;
	BbFd	   *fd;
	const BbDecompressMethod *method; /* NULL: not compressed */
	BbDecompressor *decompressor;	  /* NULL: not needed yet */
	bool		in_stream;			  /* one has begun, and not ended */
	const char *complaint;
	bool		unsupported;
	uint64		offset; /* of the next read */
	bool		at_end; /* of the file itself */
	size_t		filled; /* bytes of the input */
	size_t		used;
	uint8		input[INPUT_BYTES];
};

static void
complain(BbPackedFile *file, const char *format, const char *what)
{
	MemoryContext old = MemoryContextSwitchTo(file->context);

	file->complaint = psprintf(format, what);
	MemoryContextSwitchTo(old);
}

/* Read more input.  False: there is none. */
static bool
fill(BbPackedFile *file)
{
	ssize_t		n;

	if (file->at_end)
		return false;
	n = bb_fd_read_at(file->fd, file->input, INPUT_BYTES, file->offset);
	if (n < 0)
		complain(file, "It could not be read: %s.", strerror(errno));
	file->at_end = n <= 0;
	file->filled = Max(n, 0);
	file->used = 0;
	file->offset += file->filled;
	return n > 0;
}

/* pgBackRest and WAL-G encrypt as "openssl enc" does. */
static bool
is_encrypted(const BbPackedFile *file)
{
	static const char salted[] = "Salted__";

	return file->filled >= sizeof(salted) - 1 &&
		memcmp(file->input, salted, sizeof(salted) - 1) == 0;
}

static void
find_method(BbPackedFile *file)
{
	size_t		length;

	file->method = bb_decompress_suffix(file->path, &length);
	if (file->complaint != NULL)
		return;
	if (is_encrypted(file))
	{
		complain(file, "It is encrypted.%s", "");
		return;
	}
	if (file->method == NULL)
		file->method = bb_decompress_magic(file->input, file->filled);
	if (file->method == NULL || bb_decompress_is_built(file->method))
		return;
	file->unsupported = true;
	complain(file, "bbackup was built without %s.",
			 bb_decompress_name(file->method));
}

BbPackedFile *
bb_packedfile_open(const char *path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup packed file",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbPackedFile *file = palloc0(sizeof(BbPackedFile));
	struct stat st;

	file->context = context;
	file->path = pstrdup(path);
	/* without O_NONBLOCK, opening a FIFO would wait for a writer */
	file->fd = bb_fd_open(path, O_RDONLY | O_NONBLOCK | PG_BINARY, 0);
	if (file->fd == NULL && errno == ENOENT)
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		errno = ENOENT;
		return NULL;
	}
	if (file->fd == NULL || fstat(bb_fd_number(file->fd), &st) < 0)
		complain(file, "It could not be opened: %s.", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		complain(file, "It is not a regular file.%s", "");
	else
		(void) fill(file);
	find_method(file);
	MemoryContextSwitchTo(old);
	return file;
}

const BbDecompressMethod *
bb_packedfile_method(const BbPackedFile *file)
{
	return file->method;
}

/* ---- reading ---- */

static size_t
read_plain(BbPackedFile *file, uint8 *data, size_t length)
{
	size_t		n;

	if (file->used == file->filled && !fill(file))
		return 0;
	n = Min(length, file->filled - file->used);
	memcpy(data, file->input + file->used, n);
	file->used += n;
	return n;
}

static void
complain_of_stream(BbPackedFile *file, const char *what)
{
	MemoryContext old = MemoryContextSwitchTo(file->context);

	file->complaint = psprintf("Its %s data is broken: %s.",
							   bb_decompress_name(file->method), what);
	MemoryContextSwitchTo(old);
}

/* Decompress once; 0: nothing yet. */
static size_t
pump(BbPackedFile *file, uint8 *data, size_t length)
{
	BbDecompressFlow flow = {file->input + file->used,
							 file->filled - file->used, data, length};
	size_t		in = flow.in_left;
	BbDecompressState state;

	state = bb_decompressor_pump(file->decompressor, &flow);
	file->used += in - flow.in_left;
	file->in_stream = state == BB_DECOMPRESS_MORE;
	if (state == BB_DECOMPRESS_BROKEN)
		complain_of_stream(file,
						   bb_decompressor_complaint(file->decompressor));
	else if (state == BB_DECOMPRESS_MORE && in > 0 && flow.in_left == in &&
			 flow.out_left == length)
		complain_of_stream(file, "invalid data");
	return length - flow.out_left;
}

static size_t
read_stream(const BbReqCtx *ctx, BbPackedFile *file, uint8 *data,
			size_t length)
{
	MemoryContext old = MemoryContextSwitchTo(file->context);
	size_t		n = 0;

	if (file->decompressor == NULL)
		file->decompressor = bb_decompressor_new(file->method);
	while (n == 0 && file->complaint == NULL)
	{
		bool		empty = file->used == file->filled && !fill(file);

		bb_reqctx_check(ctx);
		if (file->complaint != NULL)
			break;
		if (empty && !file->in_stream && file->offset > 0)
			break;
		/* the library may still have some output */
		n = pump(file, data, length);
		if (n == 0 && empty && file->complaint == NULL)
		{
			complain_of_stream(file, "it ends too early");
			break;
		}
	}
	MemoryContextSwitchTo(old);
	return file->complaint == NULL ? n : 0;
}

size_t
bb_packedfile_read(const BbReqCtx *ctx, BbPackedFile *file, void *data,
				   size_t length)
{
	if (file->complaint != NULL || length == 0)
		return 0;
	return file->method == NULL ? read_plain(file, data, length)
								: read_stream(ctx, file, data, length);
}

const char *
bb_packedfile_complaint(const BbPackedFile *file)
{
	return file->complaint;
}

bool
bb_packedfile_is_unsupported(const BbPackedFile *file)
{
	return file->unsupported;
}

uint64
bb_packedfile_bytes_read(const BbPackedFile *file)
{
	return file->offset;
}

void
bb_packedfile_close(BbPackedFile *file)
{
	MemoryContextDelete(file->context);
}
