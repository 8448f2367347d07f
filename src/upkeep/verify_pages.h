/*-------------------------------------------------------------------------
 *
 * verify_pages.h
 *	  Verification of pages: is what a backup at an LSN would have right?
 *
 * Checksums show that layers are as they were written.  That what was written
 * makes the pages of a cluster is shown by making them, at some LSNs:
 *
 *	  values	control file, checkpoint, relation maps, and what exists:
 *				databases, relations and their sizes, files, …
 *	  blocks	of files, SLRUs, relations, prepared transactions: each block that
 *				a size says is there, with its length.	A page of a relation has
 *				its checksum, if the cluster has them, a sound header, and no LSN
 *				that is later.
 *
 * Blocks are read by a scan, as a backup does.  Where that fails, they are read
 * one by one, so that a finding names those that can't be read.
 *
 * The store may have more blocks than a size says, from before a truncation
 * (ingest/relsizes.h); nobody reads them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_VERIFY_PAGES_H
#define BB_VERIFY_PAGES_H

#include "upkeep/verify.h"

/*
 * bb_verify_pages - do the next piece of the pages of pass->lsns.
 *
 * Returns false at the end.
 */
extern bool bb_verify_pages(const BbReqCtx *ctx, BbObjectStore *objects,
							BbVerifyPass *pass);

#endif /* BB_VERIFY_PAGES_H */
