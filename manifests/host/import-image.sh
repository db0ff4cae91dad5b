#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gives the image to a host without a registry, before kubeadm. On a machine with the source and Docker:
#
#   make image                          # bin/harbinger-image-amd64.tar; hack/image.sh --arch arm64 --tag NAME:TAG for others
#   scp bin/harbinger-image-amd64.tar manifests/host/import-image.sh HOST:
#
# On each control-plane host:
#
#   ./import-image.sh harbinger-image-amd64.tar
#
# The pod does not pull an image that is there already. Its name must be the one in the manifest: generate.sh takes it as IMAGE.
set -eu

tar=${1:?usage: import-image.sh FILE}
if ctr version >/dev/null 2>&1; then
  # The namespace of the kubelet.
  exec ctr -n k8s.io images import "$tar"
fi
if command -v crio >/dev/null && command -v podman >/dev/null; then
  # CRI-O shares its storage with podman.
  exec podman load --input "$tar"
fi
echo "Neither containerd answers nor is there CRI-O with podman: import $tar into the runtime of the kubelet by its own means." >&2
exit 1
