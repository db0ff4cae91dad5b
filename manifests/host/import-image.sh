#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gives the image to a host without a registry, before kubeadm. On each control-plane host, with the tar of a release:
#
#   ./import-image.sh harbinger-v0.1.0-image-amd64.tar
#
# Or with one that is made from the source (make image; hack/image.sh --arch arm64 --tag NAME:TAG for others).
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
