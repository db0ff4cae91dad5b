// SPDX-License-Identifier: Apache-2.0

package health

// An Authority is who vouches for the certificates of the backends: what Config.CAFile has, as somebody has read it who may. The
// zero value vouches for nobody.
type Authority struct {
	Certificates []byte `json:"certificates,omitempty"` // in PEM; empty: none could be read yet
	Problem      string `json:"problem,omitempty"`      // why there are none
	// Replaced says that the host has another file there, which whoever read this one cannot see.
	Replaced bool `json:"replaced,omitempty"`
}
