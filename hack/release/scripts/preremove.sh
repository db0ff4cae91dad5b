#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Before the deb ("remove", "upgrade") or the rpm (0, 1) is removed.
set -e
[ -d /run/systemd/system ] || exit 0
case $1 in
remove | 0) systemctl stop harbinger-kubeconfig.timer harbinger-kubeconfig.service || true ;;
esac
