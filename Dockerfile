# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The image is one static program and nothing else: no shell, no libraries, no certificates (the API server's authority
# is mounted by the pod). hack/image.sh builds the program first; by hand, for one or more architectures:
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
