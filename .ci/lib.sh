# lib.sh - what quickstart.sh, run-tests.sh and bench/* share; bash.
#
# Scripts source it at the top of the tree.  They run as root (servers then run as
# user postgres) or as a user with sudo (servers run as that user).

export LC_ALL=C.UTF-8 TZ=UTC
# the caller's settings must not reach our servers
unset PGDATA PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Run a command as the user that servers run as.
as_user()
{
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# need_packages PACKAGE...: install the missing ones (Debian).
need_packages()
{
	local missing=()
	local package

	if ! command -v apt-get >/dev/null; then
		echo "This is not Debian; packages like these have to be installed: $*"
		return
	fi
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || missing+=("$package")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		return
	fi
	echo "Installing ${missing[*]}"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=400 -qq update
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=400 -qq install -y \
		--no-install-recommends "${missing[@]}" >/dev/null
}

# find_mirror: print the URL of the Debian archive that this machine uses.
find_mirror()
{
	apt-cache policy |
		awk '$2 ~ /^http/ && $3 ~ /^[a-z]+\/main$/ { print $2; exit }' | grep .
}

# find_suite MAJOR: print the Debian release with that version of PostgreSQL.
find_suite()
{
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		19) echo experimental ;;
		*) return 1 ;;
	esac
}

# make_debian DIRECTORY SUITE PACKAGE...: install a Debian release there, without a
# cluster of PostgreSQL, documentation and translated descriptions.  If it is
# experimental, that is sid with PostgreSQL from experimental.
make_debian()
{
	local root=$1
	local suite=$2
	local mirror
	local sources=() hooks=()

	shift 2
	mirror=$(find_mirror) || return 1
	sources=("deb $mirror $suite main")
	if [ "$suite" = experimental ]; then
		suite=sid
		sources+=("deb $mirror sid main")
		hooks=(--setup-hook='mkdir -p "$1/etc/apt/preferences.d" &&
			printf "%s\n" "Package: src:/^postgresql/" \
				"Pin: release a=experimental" "Pin-Priority: 500" \
				>"$1/etc/apt/preferences.d/postgresql"')
	fi
	# the lists of a mirror that is a snapshot may have expired; a directory that
	# can be made again needs no fsync
	mmdebstrap --quiet --mode=root --variant=apt --format=directory \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--aptopt='Acquire::Languages "none"' \
		--dpkgopt=force-confold \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		"${hooks[@]}" \
		--essential-hook='mkdir -p "$1/etc/postgresql-common"
			echo "create_main_cluster = false" \
				>"$1/etc/postgresql-common/createcluster.conf"' \
		--include="$(IFS=,; echo "$*")" "$suite" "$root" "${sources[@]}"
}

# set_packages [MAJOR]: set BUILD_PACKAGES to the packages that build and run
# bbackup, and TEST_PACKAGES to those that its tests also need.  The server is of
# that major version; none means no server.  The default is 15, unless the caller
# has a server that PG_CONFIG names.
set_packages()
{
	local major=${1:-}

	# libbrotli, libbz2 and liblzma are optional: archives that are compressed so
	BUILD_PACKAGES=(gcc libc6-dev make libbrotli-dev libbz2-dev
		libcurl4-openssl-dev libfuse3-dev liblz4-dev liblzma-dev libpq-dev libseccomp-dev
		libssl-dev libzstd-dev pkg-config zlib1g-dev)
	# bsdutils has script, procps ps; librsvg2-bin draws pictures
	TEST_PACKAGES=(barman binutils brotli bsdutils bzip2 curl libipc-run-perl
		librsvg2-bin lz4 memcached openssl perl pgbackrest procps swift-account
		swift-container swift-object swift-proxy xz-utils zstd)
	[ -n "$major" ] || [ -n "${PG_CONFIG:-}" ] || major=15
	[ -z "$major" ] || [ "$major" = none ] ||
		BUILD_PACKAGES+=("postgresql-$major" "postgresql-server-dev-$major")
}

# find_clang [PGXS]: print the name of the clang that the server was built with and
# that PGXS uses for bitcode.  PGXS is the directory pgxs of a server, by default
# that of $PG_CONFIG.
find_clang()
{
	local pgxs=${1:-}

	[ -n "$pgxs" ] || pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	sed -n 's/^CLANG = //p' "$pgxs/src/Makefile.global" | grep .
}

# find_fuzzer [PGXS]: print the name of the Debian package with libFuzzer for that
# clang.
find_fuzzer()
{
	local clang

	clang=$(find_clang "$@") || clang=clang
	clang=$(basename "$clang")
	echo "libclang-rt${clang#clang}-dev"
}

# find_postgres: set PG_CONFIG, unless the caller has, and BINDIR.
find_postgres()
{
	if [ -z "${PG_CONFIG:-}" ]; then
		PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
		[ -x "$PG_CONFIG" ] || PG_CONFIG=$(command -v pg_config) ||
			die "could not find pg_config; set PG_CONFIG"
	fi
	export PG_CONFIG
	BINDIR=$("$PG_CONFIG" --bindir)
}

# new_directory PREFIX: create an empty directory that the servers' user owns, and
# set $directory to its path.  That is short, unless TMPDIR is long, since the
# path of a socket may only have about 100 bytes.
new_directory()
{
	directory=$(as_user mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
}

# new_stores: create a directory for the stores of unit tests, and set
# $BB_UNIT_STORES to its path.  It is in memory if there is room, since a file
# system takes long to create so many files.
new_stores()
{
	local place=/dev/shm

	[ "$(df -Pk $place 2>/dev/null | awk 'NR == 2 { print $4 }')" -gt 2000000 ] \
		2>/dev/null || place=${TMPDIR:-/tmp}
	BB_UNIT_STORES=$(as_user mktemp -d "$place/bbstores.XXXXXX") &&
		export BB_UNIT_STORES
}

# pack_tree: print a tar of the sources, without built files.
pack_tree()
{
	tar -c --exclude=./.git --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude=./client/bb_basebackup \
		--exclude=./client/bb_check --exclude=./client/bb_import \
		--exclude=./client/bb_list --exclude=./client/bb_mount \
		--exclude=./client/bb_restore --exclude=./test/mount/overlay_test \
		--exclude=./tmp_check --exclude=./regress .
}

# copy_tree DIRECTORY: copy the sources there, owned by the servers' user.
copy_tree()
{
	pack_tree | as_user tar -x --no-same-owner -C "$1"
}

# stop_servers DIRECTORY: stop at once all servers with a data directory below it.
stop_servers()
{
	as_user find "$1" -name postmaster.pid 2>/dev/null |
		while read -r pidfile; do
			as_user "$BINDIR/pg_ctl" stop -s -w -m immediate \
				-D "$(dirname "$pidfile")" 2>/dev/null || true
		done
}

# private_postgres DIRECTORY: copy the server there, where it finds its files by
# its location, and set BINDIR to the copy.
private_postgres()
{
	local part

	for part in $("$PG_CONFIG" --bindir --pkglibdir --sharedir); do
		as_user mkdir -p "$1$part"
		as_user cp -a "$part/." "$1$part"
	done
	BINDIR=$1$BINDIR
}

# install_extension DIRECTORY: build a copy of the tree there and install it, with
# PRIVATE=1 in the environment into a copy of the system's server.
install_extension()
{
	as_user mkdir "$1"
	copy_tree "$1"
	as_user make -s -C "$1" -j2 with_llvm=no
	if [ -n "${PRIVATE:-}" ]; then
		private_postgres "$1.server"
		as_user make -s -C "$1" with_llvm=no install DESTDIR="$1.server"
	else
		as_root make -s -C "$1" with_llvm=no install
	fi
}

# new_cluster DIRECTORY, start_server DIRECTORY PORT [OPTIONS]: the socket is in the
# parent directory, and the log is beside the data directory.
new_cluster()
{
	as_user "$BINDIR/initdb" -k -A trust -N -D "$1" >/dev/null
}

start_server()
{
	as_user "$BINDIR/pg_ctl" start -s -w -D "$1" -l "$1.log" \
		-o "-k $(dirname "$1") -p $2 -c listen_addresses= ${3:-}"
}

stop_server()
{
	as_user "$BINDIR/pg_ctl" stop -s -w -m fast -D "$1"
}
