#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the module in turn, for the time given (default 30s each).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-30s}
grep -rlE '^func Fuzz' --include='*_test.go' pkg cmd e2e | sort | while read -r file; do
  sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file" | while read -r target; do
    echo "== $target ($(dirname "$file")), $time"
    go test "./$(dirname "$file")" -run='^$' -fuzz="^$target\$" -fuzztime="$time" -fuzzminimizetime=5s </dev/null
  done
done
