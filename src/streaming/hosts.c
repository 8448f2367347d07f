/*-------------------------------------------------------------------------
 *
 * hosts.c
 *	  The hosts of a target, and their addresses.
 *
 *	  this process						a thread
 *		look up ── pthread_create ──►	getaddrinfo ... may take half a minute
 *		wait ◄────────── pipe ────────	end of file
 *		  │ cancel: leaves the thread alone, which frees what it has made
 *
 * libpq looks a name up by getaddrinfo(), which blocks, so that neither a cancel
 * nor the deadline of the call would end the wait for a name server.  So names
 * are looked up here, in a thread with all signals blocked, and libpq gets the
 * address and the name (hostaddr and host).  The thread touches nothing of this
 * process but its struct.  Both sides of a lookup own that struct; the last one
 * that lets it go frees it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/resource.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "streaming/hosts_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Enough for an IPv6 address with its scope. */
#define ADDRESS_SIZE 128

/* ---- the hosts of a target ---- */

const char *
bb_replhost_option(const BbReplTarget *target, const char *keyword,
				   const char *otherwise)
{
	for (int i = 0; target->keywords[i] != NULL; i++)
	{
		if (strcmp(target->keywords[i], keyword) == 0 &&
			target->values[i] != NULL && target->values[i][0] != '\0')
			return target->values[i];
	}
	return otherwise;
}

/* Split a list at its commas; NIL if there is none. */
static List *
split(const char *list)
{
	List	   *items = NIL;

	while (list != NULL)
	{
		size_t		length = strcspn(list, ",");

		items = lappend(items, pnstrdup(list, length));
		list = list[length] == ',' ? list + length + 1 : NULL;
	}
	return items;
}

/* Returns NULL for an empty or missing item. */
static const char *
item(const List *items, int i)
{
	const char *text = i < list_length(items) ? list_nth(items, i) : "";

	return text[0] != '\0' ? text : NULL;
}

static void
check_counts(const BbReplTarget *target, const List *names,
			 const List *addresses, const List *ports)
{
	int			n = Max(list_length(names), list_length(addresses));

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("source \"%s\" has no host", target->name),
				 errhint("ALTER SERVER %s OPTIONS (ADD host 'name').",
						 quote_identifier(target->name))));
	if ((names != NIL && addresses != NIL &&
		 list_length(names) != list_length(addresses)) ||
		(list_length(ports) != 1 && list_length(ports) != n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hosts and ports of source \"%s\" do not match",
						target->name),
				 errdetail("There are %d names, %d addresses and %d ports.",
						   list_length(names), list_length(addresses),
						   list_length(ports))));
}

List *
bb_replhosts_of(const BbReplTarget *target)
{
	List	   *names = split(bb_replhost_option(target, "host", NULL));
	List	   *addresses = split(
		bb_replhost_option(target, "hostaddr", NULL));
	List	   *ports = split(
		bb_replhost_option(target, "port", DEF_PGPORT_STR));
	List	   *hosts = NIL;
	int			n = Max(list_length(names), list_length(addresses));

	check_counts(target, names, addresses, ports);
	for (int at = 0; at < n; at++)
	{
		BbReplHost *host = palloc(sizeof(BbReplHost));
		int			i = (at + target->first_host) % n;

		host->host = item(names, i);
		host->hostaddr = item(addresses, i);
		host->port = item(ports, list_length(ports) == 1 ? 0 : i);
		if (host->port == NULL)
			host->port = DEF_PGPORT_STR;
		if (host->host == NULL && host->hostaddr == NULL)
			host->host = DEFAULT_PGSOCKET_DIR;
		hosts = lappend(hosts, host);
	}
	return hosts;
}

int
bb_repl_host_count(const BbReplTarget *target)
{
	return list_length(bb_replhosts_of(target));
}

/* ---- looking up ---- */

/* Allocated by malloc, since the thread may be the last that uses it. */
typedef struct Lookup
{
	pg_atomic_uint32 owners;
	int			fds[2]; /* a pipe; its end of file: the thread is done */
	struct addrinfo *found;
	int			error;
	char		port[NI_MAXSERV];
	char		name[FLEXIBLE_ARRAY_MEMBER];
} Lookup;

static void
let_go(Lookup *lookup)
{
	if (pg_atomic_sub_fetch_u32(&lookup->owners, 1) > 0)
		return;
	if (lookup->found != NULL)
		freeaddrinfo(lookup->found);
	free(lookup);
}

/* Called when the context of a lookup is reset: this process lets it go. */
static void
leave_lookup(void *arg)
{
	Lookup	   *lookup = arg;

	close(lookup->fds[0]);
	let_go(lookup);
}

/* The thread. */
static void *
look_up(void *arg)
{
	Lookup	   *lookup = arg;
	struct addrinfo hint = {.ai_family = AF_UNSPEC,
							.ai_socktype = SOCK_STREAM};

	lookup->error = getaddrinfo(lookup->name, lookup->port, &hint,
								&lookup->found);
	/* the other side reads the results after the end of file */
	close(lookup->fds[1]);
	let_go(lookup);
	return NULL;
}

/* Returns errno of starting the thread. */
static int
start_thread(Lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t	thread;
	sigset_t	all;
	sigset_t	old;
	int			result;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&thread, &attributes, look_up, lookup);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

/* Start a lookup, which CurrentMemoryContext owns. */
static Lookup *
start_lookup(const BbReplHost *host)
{
	Lookup	   *lookup = malloc(offsetof(Lookup, name) + strlen(host->host) +
								1);

	if (lookup == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	lookup->found = NULL;
	lookup->error = 0;
	strlcpy(lookup->port, host->port, sizeof(lookup->port));
	strcpy(lookup->name, host->host);
	pg_atomic_init_u32(&lookup->owners, 2);
	if (pipe2(lookup->fds, O_CLOEXEC | O_NONBLOCK) == 0)
	{
		errno = start_thread(lookup);
		if (errno == 0)
		{
			bb_on_reset(CurrentMemoryContext, leave_lookup, lookup);
			return lookup;
		}
		close(lookup->fds[0]);
		close(lookup->fds[1]);
	}
	free(lookup);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not look up host \"%s\": %m", host->host)));
}

/* Wait for a lookup.  Returns false if it takes too long. */
static bool
wait_for(const BbReqCtx *ctx, const Lookup *lookup, long timeout_ms)
{
	TimestampTz start = GetCurrentTimestamp();
	char		byte;

	while (read(lookup->fds[0], &byte, 1) != 0)
	{
		long		left_ms = bb_reqctx_wait_ms(ctx);
		int			wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
			WL_SOCKET_READABLE;

		if (timeout_ms >= 0)
		{
			long		mine_ms = timeout_ms -
				TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());

			if (mine_ms <= 0)
				return false;
			left_ms = left_ms < 0 ? mine_ms : Min(left_ms, mine_ms);
		}
		if (left_ms >= 0)
			wanted |= WL_TIMEOUT;
		if (WaitLatchOrSocket(MyLatch, wanted, lookup->fds[0], left_ms,
							  PG_WAIT_EXTENSION) &
			WL_LATCH_SET)
			ResetLatch(MyLatch);
		bb_reqctx_check(ctx);
	}
	return true;
}

static List *
addresses_of(const BbReplHost *host, const struct addrinfo *found)
{
	List	   *hosts = NIL;

	for (; found != NULL; found = found->ai_next)
	{
		BbReplHost *one = palloc(sizeof(BbReplHost));
		char	   *address = palloc(ADDRESS_SIZE);

		*one = *host;
		if (getnameinfo(found->ai_addr, found->ai_addrlen, address,
						ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		one->hostaddr = address;
		hosts = lappend(hosts, one);
	}
	return hosts;
}

List *
bb_replhosts_look_up(const BbReqCtx *ctx, const BbReplHost *host,
					 long timeout_ms, const char **failure)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	Lookup	   *lookup;
	List	   *hosts = NIL;

	*failure = NULL;
	/* an address, or the socket of a directory, or an abstract one */
	if (host->hostaddr != NULL || is_absolute_path(host->host) ||
		host->host[0] == '@')
		return list_make1(unconstify(BbReplHost *, host));

	scratch = AllocSetContextCreate(caller, "bbackup name lookup",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(scratch);
	lookup = start_lookup(host);
	if (!wait_for(ctx, lookup, timeout_ms))
		*failure = "timeout expired";
	else if (lookup->error != 0)
		*failure = gai_strerror(lookup->error);
	MemoryContextSwitchTo(caller);
	if (*failure == NULL)
	{
		hosts = addresses_of(host, lookup->found);
		if (hosts == NIL)
			*failure = "it has no address";
	}
	if (*failure != NULL)
		*failure = psprintf("could not translate host name \"%s\" to "
							"address: %s",
							host->host, *failure);
	MemoryContextDelete(scratch);
	return hosts;
}
