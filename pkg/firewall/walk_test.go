// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
)

// The words of a rule in the tests of walk: what it does, after a question mark where it may not match.
var ends = map[string]verdict{
	"accept": {kind: accept}, "drop": {kind: drop}, "return": {kind: back}, "queue": {kind: elsewhere}, "continue": {kind: goOn},
}

// ruleOf makes a rule of a word such as accept, ?drop, jump:x or ?goto:x.
func ruleOf(word string) rule {
	name, unsure := strings.CutPrefix(word, "?")
	holds := yes
	if unsure {
		holds = maybe
	}
	end, ok := ends[name]
	if to, jumps := strings.CutPrefix(name, "jump:"); jumps {
		end, ok = verdict{jump, to}, true
	}
	if to, goes := strings.CutPrefix(name, "goto:"); goes {
		end, ok = verdict{jumpForGood, to}, true
	}
	if !ok {
		panic(word)
	}
	return rule{word, func(*image) []alternative { return []alternative{{holds, end}} }}
}

// rulesOf makes the rules of base chains, with their policies, and of others, by their names.
func rulesOf(chains ...string) Ruleset {
	r := Ruleset{chains: map[chainKey]*chain{}}
	for _, text := range chains {
		words := strings.Fields(text)
		name, policy, base := strings.Cut(words[0], "/")
		c := &chain{key: chainKey{NFT, "inet", "f", name}, drops: policy == "drop", hook: hookInput}
		for _, word := range words[1:] {
			c.rules = append(c.rules, ruleOf(word))
		}
		r.chains[c.key] = c
		if base {
			r.bases = append(r.bases, c)
		}
	}
	return r
}

// A rule that may match leaves both ways open; what follows it still decides where both ways end alike.
func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		chains []string
		want   Verdict
	}{
		{[]string{"in/accept"}, Admitted},
		{[]string{"in/drop"}, Refused},
		{[]string{"in/drop accept"}, Admitted},
		{[]string{"in/accept drop"}, Refused},
		{[]string{"in/accept accept drop"}, Admitted},
		{[]string{"in/accept ?drop"}, Undecided},
		{[]string{"in/drop ?accept"}, Undecided},
		{[]string{"in/drop ?drop"}, Refused},
		{[]string{"in/accept ?accept"}, Admitted},
		{[]string{"in/accept ?accept drop"}, Undecided},
		{[]string{"in/drop ?accept accept"}, Admitted},
		{[]string{"in/accept ?drop drop"}, Refused},
		{[]string{"in/accept queue"}, Undecided},
		{[]string{"in/drop ?queue drop"}, Undecided},
		{[]string{"in/drop return accept"}, Refused},
		{[]string{"in/drop ?return accept"}, Undecided},
		{[]string{"in/drop continue accept"}, Admitted},
		{[]string{"in/drop jump:x", "x accept"}, Admitted},
		{[]string{"in/drop jump:x accept", "x return drop"}, Admitted},
		{[]string{"in/drop jump:x accept", "x ?return drop"}, Undecided},
		{[]string{"in/drop ?jump:x", "x accept"}, Undecided},
		{[]string{"in/drop ?jump:x accept", "x accept"}, Admitted},
		{[]string{"in/drop ?jump:x accept", "x drop"}, Undecided},
		{[]string{"in/drop goto:x accept", "x return"}, Refused},
		{[]string{"in/drop goto:x accept", "x"}, Refused},
		{[]string{"in/drop ?goto:x accept", "x"}, Undecided},
		{[]string{"in/drop jump:x accept", "x goto:y drop", "y"}, Admitted},
		{[]string{"in/drop jump:x accept", "x goto:y", "y drop"}, Refused},
		{[]string{"in/accept jump:none"}, Undecided},
		{[]string{"in/accept jump:x", "x jump:y", "y jump:x"}, Undecided},
		{[]string{"in/accept accept", "after/accept drop"}, Refused},
		{[]string{"in/accept drop", "after/accept accept"}, Refused},
		{[]string{"in/accept ?drop", "after/drop"}, Refused},
		{[]string{"in/drop", "after/accept ?drop"}, Refused},
		{[]string{"in/accept ?drop", "after/accept ?drop"}, Undecided},
	} {
		if got := rulesOf(tt.chains...).Judge(tcp4).Verdict; got != tt.want {
			t.Errorf("%q: %d, want %d", tt.chains, got, tt.want)
		}
	}
}

// Each base chain that refuses a packet, or may, is named once: all of them have to be opened.
func TestPlaces(t *testing.T) {
	answer := rulesOf("first/accept ?drop ?drop", "second/drop accept", "third/drop", "fourth/accept jump:x", "x drop").Judge(tcp4)
	var got []string
	for _, place := range answer.Places {
		got = append(got, fmt.Sprintf("%s: %s", place.Chain, place.By))
	}
	want := []string{"first: ?drop of chain first", "third: the policy of chain third", "fourth: drop of chain x"}
	if answer.Verdict != Refused || !slices.Equal(got, want) {
		t.Errorf("verdict %d, places %q, want %q", answer.Verdict, got, want)
	}
}

// The header of a packet is as the protocols have it: RFC 791, RFC 8200, RFC 9293, RFC 792, RFC 4443.
func TestImage(t *testing.T) {
	tcp6 := Packet{Source: netip.MustParsePrefix("fd00::/64"), To: netip.MustParseAddr("fd00::10"), Protocol: TCP, Port: 6443}
	for _, tt := range []struct {
		name      string
		packet    Packet
		transport bool // the header to look into
		at        int
		want      []byte
		known     truth
	}{
		{"protocol", tcp4, false, 9, []byte{6}, yes},
		{"destination", tcp4, false, 16, []byte{192, 168, 1, 10}, yes},
		{"network of the source", tcp4, false, 12, []byte{192, 168, 1}, yes},
		{"host of the source", tcp4, false, 15, []byte{7}, maybe},
		{"length", tcp4, false, 2, []byte{0, 40}, maybe},
		{"no fragment", tcp4, false, 6, []byte{0, 0}, yes},
		{"destination port", tcp4, true, 2, []byte{0x28, 0xcc}, yes},
		{"another port", tcp4, true, 2, []byte{0, 22}, no},
		{"source port", tcp4, true, 0, []byte{0, 22}, maybe},
		{"flags", tcp4, true, 13, []byte{2}, yes},
		{"beyond the header", tcp4, true, 64, []byte{0}, maybe},
		{"echo request", with(tcp4, ICMP), true, 0, []byte{8, 0}, yes},
		{"advertisement", with(tcp4, VRRP), true, 0, []byte{0x31}, maybe},
		{"next header", tcp6, false, 6, []byte{6}, yes},
		{"destination in IPv6", tcp6, false, 24, netip.MustParseAddr("fd00::10").AsSlice(), yes},
		{"network of the source in IPv6", tcp6, false, 8, netip.MustParseAddr("fd00::").AsSlice()[:8], yes},
		{"host of the source in IPv6", tcp6, false, 16, make([]byte, 8), maybe},
		{"another network", tcp6, false, 8, []byte{0xfe, 0x80}, no},
		{"echo request in IPv6", with(tcp6, ICMPv6), true, 0, []byte{128, 0}, yes},
	} {
		i := newImage(tt.packet)
		header := i.network
		if tt.transport {
			header = i.transport
		}
		if got := header.slice(tt.at, len(tt.want)).equals(tt.want); got != tt.known {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.known)
		}
	}
}

// What the kernel knows beside the headers.
func TestMeta(t *testing.T) {
	group := with(tcp4, VRRP)
	group.To = netip.MustParseAddr("224.0.0.18")
	four := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	for name, tt := range map[string]struct {
		packet Packet
		load   expr.Any
		want   []byte
		known  truth
	}{
		"interface":           {tcp4, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, []byte("eth0\x00"), yes},
		"its index":           {tcp4, &expr.Meta{Key: expr.MetaKeyIIF, Register: 1}, four(2), yes},
		"no way out":          {tcp4, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, []byte("eth0\x00"), no},
		"family":              {tcp4, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{2}, yes},
		"protocol":            {tcp4, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{6}, yes},
		"ether type":          {tcp4, &expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1}, []byte{8, 0}, yes},
		"for this host":       {tcp4, &expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: 1}, []byte{0}, yes},
		"for a group":         {group, &expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: 1}, []byte{2}, yes},
		"mark":                {tcp4, &expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, four(0), maybe},
		"set, not asked":      {tcp4, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1, SourceRegister: true}, []byte{6}, maybe},
		"new":                 {tcp4, &expr.Ct{Key: expr.CtKeySTATE, Register: 1}, four(8), yes},
		"not translated":      {tcp4, &expr.Ct{Key: expr.CtKeySTATUS, Register: 1}, four(0), yes},
		"mark of a flow":      {tcp4, &expr.Ct{Key: expr.CtKeyMARK, Register: 1}, four(0), maybe},
		"address of the host": {tcp4, &expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true}, four(2), yes},
		"address of a group":  {group, &expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true}, four(5), yes},
		"address of another":  {tcp4, &expr.Fib{Register: 1, ResultADDRTYPE: true, FlagSADDR: true}, four(1), yes},
		"the way back":        {tcp4, &expr.Fib{Register: 1, ResultOIF: true, FlagSADDR: true, FlagPRESENT: true}, []byte{1}, yes},
		"by the interface":    {tcp4, &expr.Fib{Register: 1, ResultOIF: true, FlagSADDR: true}, four(2), yes},
		"of its name":         {tcp4, &expr.Fib{Register: 1, ResultOIFNAME: true, FlagSADDR: true}, []byte("eth0\x00"), maybe},
		"link layer":          {tcp4, &expr.Payload{Base: expr.PayloadBaseLLHeader, DestRegister: 1, Len: 6}, make([]byte, 6), maybe},
		"immediate":           {tcp4, &expr.Immediate{Register: 1, Data: []byte{1, 2}}, []byte{1, 2, 0, 0}, yes},
		"another register":    {tcp4, &expr.Immediate{Register: 9, Data: []byte{1, 2}}, []byte{1, 2}, maybe},
	} {
		m := machine{packet: newImage(tt.packet), registers: unknown(64)}
		if got := m.ask(tt.load); got != yes {
			t.Errorf("%s: asked, it is %d", name, got)
		}
		if got := m.read(1, len(tt.want)).equals(tt.want); got != tt.known {
			t.Errorf("%s: %d, want %d", name, got, tt.known)
		}
	}
}

// A rule that ends without a decision leaves it to the next one, and only a queue takes the packet elsewhere.
func TestVerdictsOfRules(t *testing.T) {
	for kind, want := range map[expr.VerdictKind]verdict{
		expr.VerdictAccept: {kind: accept}, expr.VerdictDrop: {kind: drop}, expr.VerdictReturn: {kind: back},
		expr.VerdictContinue: {kind: goOn}, expr.VerdictBreak: {kind: goOn}, expr.VerdictQueue: {kind: elsewhere},
	} {
		if got := verdictOf(&expr.Verdict{Kind: kind}); got != want {
			t.Errorf("verdict %d: %+v, want %+v", kind, got, want)
		}
	}
}
