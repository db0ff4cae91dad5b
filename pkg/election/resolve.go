// SPDX-License-Identifier: Apache-2.0

package election

// Resolve says whether this holder answers questions of address resolution (RFC 826; RFC 4861, section 7.2) for the virtual addresses.
// Packets for them are served either way: who knows the holder by its hardware address goes on. After the addresses were acquired it
// answers. Without a fence nothing changes.
type Resolve struct{ Answered bool }

func (Resolve) action() {}
func (a Resolve) String() string {
	if a.Answered {
		return "resolve answered"
	}
	return "resolve refused"
}

// resolve has this holder answer questions for the addresses, or not.
func (p *presence) resolve(answered bool) []Action {
	if p.refuses == !answered {
		return nil
	}
	p.refuses = !answered
	return []Action{Resolve{Answered: answered}}
}
