#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the simulations of the whole election in virtual time with as many seeds as given: overlapping random faults with the
# maxima of what they cause, and the ablation of each rule, by a faulty world or by a change of the source. Prints what the
# tests log, each line with its test.
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "the whole election, in $1 random simulations"
{
  HARBINGER_SIM_SEEDS=$1 go test -count=1 -timeout=60m -run='^Test(Simulation|ReachScenarios)' -v ./pkg/election
  go test -count=1 -run='^TestAblation' -v ./pkg/election
} |
  awk '
    /^=== (RUN|NAME|CONT)/ { test = $3; sub(/^Test/, "", test); gsub(/_/, " ", test); next }
    /^===|^ +--- PASS/ { next }
    /^ +[a-z_]+_test\.go:[0-9]+: / { sub(/^ +[a-z_]+_test\.go:[0-9]+: /, ""); printf "  %-58s %s\n", test, $0; next }
    { print }'

echo "each rule left out of the source, and what its test says then"
go run ./hack/model/ablate
