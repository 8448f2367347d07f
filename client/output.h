/*-------------------------------------------------------------------------
 *
 * output.h
 *	  Outputs, which receive the archives of a backup.
 *
 * The order of calls is that of the server's sink.h:
 *
 *	  (begin_archive write* end_archive)+ finish
 *
 * "finish" is called only when the backup is complete, and gives files their
 * names.  Until then nothing looks like a backup: archives are FILE.part, and a
 * data directory has no global/pg_control.  An error ends the program, which
 * then removes the files that it created (cleanup.h).
 *
 * A new kind of output is a file with a struct that begins with BbOutput, and
 * its operations.
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

/* "finish" frees all of these. */

/* bb_output_file_new - write one archive to a file; "-" is standard output. */
extern BbOutput *bb_output_file_new(const char *path, bool sync);

/* bb_output_archives_new - write each archive to a file in a new or empty directory. */
extern BbOutput *bb_output_archives_new(const char *directory, bool sync);

/*
 * bb_output_directory_new - extract one archive into a new or empty data
 * directory, with mapped tablespaces elsewhere.
 */
extern BbOutput *bb_output_directory_new(const char *directory,
										 BbMappings *mappings, bool sync);

#endif /* BB_CLIENT_OUTPUT_H */
