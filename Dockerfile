# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The image is one static program and nothing else: no shell, no libraries, no certificates (the API server's authority
# is mounted by the pod). `make image` and `make release` make the same image without a container engine (hack/release); this
# file is for those who build with one, for one or more architectures:
#
#   CGO_ENABLED=0 GOARCH=arm64 go build -trimpath -ldflags='-s -w -buildid=' -o bin/linux/arm64/harbinger ./cmd/harbinger
#   docker build --build-arg TARGETARCH=arm64 .
#
# BuildKit sets TARGETARCH by itself from --platform.
FROM scratch
ARG TARGETARCH=amd64
ARG BINARY=bin/linux/${TARGETARCH}/harbinger
COPY ${BINARY} /harbinger
ENV PATH=/
ENTRYPOINT ["/harbinger"]
CMD ["run"]
