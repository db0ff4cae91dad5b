#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the module in turn, with as many inputs as given (default 200000x each). A time, such as 30s, works too; but Go up to 1.26
# then fails now and then with "context deadline exceeded" and no failing input, when the time ends while a worker is busy (go.dev/issue/75804).
set -euo pipefail
cd "$(dirname "$0")/.."

budget=${1:-200000x}
grep -rlE '^func Fuzz' --include='*_test.go' pkg cmd e2e | sort | while read -r file; do
  sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file" | while read -r target; do
    echo "== $target ($(dirname "$file")), $budget"
    go test "./$(dirname "$file")" -run='^$' -fuzz="^$target\$" -fuzztime="$budget" -fuzzminimizetime=5s </dev/null
  done
done
