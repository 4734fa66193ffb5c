# What tests/bench/quick and tests/bench/swift share: measuring one side, and comparing two.
#
#   cpu_s PID...                  CPU seconds of processes so far, user and system, all threads
#   read_ticks PID                the same of one, in clock ticks, into `ticks`: starts no program
#   settle PID...                 waits until they are idle, and the disk too
#   measure SIDE ROUND WORKLOAD [SECONDS]
#                                 one run of bench_load; its line, and the CPU seconds that the
#                                 servers of this side used until they were idle, go to $results
#   table_head OURS PEER          names of the columns
#   compare TITLE TARGET OURS PEER
#                                 a line of the table: medians of both sides, each given as "SIDE
#                                 WORKLOAD KEY", and their ratio, which absurd_ratio remembers
#   favour PID...                 priority over whatever else runs on this machine, for both sides
#                                 alike, if SWIFTNESS_BENCH_NICE says so (say -10; needs root)
#   unfavour                      for the end: the session that called gets its own value back
#   log_in AUTH_URL               of tests/support/swift_account.bash
#   conditions                    commit, date, machine and load, for the record
#
# The script that reads this sets root, work, span, and for each side url[SIDE] and pids[SIDE].

. "$root/tests/support/swift_account.bash"
bench_load=$root/build/release/tests/bench_load
results=$work/results
declare -A url=() pids=()
worst=1000  # ratio, as a share of its target

clock_ticks=$(getconf CLK_TCK)  # of a second

read_ticks() {
  local line words
  read -r line <"/proc/$1/stat" || return
  words=(${line##*) })
  ticks=$((words[11] + words[12]))
}

cpu_s() {
  local pid ticks sum=0
  for pid in "$@"; do
    read_ticks "$pid" || return
    sum=$((sum + ticks))
  done
  awk "BEGIN { printf \"%.2f\\n\", $sum / $clock_ticks }"
}

# What a side does afterwards (uploads, write-back) must not be paid by the other side's next run.
settle() {
  local before now deadline=$((SECONDS + 20))
  before=$(cpu_s "$@")
  while [ $SECONDS -lt $deadline ]; do
    sleep 0.25
    now=$(cpu_s "$@")
    ! awk "BEGIN { exit !($now - $before < 0.03) }" || break
    before=$now
  done
  sync -f "$work"
}

measure() {
  local side=$1 round=$2 workload=$3 before after line
  before=$(cpu_s ${pids[$side]})
  line=$("$bench_load" "${url[$side]}" --span "$span" --stamps "$work/$side.stamps" --seconds "${4:-1}" "$workload")
  settle ${pids[$side]}
  after=$(cpu_s ${pids[$side]})
  echo "side=$side round=$round $line cpu_s=$(awk "BEGIN { print $after - $before }")" >>"$results"
}

# The median over all rounds of a value: a key of the lines, or CPU seconds per million I/Os.
median() { # side, workload, key
  awk -v side="side=$1" -v workload="workload=$2" -v key="$3" '
    $1 == side && $3 == workload {
      for (i = 1; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
      if (key == "cpu" && "ops" in value) print value["cpu_s"] / value["ops"] * 1e6
      if (key in value) print value[key]
    }' "$results" | sort -g |
    awk '{ v[NR] = $1 } END { print NR ? (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 : "-" }'
}

# "ok" or "below" a target, and nothing where there is none.
verdict() { # ratio, target
  [ "$2" = - ] || awk "BEGIN { printf(\">= %s %s\", $2, ($1 >= $2 ? \"ok\" : \"below\")) }"
}

table_head() { # names of the sides
  printf '%-24s %10s %10s %7s  %-12s  %-24s %s\n' '' "$1" "$2" ratio target 'p50/p99 us' 'CPU s per million'
}

compare() { # title, target, ours, peer: side, workload and key
  local title=$1 target=$2 value=() latency=() cpu=() ratio spec side workload key p50 cpu_value
  for spec in "$3" "$4"; do
    read -r side workload key <<<"$spec"
    value+=("$(median "$side" "$workload" "$key")")
    p50=$(median "$side" "$workload" p50_us) cpu_value=$(median "$side" "$workload" cpu)
    latency+=("$([ "$p50" = - ] && echo - || printf '%.0f/%.0f' "$p50" "$(median "$side" "$workload" p99_us)")")
    cpu+=("$([ "$cpu_value" = - ] && echo - || printf '%.1f' "$cpu_value")")
  done
  ratio=$(awk "BEGIN { printf \"%.2f\", ${value[0]} / ${value[1]} }")
  printf '%-24s %10.0f %10.0f %7s  %-12s  %-24s %s\n' "$title" "${value[@]}" "$ratio" \
    "$(verdict "$ratio" "$target")" "${latency[0]}, ${latency[1]}" "${cpu[0]}, ${cpu[1]}"
  [ "$target" = - ] || worst=$(awk "BEGIN { share = $ratio / $target; print (share < $worst ? share : $worst) }")
}

# Below a quarter of a target something is broken, however noisy the machine is.
absurd_ratio() { awk "BEGIN { exit !($worst < 0.25) }"; }

own_nice=$(sed -n 's/.*nice //p' /proc/self/autogroup 2>/dev/null || true)
unfavour() {
  if [ -n "${SWIFTNESS_BENCH_NICE:-}" ] && [ -n "$own_nice" ]; then echo "$own_nice" >/proc/self/autogroup; fi
}

favour() {
  local pid nice=${SWIFTNESS_BENCH_NICE:-}
  [ -n "$nice" ] || return 0
  for pid in "$@"; do
    if [ "$(cat /proc/sys/kernel/sched_autogroup_enabled 2>/dev/null)" = 1 ]; then
      echo "$nice" >"/proc/$pid/autogroup"  # a session's own value is all that others feel
    else
      renice -n "$nice" -p $(ls "/proc/$pid/task") >/dev/null
    fi
  done
}

conditions() {
  echo "commit $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%FT%RZ)," \
    "$(nproc) cores, $(uname -r), load$(uptime | sed 's/.*load average://')" \
    "${SWIFTNESS_BENCH_NICE:+, nice $SWIFTNESS_BENCH_NICE}"
}
