/*-------------------------------------------------------------------------
 *
 * s3_time.h
 *	  Times in S3's documents and headers: "2026-11-24T20:18:25Z".
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_S3_TIME_H
#define BB_S3_TIME_H

/* bb_s3_time_parse - return a time_t; 0 if the text isn't a time. */
extern int64 bb_s3_time_parse(const char *text);

/* bb_s3_time_text - return the text of a time_t, palloc'd. */
extern char *bb_s3_time_text(int64 time);

#endif /* BB_S3_TIME_H */
