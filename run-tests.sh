#!/bin/bash
#
# run-tests.sh - build bbackup and run all tests.
#
#	./run-tests.sh
#	./run-tests.sh t/FILE...  only these TAP tests
#	PG_CONFIG=/path/to/pg_config ./run-tests.sh
#	KEEP=1 ./run-tests.sh     keep the working directory and its logs
#
# It needs root or sudo, since it installs missing packages (Debian) and the
# extension into the server's directories.  Everything else happens in a
# temporary directory.  The last line is "N passed, N failed"; a suite that
# did not run counts as failed.
#
set -u
cd "$(dirname "$0")" || exit 1
. .ci/lib.sh

tap_tests=$*
passed=0
failed=0

pass()
{
	passed=$((passed + 1))
}

fail()
{
	failed=$((failed + 1))
	echo "  FAILED: $*"
}

# check NAME COMMAND...: one test, which passes if the command succeeds.
check()
{
	local name=$1

	shift
	if "$@" >"$log" 2>&1; then
		pass
		echo "  ok: $name"
	else
		fail "$name"
		tail -n 30 "$log" | sed 's/^/    /'
		return 1
	fi
}

make_in()
{
	local directory=$1

	shift
	as_user make -s -C "$directory" -j"$(nproc)" "$@"
}

build_with_clang()
{
	local other=$work/clang
	# the server's own flags are gcc's; code that is fast takes long to make
	local options="-Werror -O0 -Wno-unknown-warning-option"

	options="$options -Wno-ignored-optimization-argument"
	as_user mkdir "$other"
	copy_tree "$other"
	make_in "$other" with_llvm=no CC="$CLANG" COPT="$options" &&
		make_in "$other/test/unit" with_llvm=no CC="$CLANG" COPT="$options"
}

# Whether everything compiles for other major versions.
suite_majors()
{
	local line

	# apt needs root, and the compiler writes nothing
	as_root "$tree/.ci/compile-majors" >"$log" 2>&1
	while IFS= read -r line; do
		case $line in
			"  ok:"*) pass ;;
			"  FAILED:"*) failed=$((failed + 1)) ;;
		esac
		echo "$line"
	done <"$log"
}

# unit_psql ARGUMENT...: run psql on the unit tests' server.
unit_psql()
{
	as_user "$BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$work" -p 5499 \
		-d postgres "$@"
}

# run_unit: print a line for each test: its name, t or f, and the error.
run_unit()
{
	new_cluster "$work/unit" &&
		start_server "$work/unit" 5499 "-c fsync=off" &&
		unit_psql -c "
			CREATE FUNCTION bb_unit_run(OUT test text, OUT ok boolean,
										OUT detail text)
			RETURNS SETOF record AS '$tree/test/unit/bb_unit' LANGUAGE C" &&
		unit_psql -F '	' -c "SELECT * FROM bb_unit_run()"
}

# start_s3: start the unit tests' S3 server; it ends when its input ends.
start_s3()
{
	as_user mkdir "$work/s3"
	coproc S3 {
		as_user perl -I "$tree/t/lib" -MBBackup::S3 \
			-e 'BBackup::S3::serve(shift)' "$work/s3" 2>"$work/s3.log"
	}
	read -r BB_TEST_S3_ENDPOINT BB_TEST_S3_KEY BB_TEST_S3_SECRET <&"${S3[0]}"
	export BB_TEST_S3_ENDPOINT BB_TEST_S3_KEY BB_TEST_S3_SECRET
	[ -n "$BB_TEST_S3_SECRET" ]
}

stop_s3()
{
	eval "exec ${S3[1]}>&-"
	wait "$S3_PID"
	unset BB_TEST_S3_ENDPOINT BB_TEST_S3_KEY BB_TEST_S3_SECRET
}

suite_unit()
{
	local name ok detail
	local before=$((passed + failed))

	start_s3 || fail "the S3 server did not start"
	new_stores || fail "there is no directory for stores"
	# the server's warnings are no results
	if ! run_unit >"$log" 2>"$log.err"; then
		fail "unit tests did not run"
		tail -n 30 "$log" "$log.err" | sed 's/^/    /'
	else
		while IFS='	' read -r name ok detail; do
			case $ok in
				t) pass ;;
				*) fail "unit test $name: $detail" ;;
			esac
		done <"$log"
		[ $((passed + failed)) -gt $before ] || fail "no unit test ran"
	fi
	stop_server "$work/unit"
	stop_s3
	echo "  unit tests: $((passed + failed - before))"
}

suite_sql()
{
	local result line
	local before=$((passed + failed))
	local diffs=$tree/regress/out/regression.diffs

	make_in "$tree" installcheck TAP_TESTS= \
		EXTRA_REGRESS_OPTS="--temp-instance=$work/sql" >"$log" 2>&1
	result=$?
	while read -r line; do
		case $line in
			# the output of pg_regress of 15, and TAP from 16 on
			test*FAILED* | "not ok "*) fail "pg_regress: $line" ;;
			test*ok* | "ok "*) pass ;;
		esac
	done <"$log"
	if [ $((passed + failed)) -eq $before ]; then
		fail "no SQL test ran"
		tail -n 30 "$log" | sed 's/^/    /'
	elif [ $result -ne 0 ]; then
		[ ! -f "$diffs" ] || head -n 100 "$diffs" | sed 's/^/    /'
	fi
	echo "  SQL tests: $((passed + failed - before))"
}

suite_tap()
{
	local result file
	local before=$((passed + failed))
	local failed_before=$failed

	# for sockets and small directories of the tests
	as_user mkdir "$work/tmp" "$work/templates"
	TMPDIR=$work/tmp BB_TEMPLATES=$work/templates \
		make_in "$tree" installcheck REGRESS= \
		PROVE_FLAGS="-v -j$(($(nproc) + 1))" ${tap_tests:+PROVE_TESTS="$tap_tests"} \
		>"$log" 2>&1
	result=$?
	passed=$((passed + $(grep -cE '^ok [0-9]+' "$log")))
	failed=$((failed + $(grep -cE '^not ok [0-9]+' "$log")))
	grep -E -A 12 '^#   Failed test' "$log" | head -n 100 | sed 's/^/    /'

	# name the tests that were skipped
	sed -nE 's/^(t\/[^ ]+ \.+) skipped: (.*)/  skipped: \1 \2/p' "$log"
	if grep -qE '^t/133_fuzz_decoders.pl \.+ skipped' "$log"; then
		fail "the decoders were not fuzzed"
	fi

	# files that broke off although no test failed
	while read -r file; do
		fail "$file broke off"
	done < <(sed -nE 's/^(t\/[^ ]+) +\(Wstat: .* Failed: 0\)$/\1/p' "$log")
	if [ $((passed + failed)) -eq $before ]; then
		fail "no TAP test ran"
	elif [ $result -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
		fail "prove failed"
	fi
	[ $result -eq 0 ] || tail -n 30 "$log" | sed 's/^/    /'
	echo "  TAP tests: $((passed + failed - before))"
}

clean_up()
{
	stop_servers "$work"
	if [ -n "${KEEP:-}" ]; then
		echo "Everything is in $work"
	else
		rm -rf "$work"
	fi
	[ -z "${BB_UNIT_STORES:-}" ] || rm -rf "$BB_UNIT_STORES"
}

echo "== Packages"
set_packages
need_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" ||
	die "could not install the packages"
find_postgres
CLANG=$(find_clang) || CLANG=clang
if ! command -v "$CLANG" >/dev/null; then
	need_packages "$(basename "$CLANG")" ||
		die "could not install the packages"
fi
need_packages "$(find_fuzzer)" || die "could not install the packages"

new_directory bbtests || die "could not make a temporary directory"
work=$directory
tree=$work/tree
log=$work/log
trap clean_up EXIT
trap 'exit 1' INT TERM
as_user mkdir "$tree"
as_user touch "$log"
copy_tree "$tree"

echo "== Build, for $("$PG_CONFIG" --version)"
# without the bitcode for JIT: clang compiles the same below
check "bbackup compiles without warning" \
	make_in "$tree" with_llvm=no COPT=-Werror
built=$?
check "the unit tests compile without warning" \
	make_in "$tree/test/unit" with_llvm=no COPT=-Werror
unit_built=$?
[ -n "$tap_tests" ] ||
	check "everything compiles without warning with clang" build_with_clang
[ $built -ne 0 ] ||
	check "make install" as_root make -s -C "$tree" with_llvm=no install ||
		built=1

if [ -z "$tap_tests" ]; then
	echo "== Other major versions"
	suite_majors
fi

echo "== Sources and symbols"
check "check-ranks finds what it should" "$tree/.ci/check-ranks" --self-test
check "includes follow the ranks" "$tree/.ci/check-ranks"
check "check-circles finds what it should" "$tree/.ci/check-circles" --self-test
check "no C files call each other both ways" "$tree/.ci/check-circles"
# other versions format differently; the sources are the same everywhere
if command -v clang-format-14 >/dev/null ||
	{ apt-cache show clang-format-14 >/dev/null 2>&1 &&
		need_packages clang-format-14; }; then
	check "the C files are formatted" "$tree/.ci/format" --check
else
	echo "  skipped: the format of the C files: there is no clang-format-14"
fi
[ -z "${CI:-}" ] || need_packages rpmlint || fail "could not install rpmlint"
check "packages can be made" .ci/check-packages
grep '^skipped: ' "$log" | sed 's/^/  /'
check "the module exports what it should" \
	"$tree/.ci/check-symbols" "$BINDIR/postgres" "$tree/bbackup.so"

if [ -z "$tap_tests" ]; then
	echo "== Unit tests"
	if [ $unit_built -eq 0 ]; then
		suite_unit
	else
		fail "unit tests did not run"
	fi

	echo "== SQL tests"
	if [ $built -eq 0 ]; then
		suite_sql
	else
		fail "SQL tests did not run"
	fi
fi

echo "== TAP tests"
if [ $built -eq 0 ]; then
	suite_tap
else
	fail "TAP tests did not run"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
