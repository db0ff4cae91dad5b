// SPDX-License-Identifier: Apache-2.0

// Package load makes connections as fast as the machine can, and answers them: the client and the backends of the benches. Both are
// processes of the lab with one thread each, which waits in epoll and makes its calls past the scheduler of Go and without a
// collector, so that what is measured is what lies between them. Addresses are those of IPv4.
package load
