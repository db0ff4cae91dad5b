#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What must hold of the source itself. Prints each check; the first that fails ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%-12s %s\n' "$1" "$2"; }

say gofmt "every Go file"
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
if [[ -n $unformatted ]]; then
  echo "not formatted, run gofmt -w on: $unformatted" >&2
  exit 1
fi
say lint ./...
go tool -modfile=hack/tools/lint/go.mod golangci-lint run ./...
say e2e "the small programs of the end-to-end test"
(cd hack/e2e/tiny && go vet ./... && go test ./...)
say tidy go.mod
go mod tidy -diff
(cd hack/release && go mod tidy -diff)
say charts "the Helm chart and the kustomizations, rendered by the libraries of both"
(cd hack/charts && go mod tidy -diff && go vet ./... && go test ./...)
say shellcheck "every script but the recipe of kubeadm's documentation, which stays as it is published"
git grep -lE '^#!.*sh$' -- ':!*.go' ':!hack/e2e/node/classic' | xargs shellcheck -x
say workflows .github
go tool -modfile=hack/tools/go.mod actionlint
say reference "the tables of the documentation match the source"
go run ./hack/reference -check
say golden "samples, pods and README match the code"
go test ./hack/rules ./pkg/manifest ./cmd/harbinger/...
