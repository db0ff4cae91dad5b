#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# After the deb ("remove", "purge", "upgrade") or the rpm (0, 1) is removed. The pod and its files stay: they belong to the
# cluster, and are removed with it.
set -e
case $1 in
purge | 0) rm -f /var/lib/systemd/timers/stamp-harbinger-kubeconfig.timer ;; # when the timer last ran
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload
