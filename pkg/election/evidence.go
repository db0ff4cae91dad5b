// SPDX-License-Identifier: Apache-2.0

package election

// Finding is what one channel says of who has the virtual addresses. A channel that was not asked says nothing.
type Finding uint8

// The findings. Those from SaysBackup on are what a process says of itself at the identity port.
const (
	CouldNotAsk  Finding = iota // this node could not ask, which says nothing of the others
	Nobody                      // asked, and nobody answered in time
	Rejected                    // TCP: an ICMP message came back, as from a firewall that rejects
	Reset                       // TCP: a kernel refused the connection (RST)
	Answers                     // TCP: the connection was made; ARP or neighbour discovery: a host answered
	SaysBackup                  // a process that does not hold the addresses, or has the name of this node
	SaysLeaving                 // a holder that leaves
	SaysDistress                // a holder without a healthy backend
	SaysActive                  // a holder
	SaysForeign                 // a process of another cluster
)

var findings = [...]string{
	"CouldNotAsk", "Nobody", "Rejected", "Reset", "Answers", "SaysBackup", "SaysLeaving", "SaysDistress", "SaysActive", "SaysForeign",
}

// String returns the name of the finding.
func (f Finding) String() string { return findings[f] }

// reacts reports whether a host reacted to a connection, in whatever way.
func (f Finding) reacts() bool { return f >= Rejected }

// Verdict is what the evidence shows of who serves the virtual addresses.
type Verdict uint8

// The verdicts, the severer the later.
const (
	Free         Verdict = iota // nobody has them, or who has them leaves
	Unasked                     // no channel could be asked
	Abandoned                   // a kernel keeps them, whose lifetime never ends, and no process serves (a killed keepalived)
	Zombie                      // a kernel has them; its process may be dead, and then they expire soon
	LiveDistress                // a node of this cluster holds them, without a healthy backend
	Served                      // somebody serves them, or may, and does not say who
	Foreign                     // another cluster, or a host that is no peer, has them
	Live                        // a node of this cluster holds them
)

var verdicts = [...]string{"Free", "Unasked", "Abandoned", "Zombie", "LiveDistress", "Served", "Foreign", "Live"}

// String returns the name of the verdict.
func (v Verdict) String() string { return verdicts[v] }

// Evidence is what is known of a holder that sends no advertisements to this node: the findings of the channels that were asked,
// and what the election knows in addition.
type Evidence struct {
	// Identity and Client are TCP, to the identity port and to the port of the control plane at the virtual address.
	Identity, Client Finding
	// Neighbour is ARP or neighbour discovery: CouldNotAsk, Nobody or Answers.
	Neighbour Finding
	// Peer says that the host that answered is a known peer, by its hardware address.
	Peer bool
	// Announced says that this host announced the addresses (gratuitous ARP, unsolicited neighbour advertisement) a moment ago. A
	// process does that, no kernel.
	Announced bool
	// Released says that this host, or one that may be this, has advertised that it leaves (priority 0).
	Released bool
	// Lasting says that the kernel of a holder that died unseen may still have the addresses.
	Lasting bool
	// Lingering says the same of a holder that was found to serve.
	Lingering bool
}

// reaction reports whether a kernel reacts at the virtual address.
func (v Evidence) reaction() bool { return v.Identity.reacts() || v.Client.reacts() }

// asked reports whether a connection was tried.
func (v Evidence) asked() bool { return v.Identity != CouldNotAsk || v.Client != CouldNotAsk }

// foreign reports whether the host that answered is no peer.
func (v Evidence) foreign() bool { return v.Neighbour == Answers && !v.Peer }

// A ruling is one row of the table of evidence.
type ruling struct {
	when    func(Evidence) bool
	verdict Verdict
	reason  string
}

// rulings is the table of evidence: the first row that fits decides. Nothing is concluded from the silence of one channel, nor
// from what keeps this node from asking.
var rulings = [...]ruling{
	{func(v Evidence) bool { return v.Identity == SaysForeign }, Foreign, "a node of another cluster has the addresses"},
	{func(v Evidence) bool { return v.Identity == SaysActive }, Live, "its holder says so"},
	{func(v Evidence) bool { return v.Identity == SaysDistress }, LiveDistress, "its holder says that no backend is healthy"},
	{func(v Evidence) bool { return v.Identity == SaysLeaving }, Free, "its holder leaves"},
	{func(v Evidence) bool { return v.reaction() && v.Lasting }, Zombie, "a dead or frozen holder still has the addresses"},
	{func(v Evidence) bool { return v.reaction() && v.foreign() }, Foreign, "a host that is no peer has the addresses"},
	{func(v Evidence) bool { return v.reaction() && v.Neighbour == Nobody }, Foreign, "a host reacts that does not answer for the addresses"},
	{func(v Evidence) bool { return v.reaction() && v.Released }, Abandoned, "who has the addresses has released them"},
	{func(v Evidence) bool { return v.Identity == SaysBackup }, Abandoned, "a node has the addresses that does not hold them"},
	{func(v Evidence) bool { return v.Identity == Reset && v.Client == Reset && v.Lingering && !v.Announced }, Zombie, "a dead or frozen holder still has the addresses"},
	{func(v Evidence) bool { return v.Identity == Reset && v.Client == Reset && v.Peer && !v.Announced }, Abandoned, "dead holder still has the addresses"},
	{func(v Evidence) bool { return v.reaction() }, Served, "a host reacts, as only a holder that lives does"},
	{func(v Evidence) bool { return v.Neighbour == Answers && v.Peer && v.Lasting }, Zombie, "a dead or frozen holder still has the addresses"},
	{func(v Evidence) bool { return v.Neighbour == Answers && v.Announced && v.Released }, Abandoned, "who has the addresses has released them"},
	{func(v Evidence) bool { return v.foreign() && v.Announced }, Foreign, "a host that is no peer announces the addresses"},
	{func(v Evidence) bool { return v.Neighbour == Answers && v.Announced }, Served, "a peer announces the addresses"},
	{func(v Evidence) bool { return v.asked() }, Free, "no host reacts"},
	{func(v Evidence) bool { return v.foreign() && v.Lasting }, Unasked, "they could not be asked"},
	{func(v Evidence) bool { return v.foreign() }, Foreign, "a host that is no peer answers for the addresses"},
	{func(v Evidence) bool { return v.Neighbour == Answers }, Served, "a peer answers for the addresses, and could not be asked"},
	{func(Evidence) bool { return true }, Unasked, "they could not be asked"},
}

// Judge returns what the evidence shows, and why.
func (v Evidence) Judge() (Verdict, string) {
	for _, r := range rulings {
		if r.when(v) {
			return r.verdict, r.reason
		}
	}
	panic("the last row of the table of evidence fits everything")
}
