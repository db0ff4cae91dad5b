#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The stories of e2e/ on real clusters: builds what they need, runs them, prints their table and what the guard refused.
#
#   hack/e2e/run.sh [arguments of go test…]      for instance -short -run TestKind
#
# environment.sh lists the variables that it reads.
set -Eeuo pipefail
directory=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=hack/e2e/lib.sh
source "$directory/lib.sh"
# shellcheck source=hack/e2e/environment.sh
source "$directory/environment.sh"

export HARBINGER_E2E_OUT=${HARBINGER_E2E_OUT:-$REPO_DIR/out/e2e}
began=$(now_ms)

finish() {
	local status=$? was_up=$ENVIRONMENT_IS_UP
	trap - EXIT ERR INT TERM
	set +e
	environment_down
	if [[ -n $was_up ]]; then
		say "packets that tried to leave the machine: ${GUARD_REFUSED:-not counted} (bound: 0)"
		[[ $GUARD_REFUSED == 0 ]] || status=1
	fi
	if ((status)); then
		printf '\nFAILED after %s s; logs: %s\n' "$(seconds_since "$began")" "$HARBINGER_E2E_OUT"
	else
		rm -rf "$HARBINGER_E2E_OUT"
		printf '\npassed in %s s\n' "$(seconds_since "$began")"
	fi
	exit "$status"
}
trap finish EXIT
trap 'printf "error: line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
trap 'exit 130' INT TERM

environment_build "$HARBINGER_E2E_OUT"
size=$(docker image inspect --format '{{.Size}}' "$HARBINGER_E2E_IMAGE")
say "image of Harbinger: $((size / 1000)) kB (bound: 30000 kB)"
((size <= 30000000)) || die "the image is too big"
environment_up
cd "$REPO_DIR"
go test ./e2e -tags e2e -count 1 -timeout 5h -v "$@"
