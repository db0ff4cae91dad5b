// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"
)

// numbers are the results of several runs.
type numbers []float64

func (n numbers) median() float64 {
	sorted := slices.Sorted(slices.Values(n))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// String returns the median and the range.
func (n numbers) String() string {
	if len(n) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g to %.4g)", n.median(), slices.Min(n), slices.Max(n))
}

// ratio returns how the median compares with another.
func (n numbers) ratio(other numbers) string {
	if other.median() == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", n.median()/other.median())
}
