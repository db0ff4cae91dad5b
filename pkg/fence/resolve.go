// SPDX-License-Identifier: Apache-2.0

package fence

import "fmt"

// Resolve says whether questions of address resolution (ARP, neighbour discovery) for the addresses are answered while the fence is open.
// Packets for them are let in either way. The next Shut or Disarm forgets it.
func (f *Fence) Resolve(answered bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return ErrShut
	}
	f.refuses = !answered
	purpose := refuse
	if answered {
		purpose = answer
	}
	if _, err := f.beats[purpose].send(); err != nil { // without a table: the next renewal puts it back as it is to be
		return fmt.Errorf("change what the fence answers: %w", err)
	}
	return nil
}

// Asked reports whether somebody has asked for an address since such questions are refused.
func (f *Fence) Asked() (bool, error) {
	f.kernel.Lock()
	defer f.kernel.Unlock()
	if f.closed {
		return false, ErrShut
	}
	for _, a := range f.table.addresses {
		if asked, err := f.conn.has(f.table.asked(a)); asked || err != nil {
			return asked, err
		}
	}
	return false, nil
}
