// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import "slices"

// Rows returns all rows, those that share a plane one after another.
func Rows() []Row {
	rows := slices.Concat(
		[]Row{bootstrapRow()}, steadyRows(), plannedRows(), leaseRows(), apiRows(), wireRows(), holderRows(), forgedRows(),
		[]Row{discoveryRow()},
	)
	slices.SortStableFunc(rows, func(a, b Row) int { return a.kind.order() - b.kind.order() })
	return rows
}

// order puts the kinds one after another.
func (k kind) order() int {
	switch k {
	case kind{bare: true}:
		return 0
	case kind{}:
		return 1
	case kind{discovery: true}:
		return 2
	case kind{backplane: true}:
		return 3
	default:
		return 4
	}
}
