// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strings"
	"testing"
	"time"
)

// combinations returns every combination of evidence.
func combinations() (every []Evidence) {
	both := []bool{false, true}
	for identity := CouldNotAsk; identity <= SaysForeign; identity++ {
		for client := CouldNotAsk; client <= Answers; client++ {
			for _, neighbour := range []Finding{CouldNotAsk, Nobody, Answers} {
				for _, peer := range both {
					for _, announced := range both {
						if neighbour != Answers && (peer || announced) {
							continue // of the host that answers
						}
						for flags := range 8 {
							every = append(every, Evidence{
								Identity: identity, Client: client, Neighbour: neighbour, Peer: peer, Announced: announced,
								Released: flags&1 != 0, Lasting: flags&2 != 0, Lingering: flags&4 != 0,
							})
						}
					}
				}
			}
		}
	}
	return every
}

// With -v it prints the whole table.
func TestEvidenceTable(t *testing.T) {
	reasons := map[string]int{}
	for _, v := range combinations() {
		verdict, why := v.Judge()
		reasons[why]++
		t.Logf("identity %-12s client %-11s neighbour %-11s peer %-5t announced %-5t released %-5t lasting %-5t lingering %-5t: %s, %s",
			v.Identity, v.Client, v.Neighbour, v.Peer, v.Announced, v.Released, v.Lasting, v.Lingering, verdict, why)
	}
	for _, r := range rulings {
		if reasons[r.reason] == 0 {
			t.Errorf("no evidence leads to %s, %s", r.verdict, r.reason)
		}
	}
}

// What must hold for every combination, whatever the rows of the table are.
func TestEvidence(t *testing.T) {
	taken := func(v Verdict) bool { return v == Free || v == Unasked || v == Abandoned }
	for _, tc := range []struct {
		rule  string
		given func(Evidence) bool
		want  func(Evidence, Verdict) bool
	}{
		{
			"a holder that says so is believed", func(v Evidence) bool { return v.Identity == SaysActive },
			func(_ Evidence, got Verdict) bool { return got == Live },
		},
		{
			"nothing that was found is nothing that is concluded",
			func(v Evidence) bool {
				return v.Identity == CouldNotAsk && v.Client == CouldNotAsk && v.Neighbour != Answers
			},
			func(_ Evidence, got Verdict) bool { return got == Unasked },
		},
		{
			"a peer that serves clients keeps the addresses, unless it gives them up",
			func(v Evidence) bool { return v.Peer && v.Client == Answers && !v.Released && v.Identity < SaysBackup },
			func(_ Evidence, got Verdict) bool { return got == Served || got == Zombie },
		},
		{
			"a host that reacts to anything keeps them, unless it gives them up or refuses on both ports",
			func(v Evidence) bool {
				return v.reaction() && !v.Released && v.Identity < SaysBackup && (v.Identity != Reset || v.Client != Reset)
			},
			func(_ Evidence, got Verdict) bool { return !taken(got) },
		},
		{
			"a dead peer's addresses are waited for", func(v Evidence) bool { return v.Peer && v.Lasting && v.Identity < SaysLeaving },
			func(_ Evidence, got Verdict) bool { return got == Zombie },
		},
		{
			"so are those of one that served", func(v Evidence) bool {
				return v.Peer && v.Lingering && !v.Released && !v.Announced && v.Identity == Reset && v.Client == Reset
			},
			func(_ Evidence, got Verdict) bool { return got == Zombie },
		},
		{
			"a peer that announces keeps them, whatever is filtered", func(v Evidence) bool { return v.Peer && v.Announced && !v.Released && v.Identity < SaysBackup },
			func(_ Evidence, got Verdict) bool { return !taken(got) },
		},
		{
			"ARP alone is no holder", func(v Evidence) bool { return v.asked() && !v.reaction() && !v.Announced && !(v.Peer && v.Lasting) },
			func(_ Evidence, got Verdict) bool { return got == Free },
		},
		{
			"only who is no peer is foreign", func(v Evidence) bool { return v.Peer && v.Identity != SaysForeign },
			func(_ Evidence, got Verdict) bool { return got != Foreign },
		},
		{
			"silence everywhere is nobody",
			func(v Evidence) bool { return v.Identity == Nobody && v.Client == Nobody && v.Neighbour == Nobody },
			func(_ Evidence, got Verdict) bool { return got == Free },
		},
		{
			"a Lease may be seized by Free alone, which somebody must have been asked for", func(v Evidence) bool { return !v.asked() },
			func(_ Evidence, got Verdict) bool { return got != Free },
		},
		{
			"to find more out never makes a holder of nobody", func(v Evidence) bool { return v.Client == Nobody },
			func(v Evidence, got Verdict) bool {
				v.Client = CouldNotAsk
				before, _ := v.Judge()
				return !taken(before) || taken(got)
			},
		},
	} {
		n := 0
		for _, v := range combinations() {
			if !tc.given(v) {
				continue
			}
			n++
			if got, why := v.Judge(); !tc.want(v, got) {
				t.Errorf("%s: %+v is %s, %s", tc.rule, v, got, why)
			}
		}
		if n == 0 {
			t.Errorf("%s: no combination", tc.rule)
		}
	}
}

// F20: protocol 112 and the identity port are closed, the client port is open. The holder keeps the address as long as it lives.
func TestRow11ReactionIsAHolder(t *testing.T) {
	announces := found(Free)
	announces.Neighbour, announces.Owner, announces.Peer = Answers, "02:00:00:00:00:83", upper
	for name, serves := range map[string]ProbeDone{
		"the client port answers": found(Served),
		"everything is rejected":  {Identity: Rejected, Client: Rejected, Neighbour: Answers, Owner: announces.Owner, Peer: upper},
		"it only announces":       announces,
		"everything is reset":     found(Abandoned),
		"no ARP could be asked":   {Identity: Nobody, Client: Answers},
	} {
		t.Run(name, func(t *testing.T) {
			r := started(t)
			r.verdict = serves
			for range 12 {
				r.step(AddressClaimed{Address: vip, Owner: announces.Owner, Peer: upper})
				r.run(5 * time.Second)
			}
			r.wantState(Backup)
			r.wantNone("acquire", "Active")
			if r.did("alarm Filtered") == 0 || !r.e.Status().Unheard.Identity {
				t.Errorf("did %q, want an alarm", r.trace)
			}
			r.verdict = found(Free)
			r.wantWithin("takeover after its death", r.until(Active, 5*time.Second), 0, time.Second)
		})
	}
}

// A holder behind such a filter is killed: its kernel refuses for a while, and nobody takes the address before it is gone.
func TestRow12DeadHolderBehindAFilter(t *testing.T) {
	r := started(t)
	r.verdict = found(Served)
	r.run(time.Minute)
	r.verdict = found(Abandoned)
	r.run(3 * time.Second)
	r.wantNone("acquire")
	r.verdict = found(Free)
	r.wantWithin("takeover", r.until(Active, 5*time.Second), 0, time.Second)
}

// A leaving holder whose identity port is filtered does not hold up its successor.
func TestRow12ReleasedByAHolderBehindAFilter(t *testing.T) {
	r := started(t)
	r.hear(upper, 200)
	r.verdict = found(Served)
	r.hear(upper, 0)
	r.wantWithin("takeover", r.until(Active, 10*time.Second), 0, 4*time.Second)
}

// A Lease that another node renews is not seized while somebody may serve.
func TestServedAddressIsNotSeized(t *testing.T) {
	for _, answer := range []ProbeDone{found(Served), {Detail: "too many open files"}} {
		l := another(1)
		r, f := withAPI(t, l)
		r.verdict = answer
		renewed(r, f, l, 60*time.Second)
		r.wantState(Backup)
		if len(f.writes) > 0 {
			t.Errorf("wrote %v", f.writes)
		}
	}
}

// F21: of nodes that do not hear each other, one takes a free address, and the others see its announcement.
func TestRow16AnnouncementIsNewerThanTheAnswer(t *testing.T) {
	r := started(t)
	r.mute = true
	r.until(Claiming, 5*time.Second)
	r.step(AddressClaimed{Address: vip, Owner: "02:00:00:00:00:83", Peer: upper}, found(Free))
	r.wantState(Claiming)
	r.wantNone("acquire")
	if r.did("probe") < 2 {
		t.Errorf("did %q, want it asked again", r.trace)
	}
	r.step(found(Served))
	r.wantNone("acquire")
}

// F22: a holder that cannot advertise gives way to a peer that had to take the address.
func TestRow28MuteHolderYields(t *testing.T) {
	for _, mute := range []bool{false, true} {
		r := active(t)
		for range 40 {
			if mute {
				r.step(AdvertisementUnsent{})
			}
			r.run(100 * time.Millisecond)
		}
		r.wantState(Active) // nobody else is there
		r.claim(lower)
		if got := r.e.State() == Backup; got != mute {
			t.Errorf("mute %t: state %s after the first claim of a peer", mute, r.e.State())
		}
	}
}

// Only what kept this node from asking is said, and nothing where the holder has said who it is: then nobody else is asked.
func TestChannelsThatCouldNotAsk(t *testing.T) {
	for _, tc := range []struct {
		done ProbeDone
		want string
	}{
		{ProbeDone{Identity: Nobody, Client: Reset, Neighbour: Answers, Detail: "x"}, ""},
		{ProbeDone{Identity: SaysActive, Detail: "x"}, ""},
		{ProbeDone{Identity: SaysDistress, Detail: "x"}, ""},
		{ProbeDone{Identity: SaysLeaving, Detail: "x"}, ""},
		{ProbeDone{Identity: SaysBackup, Client: Reset, Detail: "x"}, "ARP or neighbour discovery (x)"},
		{ProbeDone{Client: Reset, Neighbour: Nobody, Detail: "too many open files"}, "identity port (too many open files)"},
		{ProbeDone{Detail: "x"}, "identity port, port of the control plane, ARP or neighbour discovery (x)"},
	} {
		if got := tc.done.CouldNotAsk(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.done, got, tc.want)
		}
	}
	r := started(t)
	r.verdict = ProbeDone{Client: Answers, Neighbour: Answers, Owner: "02:00:00:00:00:03", Peer: upper, Detail: "too many open files"}
	r.run(10 * time.Second)
	r.wantState(Backup)
	if got := r.e.Status().CouldNotAsk; !strings.Contains(got, "too many open files") {
		t.Errorf("the status says %q", got)
	}
	r.hear(upper, 200)
	if got := r.e.Status().CouldNotAsk; got != "" {
		t.Errorf("the status says %q when a holder is heard", got)
	}
}

// A host that has released the addresses, and serves longer than it may (row 36), has taken them again, unheard.
func TestReleaseIsForgotten(t *testing.T) {
	r := started(t)
	r.hear(upper, 200)
	r.verdict = found(Live)
	r.hear(upper, 0)
	r.run(10 * time.Second)
	r.wantState(Backup)
	r.verdict = found(Served)
	r.run(20 * time.Second)
	r.wantState(Backup)
	r.wantNone("acquire")
}
