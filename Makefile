# bbackup: base backups at any LSN, out of a page store
#
#	make && make install      what users need
#	make check-all            everything that CI runs, in a copy of the tree
#	make installcheck         SQL and TAP tests with what is installed
#	make check-ranks          includes follow the ranks of the rooms
#	make check-circles        no C files call each other both ways
#	make check-symbols        the module exports no symbol of the server
#	make format               format all C files
#	make dist                 archives of the last commit, for PGXN and packages

EXTENSION = bbackup
MODULE_big = bbackup
DATA = $(sort $(wildcard sql/bbackup--*.sql contrib/*.sql))
DOCS = $(filter-out %.sql,$(sort $(wildcard contrib/*)))

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

include version.mk
include libraries.mk

include $(PGXS)

# The client program has its own Makefile.  "make WITH_CLIENT=no" leaves it out.
WITH_CLIENT ?= yes
ifeq ($(WITH_CLIENT),yes)
all: all-client
install: install-client
uninstall: uninstall-client
clean: clean-client
endif

.PHONY: all-client install-client uninstall-client clean-client
all-client install-client uninstall-client clean-client:
	$(MAKE) -C client $(@:-client=) PG_CONFIG='$(PG_CONFIG)'

# PGXS installs DOCS without their directory, but looks for them with it.
uninstall: uninstall-docs
.PHONY: uninstall-docs
uninstall-docs:
	rm -f $(addprefix '$(DESTDIR)$(docdir)/$(docmoduledir)'/, $(notdir $(DOCS)))

# The modules of the TAP tests.
PG_PROVE_FLAGS += -I $(srcdir)/t/lib

# Without dependency tracking: a changed header rebuilds everything.
HEADERS = $(wildcard $(srcdir)/src/*/*.h $(srcdir)/src/*/*/*.h)
$(OBJS): $(HEADERS)
$(OBJS:.o=.bc): $(HEADERS)

# The module says its version.
src/funcs/module.o src/funcs/module.bc: META.json
src/funcs/module.o src/funcs/module.bc: \
	override CPPFLAGS += -DBB_VERSION='"$(BB_VERSION)"'

installcheck: regress-links

.PHONY: regress-links
regress-links:
	$(MKDIR_P) regress/out
	ln -sfn ../sql_tests regress/sql
	ln -sfn ../expected regress/expected

# A release is a commit, so what isn't committed isn't in the archives.
DIST = bbackup-$(BB_VERSION)
DIST_DIRECTORY = .
.PHONY: dist
dist:
	for kind in zip tar.gz; do \
		git archive --prefix=$(DIST)/ \
			-o '$(DIST_DIRECTORY)'/$(DIST).$$kind HEAD || exit 1; \
	done

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
