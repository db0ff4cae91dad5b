// SPDX-License-Identifier: Apache-2.0

package keepalived

import "github.com/harbinger-ha/harbinger/pkg/convert"

// Statements returns what is read of a file, and what is said of it.
func Statements(file convert.File, o Options) ([]convert.Statement, convert.Findings) {
	var found convert.Findings
	return newReader(file, o, &found).statements(), found
}
