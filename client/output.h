/*-------------------------------------------------------------------------
 *
 * output.h
 *	  Where the archives of a backup go.
 *
 * Calls come in this order (it's that of the server's sink.h):
 *
 *	  (begin_archive write* end_archive)+ finish
 *
 * "finish" comes only when all of the backup is there, and gives things the
 * names that they are to have.	 Until then nothing has a name that somebody
 * could take for a backup: archives are FILE.part, and a data directory has
 * no global/pg_control.  Whatever fails ends the program, and what was made
 * so far goes with it: see cleanup.h.
 *
 * A new way out is a file with a struct that begins with BbOutput, and its
 * operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_OUTPUT_H
#define BB_CLIENT_OUTPUT_H

#include "mapping.h"

typedef struct BbOutput BbOutput;

typedef struct BbOutputOps
{
	void		(*begin_archive) (BbOutput *output, const char *name);
	void		(*write) (BbOutput *output, const char *data, size_t length);
	void		(*end_archive) (BbOutput *output);
	void		(*finish) (BbOutput *output);
} BbOutputOps;

struct BbOutput
{
	const BbOutputOps *ops;
};

static inline void
bb_output_begin_archive(BbOutput *output, const char *name)
{
	output->ops->begin_archive(output, name);
}

static inline void
bb_output_write(BbOutput *output, const char *data, size_t length)
{
	output->ops->write(output, data, length);
}

static inline void
bb_output_end_archive(BbOutput *output)
{
	output->ops->end_archive(output);
}

static inline void
bb_output_finish(BbOutput *output)
{
	output->ops->finish(output);
}

/* All of these are freed by "finish". */

/* bb_output_file_new - the one archive, as a file; "-" is stdout. */
extern BbOutput *bb_output_file_new(const char *path, bool sync);

/* bb_output_archives_new - a file each, in a directory that is empty or new. */
extern BbOutput *bb_output_archives_new(const char *directory, bool sync);

/*
 * bb_output_directory_new - the one archive, extracted: a data directory, which
 * is empty or new, with tablespaces elsewhere.
 */
extern BbOutput *bb_output_directory_new(const char *directory,
										 BbMappings *mappings, bool sync);

#endif /* BB_CLIENT_OUTPUT_H */
