// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the status of one node as JSON: the answer of /status and of "harbinger status -o json". It holds
// types only, and depends on nothing else of Harbinger, so that a program that watches a node can use it.
//
// The fields are a stable contract: they may grow, but keep their names and meanings. Whoever decodes them must ignore the
// fields that it does not know. Times are in UTC, durations are written as Go writes them ("1.5s").
package v1alpha1
