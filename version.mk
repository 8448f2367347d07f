# The version of this release, as META.json says.  (The control file has the version
# of the SQL objects, which a release that only changes C files keeps.)
BB_VERSION := $(shell sed -n 's/^   "version": "\(.*\)",$$/\1/p' \
	$(dir $(lastword $(MAKEFILE_LIST)))META.json)
