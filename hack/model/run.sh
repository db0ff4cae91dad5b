#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks with Spin what the Lease must hold (lease.pml), and a takeover beside a fresh one (evidence.pml): every state within the
# bounds of each row, and then that each rule is needed: without it the invariant that it is for must break.
# The bounds fit 2 minutes of one processor and 2 GB; no state is left out or hashed away within them.
# Works in a folder of its own and removes it.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp lease.pml evidence.pml "$work"
cd "$work"
failed=0
model=lease.pml

# check NAME EXPECTED BOUND…: runs the model and prints its row. EXPECTED is the invariant that must break, or none.
check() {
  local name=$1 expected=$2 began=$SECONDS found states
  shift 2
  local optimise=-O2
  [[ $expected == none ]] || optimise=-O0 # the search is over before the compiler is
  if ! spin -a "$@" "$model" >generated 2>&1 || ! gcc -w "$optimise" -DSAFETY -DNOREDUCE -DMEMLIM=6000 -o pan pan.c; then
    cat generated >&2
    exit 1
  fi
  ./pan -m100000 -w24 >out 2>&1 || { cat out >&2; exit 1; }
  states=$(awk '/states, stored/ {print $1}' out)
  if grep -q 'errors: 0$' out; then
    found=none
    ! grep -q 'max search depth too small\|Search not completed' out || found=incomplete
  else
    found=$(sed -nE 's/^pan:[0-9]+: (assertion violated )?(.*) \(at depth.*/\2/p' out)
  fi
  printf '%-58s %10s %8s %-9s %s\n' "$name" "$states" "$((SECONDS - began))" "$expected" "$found"
  if [[ $found != "$expected" ]]; then
    failed=1
    [[ ! -e $model.trail ]] || spin -t -p -g "$@" "$model" | tail -n 120
  fi
  rm -f pan pan.* "$model.trail"
}

printf '%-58s %10s %8s %-9s %s\n' "the Lease, in Spin" states seconds expected broken
check "2 nodes, 8 writes, 1 unanswered, 1 crash" none -DNODES=2 -DWRITES=8 -DLATE=1 -DCRASHES=1 -DLOSSES=0
check "2 nodes, 5 writes, 1 unanswered, 1 crash, 1 loss" none -DNODES=2 -DWRITES=5 -DLATE=1 -DCRASHES=1 -DLOSSES=1
check "2 nodes, 4 writes, 2 unanswered, 1 crash, 1 loss" none -DNODES=2 -DWRITES=4 -DLATE=2 -DCRASHES=1 -DLOSSES=1
check "3 nodes, 5 writes, 1 unanswered" none -DNODES=3 -DWRITES=5 -DLATE=1 -DCRASHES=0 -DLOSSES=0
check "3 nodes, 3 writes, 1 unanswered, 1 crash, 1 loss" none -DNODES=3 -DWRITES=3 -DLATE=1 -DCRASHES=1 -DLOSSES=1
check "without: renew only on the own claim" s8 -DWITHOUT_OWN
check "without: the version in the write" s0 -DWITHOUT_VERSION
check "without: a newer epoch ends a claim" drained -DWITHOUT_YIELD
check "without: a seizure waits with the address" drained -DWITHOUT_DRAIN
check "without: an epoch above each that was seen" grows -DWITHOUT_SEEN

model=evidence.pml
printf '%-58s %10s %8s %-9s %s\n' "a takeover beside a fresh Lease" states seconds expected broken
check "3 nodes, 4 writes, 1 unanswered, 2 deaths" none -DWRITES=4 -DLATE=1 -DDEATHS=2
check "3 nodes, 4 writes, 2 unanswered, 1 death" none -DWRITES=4 -DLATE=2 -DDEATHS=1
check "without: evidence is of the epoch at its beginning" one -DWITHOUT_EPOCH
check "without: the version in the write" s8 -DWITHOUT_VERSION
check "without: the late answer decides" one -DWITHOUT_LATE
check "without: a claim may wait for its answer still" one -DWITHOUT_SETTLED
exit "$failed"
