#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the simulations of the whole election in virtual time with as many seeds as given: overlapping random faults with the
# maxima of what they cause, in both modes with advertisements of 1 s, 200 ms and 20 ms, and for each kind of fault with mixed ones;
# the scenarios and what they cost; and the ablation of each rule, by a faulty world or by a change of the source. Prints what the
# tests log, each line with its test. All processors work on the seeds of a test.
set -euo pipefail
cd "$(dirname "$0")/../.."

seeds=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go test -c -o "$work/election.test" ./pkg/election

# run NAME TESTS VARIABLE=VALUE…: the tests that a regular expression names, with these variables, and how long they took.
run() {
  local name=$1 tests=$2 began=$SECONDS
  shift 2
  echo "$name"
  (cd pkg/election && env GOGC=800 "$@" "$work/election.test" -test.timeout=6h -test.run="$tests" -test.v) |
    awk '
      /^=== (RUN|NAME|CONT)/ { test = $3; sub(/^Test/, "", test); gsub(/_/, " ", test); next }
      /^===|^ +--- PASS|^--- PASS|^PASS/ { next }
      /^ +[a-z_]+_test\.go:[0-9]+: / { sub(/^ +[a-z_]+_test\.go:[0-9]+: /, ""); printf "  %-58s %s\n", test, $0; next }
      { print }'
  echo "  $((SECONDS - began)) s"
}

for interval in 1s 200ms 20ms; do
  run "the whole election, in $seeds random simulations with advertisements of $interval" '^TestSimulation(Hybrid)?$' \
    HARBINGER_SIM_SEEDS="$seeds" HARBINGER_SIM_INTERVAL="$interval"
done
run "the same by kinds of faults, with mixed advertisements" '^TestSimulation' HARBINGER_SIM_SEEDS="$seeds"
run "the scenarios, and what deaths, cuts and lies cost" '^TestReachScenarios$' HARBINGER_SIM_TABLE="$((seeds / 1000 + 1))"
run "the scenarios with more seeds" '^Test(Scenario|ReachPartitions|KubeVIP|Outage)' HARBINGER_SIM_SEEDS=20
run "rules left out by a faulty world" '^Test(Ablation|Rule)' HARBINGER_SIM_SEEDS=60

echo "each rule left out of the source, and what its test says then"
go run ./hack/model/ablate
