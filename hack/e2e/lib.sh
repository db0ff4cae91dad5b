#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What every script of the end-to-end test shares: where things are cached, how they speak, how they wait. Sourced.

# Built things live outside the clone, keyed by their content, so that a fresh clone is warm and `git clean` costs nothing.
shopt -s inherit_errexit

HARBINGER_CACHE=${HARBINGER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/harbinger}
E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for the scripts that source this one
REPO_DIR=$(cd "$E2E_DIR/../.." && pwd)

# Everything the test makes in Docker carries this label, and is found again by it after a run that was killed.
# shellcheck disable=SC2034
E2E_LABEL=harbinger-e2e

now_ms() { # milliseconds, without a process per call
	local t=$EPOCHREALTIME
	printf '%s' "$((10#${t//[!0-9]/} / 1000))"
}

say() { printf '    %s\n' "$*" >&2; }
warn() { printf '    warning: %s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

seconds_since() { # seconds_since <milliseconds>: "12.3"
	local d=$(($(now_ms) - $1))
	printf '%d.%d' $((d / 1000)) $((d % 1000 / 100))
}

# timed <what> <command…> runs the command and says how long it took.
timed() {
	local what=$1 start
	shift
	start=$(now_ms)
	"$@"
	say "$what: $(seconds_since "$start") s"
}

# wait_for <seconds> <what> <command…> repeats the command until it succeeds; the bound is the only clock.
wait_for() {
	local bound=$1 what=$2 start
	shift 2
	start=$(now_ms)
	until "$@" >/dev/null 2>&1; do
		if (($(now_ms) - start > bound * 1000)); then
			printf 'error: waited %s s for: %s\n' "$bound" "$what" >&2
			return 1
		fi
		sleep 0.1
	done
}

# content_key <path or string…> is a short hash over files (recursively) and literal strings.
content_key() {
	local x
	for x in "$@"; do
		if [[ -d $x ]]; then
			(cd "$x" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
		elif [[ -f $x ]]; then
			sha256sum <"$x"
		else
			printf '%s\n' "$x"
		fi
	done | sha256sum | cut -c1-12
}

# module_source <module directory> <module>: where the Go module cache has its sources. Fetches them where it has not.
module_source() {
	(cd "$E2E_DIR/$1" && GOWORK=off GOFLAGS=-mod=readonly go mod download -json "$2") | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' | grep .
}

# need <command> <Debian package> makes sure of a command, by apt-get where there is one and we may.
need() {
	local cmd=$1 package=$2
	PATH=$PATH:/usr/sbin:/sbin command -v "$cmd" >/dev/null && return
	if ((EUID == 0)) && command -v apt-get >/dev/null; then
		say "installing the Debian package $package (for $cmd)"
		# No daemon is to start by itself: RUNLEVEL=1 says so to the scripts of the packages on systems without systemd.
		{
			apt-get -qq -o DPkg::Lock::Timeout=300 update || warn "apt-get update failed, trying with what is known"
			RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$package"
		} >&2 || die "cannot install $package: install it by hand and run again"
		return
	fi
	die "$cmd is missing: install the package that has it (Debian: $package) and run again"
}
