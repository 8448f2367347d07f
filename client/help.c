/*-------------------------------------------------------------------------
 *
 * help.c
 *	  What --help prints.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "help.h"

static const char help_text[] =
	"bb_basebackup takes a base backup out of a page store of bbackup.\n"
	"\n"
	"Usage:\n"
	"  bb_basebackup [OPTION]...\n"
	"\n"
	"Options controlling the output:\n"
	"  -D, --pgdata=DIRECTORY receive base backup into directory\n"
	"  -F, --format=p|t       output format (plain (default), tar)\n"
	"  -f, --file=FILE        one tar with everything (\"-\": standard output)\n"
	"  -r, --max-rate=RATE    maximum transfer rate\n"
	"                         (in kB/s, or use suffix \"k\", \"M\" or \"G\")\n"
	"  -T, --tablespace-mapping=OLDDIR=NEWDIR\n"
	"                         relocate tablespace in OLDDIR, or with that OID, to\n"
	"                         NEWDIR; others become directories in pg_tblspc\n"
	"  -z, --gzip             compress tar output\n"
	"  -Z, --compress=[server-]METHOD[:DETAIL]\n"
	"                         compress tar output on the server as specified\n"
	"\n"
	"Options controlling what is backed up:\n"
	"      --lsn=LSN          the cluster as it was at LSN\n"
	"      --time=TIME        the cluster as it was at TIME\n"
	"                         (default: at the end of the timeline)\n"
	"      --store=SERVER     page store (default: bbackup)\n"
	"      --timeline=NAME    timeline of the store (default: main)\n"
	"      --new-tli=TLI      timeline ID of the clone\n"
	"      --settings=clone|source\n"
	"                         configuration for a clone, which leaves the source\n"
	"                         alone (default), or that of the source as it is, to\n"
	"                         take its place\n"
	"      --thin             without relation data\n"
	"\n"
	"General options:\n"
	"      --decode           read what COPY (SELECT bb_basebackup_stream(...)) TO\n"
	"                         ... (FORMAT binary) writes from standard input\n"
	"  -j, --jobs=NUM         use so many workers on the server\n"
	"  -l, --label=LABEL      set backup label\n"
	"  -n, --no-clean         do not clean up after errors\n"
	"  -N, --no-sync          do not wait for changes to be written safely to disk\n"
	"  -P, --progress         show progress information\n"
	"  -v, --verbose          output verbose messages\n"
	"  -V, --version          output version information, then exit\n"
	"      --manifest-checksums=SHA{224,256,384,512}|CRC32C|NONE\n"
	"                         use algorithm for manifest checksums\n"
	"      --manifest-force-encode\n"
	"                         hex encode all file names in manifest\n"
	"      --no-estimate-size do not estimate backup size in server side\n"
	"      --no-manifest      suppress generation of backup manifest\n"
	"  -?, --help             show this help, then exit\n"
	"\n"
	"Connection options:\n"
	"  -d, --dbname=CONNSTR   database that has the extension, or connection string\n"
	"                         (default: postgres)\n"
	"  -h, --host=HOSTNAME    database server host or socket directory\n"
	"  -p, --port=PORT        database server port number\n"
	"  -U, --username=NAME    connect as specified database user\n"
	"  -w, --no-password      never prompt for password\n"
	"  -W, --password         force password prompt (should happen automatically)\n"
	"\n"
	"Of pg_basebackup's options, -c, -X fetch, -X stream, --no-slot and\n"
	"--no-verify-checksums are taken and change nothing: there is no checkpoint to\n"
	"wait for, the WAL that a backup needs is in it, and pages are always verified.\n";

void
bb_help(void)
{
	fputs(help_text, stdout);
}
