// SPDX-License-Identifier: Apache-2.0

package preflight

// Status says how a check has ended, as kubeadm prints it.
type Status string

// The ends of a check.
const (
	OK   Status = "OK"
	Warn Status = "WARN" // a person should look at it
	Fail Status = "FAIL" // the control plane would not work, or harm another
)

// Result is what one check has found on a host.
type Result struct {
	// Check is the name of the check, by which it can be ignored, such as FirewallVRRP.
	Check  string
	Status Status
	// Found is what was found, in one sentence. Where it could not be found out, it says why.
	Found string
	// Remedy is what to do, where something is to be done: a command that works when it is pasted, or one sentence.
	Remedy string
	// Field is the field of the configuration that the check is about; empty: none.
	Field string
}

// String returns what was found and what to do, in one line.
func (r Result) String() string {
	if r.Remedy == "" {
		return r.Found
	}
	return r.Found + ": " + r.Remedy
}
