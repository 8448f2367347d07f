# bbackup: base backups at any LSN, out of a page store

EXTENSION = bbackup
MODULE_big = bbackup
DATA = sql/bbackup--1.0.sql

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

REGRESS = $(patsubst sql_tests/%.sql,%,$(sort $(wildcard sql_tests/*.sql)))
REGRESS_OPTS = --inputdir=regress --outputdir=regress/out --dbname=bb_regression
TAP_TESTS = 1
EXTRA_CLEAN = regress tmp_check

PG_CFLAGS = -std=gnu11 -fvisibility=hidden -Wall -Wextra \
	-Wno-unused-parameter -Wno-sign-compare -Wno-ignored-attributes
PG_CPPFLAGS = -I$(srcdir)/src

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# Compression as the server has it.
SHLIB_LINK += $(filter -llz4 -lzstd,$(LIBS))
# Redo helpers lock themselves down.
SHLIB_LINK += -lseccomp

include $(PGXS)
