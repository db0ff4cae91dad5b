// SPDX-License-Identifier: Apache-2.0

// Package fence lets frames for the virtual addresses into this host only while its process renews them: a dead man's switch with a
// resolution of milliseconds, where the lifetime of an address counts in seconds.
package fence
