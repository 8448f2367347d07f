/*-------------------------------------------------------------------------
 *
 * forkkeys.h
 *	  The keys of a fork that a WAL record names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FORKKEYS_H
#define BB_FORKKEYS_H

#include "base/key.h"
#include "wal/compat.h"

static inline BbKey
bb_fork_size_key(const BbFork *fork)
{
	return bb_key_rel_size(fork->spc, fork->db, fork->rel, fork->fork);
}

static inline BbKey
bb_fork_block_key(const BbFork *fork, BlockNumber block)
{
	return bb_key_rel_block(fork->spc, fork->db, fork->rel, fork->fork, block);
}

/* The key of the fork's runs of zeros. */
static inline BbKey
bb_fork_zeros_key(const BbFork *fork)
{
	return bb_key_rel_zeros(fork->spc, fork->db, fork->rel, fork->fork);
}

#endif /* BB_FORKKEYS_H */
