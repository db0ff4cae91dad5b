#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs `harbinger manifest` on a control-plane host, before kubeadm init or join: the installed program, or else the image
# in containerd, podman or Docker. The arguments are those of harbinger manifest:
#
#   IMAGE=harbinger.dev/harbinger:v0.1 ./generate.sh --vip 192.168.238.100/24 --port 4300 --kubeadm-config /etc/kubernetes/kubeadm.yaml
#
# Files that arguments name must be in /etc/kubernetes, the one directory that the container sees.
set -eu

image=${IMAGE:-harbinger.dev/harbinger:v0.1}
mkdir -p /etc/kubernetes/manifests

if command -v harbinger >/dev/null; then
  exec harbinger manifest --image "$image" "$@"
fi
if ctr version >/dev/null 2>&1; then
  # Into the namespace of the kubelet: what is pulled here need not be pulled for the pod.
  [ -n "$(ctr -n k8s.io images ls -q "name==$image")" ] || ctr -n k8s.io images pull "$image"
  exec ctr -n k8s.io run --rm --net-host --mount type=bind,src=/etc/kubernetes,dst=/etc/kubernetes,options=rbind:rw \
    "$image" "harbinger-manifest-$$" /harbinger manifest --image "$image" "$@"
fi
for engine in podman docker; do
  if $engine version >/dev/null 2>&1; then
    # The network of the host, so that its interfaces, addresses and ports can be checked.
    exec $engine run --rm --network host --volume /etc/kubernetes:/etc/kubernetes "$image" manifest --image "$image" "$@"
  fi
done
echo "Nothing runs harbinger here: install the program, or start containerd, podman or Docker." >&2
exit 1
