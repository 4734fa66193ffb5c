# What tests/run and tests/nightly share: stages that run one after the other or side by side, each
# with its log in build/logs, its seconds and its count of tests.
#
#   launch NAME COMMAND...    starts a stage
#   collect NAME...           waits for stages and reports them
#   stage NAME COMMAND...     both
#   show NAME                 prints the log of a finished stage
#   summary                   the last lines; returns non-zero if anything failed
#
# A stage that prints a line "N passed, N failed" or "N passed, N failed, N skipped" is counted by the
# last such line; any other stage counts as one test.

exec </dev/null  # the caller's standard input may be closed
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
logs=$root/build/logs
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.status "$logs"/*.pid
passed=0 failed=0 skipped=0 failed_stages=()

stop_stages() {
  local file
  for file in "$logs"/*.pid; do [ ! -e "$file" ] || kill -TERM "$(cat "$file")" 2>/dev/null; done
  wait
}
trap 'stop_stages; exit 130' INT TERM

launch() {
  local name=$1 remaining=$((time_limit_s - SECONDS)); shift
  [ $remaining -gt 0 ] || remaining=1
  (
    begin=$SECONDS
    # Signals the whole process group of the stage, whose scripts then clean up behind themselves.
    timeout --kill-after=30 "$remaining" "$@" >"$logs/$name.log" 2>&1 &
    echo $! >"$logs/$name.pid"
    status=0; wait $! || status=$?
    rm -f "$logs/$name.pid"
    [ $status != 124 ] || echo "$name: the time limit of $time_limit_s s for everything is reached" >>"$logs/$name.log"
    echo "$status $((SECONDS - begin))" >"$logs/$name.status"
  ) &
  launched[$name]=$!
}
declare -A launched=()

collect() {
  local name status seconds count p f s
  for name in "$@"; do
    wait "${launched[$name]}" || true
    read -r status seconds <"$logs/$name.status" || { status=1; seconds=0; }
    count=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$logs/$name.log" | tail -n 1 || true)
    if [ -n "$count" ]; then read -r p f s <<<"$(tr -dc '0-9 ' <<<"$count")"; else p=1 f=0 s=0; fi
    if [ "$status" != 0 ]; then
      [ -n "$count" ] || p=0
      [ "$f" -gt 0 ] || f=1
    elif [ "$f" -gt 0 ]; then
      status=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
    if [ "$status" = 0 ]; then
      printf 'ok      %-24s %4d s%s\n' "$name" "$seconds" "${count:+   $count}"
    else
      failed_stages+=("$name")
      printf 'FAILED  %-24s %4d s   %s\n' "$name" "$seconds" "${count:-exit status $status}"
      tail -n 60 "$logs/$name.log" | sed 's/^/    | /'
    fi
  done
}

stage() { launch "$@"; collect "$1"; }

show() { sed 's/^/    | /' "$logs/$1.log"; }

summary() {
  if [ $SECONDS -gt $time_limit_s ]; then
    failed=$((failed + 1)); failed_stages+=("the time limit of $time_limit_s s")
  fi
  [ ${#failed_stages[@]} = 0 ] || echo "failed: ${failed_stages[*]}; whole logs: build/logs"
  echo "$SECONDS s in all"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ $failed = 0 ]
}

# ---------------------------------------------------------------- stages both have
build() { # preset, targets...
  local preset=$1; shift
  cmake --preset "$preset" && cmake --build --preset "$preset" "${@:+--target}" "$@"
}

# All unit tests of a build, counted one by one and not by program.
unit_tests() { # preset, arguments for ctest...
  local preset=$1 status=0 out p f s programs; shift
  out=$logs/ctest-$preset.out
  ctest --test-dir "build/$preset" --no-tests=error -V -j "$(nproc)" "$@" >"$out" 2>&1 || status=$?
  sum() { grep -aoE "$1" "$out" | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'; }
  p=$(sum '\[  PASSED  \] [0-9]+ test') s=$(sum '\[  SKIPPED \] [0-9]+ test') f=$(sum '[0-9]+ FAILED TEST')
  # A program that crashes or hangs counts its tests no more.
  programs=$(sed -n 's/.*, \([0-9]*\) tests* failed out of .*/\1/p' "$out")
  [ "$f" -ge "${programs:-0}" ] || f=$programs
  if [ $status = 0 ]; then
    tail -n 15 "$out"
  else
    cat "$out"
    echo "--- what failed, of $out"
    grep -aE -A 6 ': Failure$|ERROR: [A-Z][a-z]+Sanitizer|runtime error:|\[  FAILED  \] .*ms\)|\(Failed\)|\(Timeout\)' "$out" | tail -n 55 || true
  fi
  echo "$p passed, $f failed, $s skipped"
  return $status
}

quickstart_once() { # options of deploy/quickstart
  local state status=0
  mkdir -p build/tests
  state=$(mktemp -d build/tests/quickstart.XXXXXX)
  deploy/quickstart --once --address 127.0.0.1 --port $((10000 + RANDOM % 20000)) --state "$state" "$@" || status=$?
  [ $status = 0 ] || cat "$state/gateway.log" || true
  rm -rf "$state"
  return $status
}
export root logs
export -f build unit_tests quickstart_once
