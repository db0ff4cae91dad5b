#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# flanneld is a main package in the root of its module, which imports every backend: udp, which is C, and Tencent's,
# whose SDK the module proxy does not have. Backends register themselves, so without these two imports flanneld is the
# same but for them. This writes such a main.go into a directory and prints the overlay that puts it into this module.
#
#   overlay.sh <directory>
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/e2e/lib.sh
source "$here/../../lib.sh"

sources=$(module_source modules/flannel github.com/flannel-io/flannel)
grep -v -e '/pkg/backend/udp"$' -e '/pkg/backend/tencentvpc"$' "$sources/main.go" >"$1/main.go"
printf '{"Replace": {"%s/main.go": "%s/main.go"}}\n' "$here" "$1"
