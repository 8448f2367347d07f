# The libraries that the module and its unit tests are linked with.  Each Makefile
# includes this before PGXS, for the flags.

# Compression that only some archives need is built in if its library is there:
# make WITH_BZIP2=no leaves it out.
has_header = $(shell echo '\#include <$(1)>' | $(CC) $(CPPFLAGS) -E - \
	>/dev/null 2>&1 && echo yes || echo no)
WITH_BZIP2 ?= $(call has_header,bzlib.h)
WITH_LZMA ?= $(call has_header,lzma.h)
WITH_BROTLI ?= $(call has_header,brotli/decode.h)

PG_CPPFLAGS += $(if $(filter yes,$(WITH_BZIP2)),-DBB_WITH_BZIP2) \
	$(if $(filter yes,$(WITH_LZMA)),-DBB_WITH_LZMA) \
	$(if $(filter yes,$(WITH_BROTLI)),-DBB_WITH_BROTLI)

# The compression libraries that the server has, and those.
SHLIB_LINK += $(filter -lz -llz4 -lzstd,$(LIBS)) \
	$(if $(filter yes,$(WITH_BZIP2)),-lbz2) \
	$(if $(filter yes,$(WITH_LZMA)),-llzma) \
	$(if $(filter yes,$(WITH_BROTLI)),-lbrotlidec)
# Encrypted page stores, if the server has TLS by OpenSSL.
SHLIB_LINK += $(filter -lcrypto,$(LIBS))
# Redo helpers lock themselves down.
SHLIB_LINK += -lseccomp
# Object storage.
SHLIB_LINK += -lcurl
# Servers that are followed.
SHLIB_LINK_INTERNAL = $(libpq) -lpthread
