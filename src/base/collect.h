/*-------------------------------------------------------------------------
 *
 * collect.h
 *	  Collecting small writes in a buffer.
 *
 *	  while (length > 0)
 *		  if (bb_collect(buffer, size, &filled, &data, &length))
 *			  ... write the buffer, and set filled to 0
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COLLECT_H
#define BB_COLLECT_H

/*
 * bb_collect - move as many bytes as fit to a buffer, which has "filled" of
 * "size" bytes; returns whether it is full.
 */
static inline bool
bb_collect(void *buffer, size_t size, size_t *filled, const void **data,
		   size_t *length)
{
	size_t		n = Min(*length, size - *filled);

	memcpy((char *) buffer + *filled, *data, n);
	*filled += n;
	*data = (const char *) *data + n;
	*length -= n;
	return *filled == size;
}

#endif /* BB_COLLECT_H */
