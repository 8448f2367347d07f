# bbackup: base backups at any LSN, out of a page store
#
#	make && make install      what users need
#	make check-all            everything that CI runs, in a copy of the tree
#	make installcheck         SQL and TAP tests with what is installed
#	make check-ranks          includes follow the ranks of the rooms
#	make check-circles        no C files call each other both ways
#	make check-symbols        the module exports no symbol of the server
#	make format               format all C files

EXTENSION = bbackup
MODULE_big = bbackup
DATA = sql/bbackup--1.0.sql

# A room is a directory below src; a part of it is a directory in that.
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c src/*/*/*.c)))

# pg_regress reads "sql" and "expected" in its input directory: links there,
# to sql_tests and expected (see regress-links).
REGRESS = $(patsubst sql_tests/%.sql,%,$(sort $(wildcard sql_tests/*.sql)))
REGRESS_OPTS = --inputdir=regress --outputdir=regress/out \
	--load-extension=bbackup
USE_MODULE_DB = 1
TAP_TESTS = 1
EXTRA_CLEAN = regress tmp_check

PG_CFLAGS = -std=gnu11 -fvisibility=hidden -Wall -Wextra \
	-Wno-unused-parameter -Wno-sign-compare -Wno-ignored-attributes
PG_CPPFLAGS = -I$(srcdir)/src -I$(libpq_srcdir)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# The compression libraries that the server has.
SHLIB_LINK += $(filter -lz -llz4 -lzstd,$(LIBS))
# Redo helpers lock themselves down.
SHLIB_LINK += -lseccomp
# Object storage.
SHLIB_LINK += -lcurl
# Servers that are followed.
SHLIB_LINK_INTERNAL = $(libpq) -lpthread

include $(PGXS)

# The client program has its own Makefile.
all: all-client
install: install-client
uninstall: uninstall-client
clean: clean-client

.PHONY: all-client install-client uninstall-client clean-client
all-client install-client uninstall-client clean-client:
	$(MAKE) -C client $(@:-client=) PG_CONFIG='$(PG_CONFIG)'

# The modules of the TAP tests.
PG_PROVE_FLAGS += -I $(srcdir)/t/lib

# Without dependency tracking: a changed header rebuilds everything.
HEADERS = $(wildcard $(srcdir)/src/*/*.h $(srcdir)/src/*/*/*.h)
$(OBJS): $(HEADERS)
$(OBJS:.o=.bc): $(HEADERS)

installcheck: regress-links

.PHONY: regress-links
regress-links:
	$(MKDIR_P) regress/out
	ln -sfn ../sql_tests regress/sql
	ln -sfn ../expected regress/expected

.PHONY: check-all check-ranks check-circles check-symbols format
check-all:
	./run-tests.sh

check-ranks:
	.ci/check-ranks --self-test
	.ci/check-ranks

check-circles:
	.ci/check-circles --self-test
	.ci/check-circles

check-symbols: all
	.ci/check-symbols $(shell $(PG_CONFIG) --bindir)/postgres \
		$(MODULE_big)$(DLSUFFIX)

format:
	.ci/format
