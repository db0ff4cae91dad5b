#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Names what this machine lacks for `make demo`, `make test`, `make bench`, `make faults`, `make model` or `make verify`, and how to get it.
set -euo pipefail

missing=()
need() { # command, Debian package
  command -v "$1" >/dev/null || missing+=("$2")
}

PATH=$PATH:/usr/sbin:/sbin
if ! command -v go >/dev/null; then
  echo "Go is missing: install Go $(awk '$1 == "go" {print $2}' go.mod) or newer (https://go.dev/dl/)." >&2
  exit 1
fi
if [[ $(uname -s) != Linux ]]; then
  echo "Linux is needed: Harbinger works on its network namespaces and its netlink." >&2
  exit 1
fi
if [[ ${1:-} == test ]]; then
  need gcc gcc # the race detector links with it
  need keepalived keepalived
  need haproxy haproxy
  need iptables-nft iptables # the commands of the pages
  need systemd-analyze systemd
  need chromium chromium # the page
  need promtool prometheus # the rules for alerts
  need strace strace # the system calls of a relay
fi
if [[ ${1:-} == bench ]]; then
  need keepalived keepalived
  need haproxy haproxy
  need strace strace
fi
if [[ ${1:-} == test || ${1:-} == bench || ${1:-} == faults ]]; then
  need nft nftables
fi
if [[ ${1:-} == model ]]; then
  need gcc gcc # Spin writes a search in C
  need spin spin
fi
if [[ ${1:-} == verify ]]; then
  need shellcheck shellcheck
fi
if ((${#missing[@]})); then
  echo "The tests run against the real peers and tools, and this machine lacks: ${missing[*]}" >&2
  echo "Debian and Ubuntu: sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  [[ $1 == model || $1 == verify ]] || echo "(stop the services that the packages start: sudo systemctl disable --now keepalived haproxy prometheus)" >&2
  exit 1
fi
if [[ ${1:-} != model && ${1:-} != verify ]] && ((EUID != 0)) && ! unshare -Urn true 2>/dev/null; then
  echo "Neither root nor unprivileged user namespaces: run as root, or allow them (sysctl kernel.unprivileged_userns_clone=1," >&2
  echo "on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)." >&2
  exit 1
fi
