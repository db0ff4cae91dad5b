// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"pgregory.net/rapid"
)

// values returns each value that partly known bytes may have.
func values(b bits) (all [][]byte) {
	for n := range 1 << (8 * len(b.value)) {
		v := binary.BigEndian.AppendUint32(nil, uint32(n))[4-len(b.value):]
		fits := true
		for i := range v {
			fits = fits && (v[i]^b.value[i])&b.known[i] == 0
		}
		if fits {
			all = append(all, v)
		}
	}
	return all
}

// quantified is the truth of a condition for each of some values.
func quantified(all [][]byte, holds func([]byte) bool) truth {
	switch n := len(slices.DeleteFunc(slices.Clone(all), func(v []byte) bool { return !holds(v) })); n {
	case 0:
		return no
	case len(all):
		return yes
	}
	return maybe
}

// What is said of bytes that are partly known is never wrong for a value that they may have: where it says yes or no it is so for all of
// them, and where all agree on equality it says so.
func TestComparisonsHoldForEachValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		two := rapid.SliceOfN(rapid.Byte(), 2, 2)
		b := bits{two.Draw(t, "value"), two.Draw(t, "known")}
		all := values(b)
		data, other := two.Draw(t, "data"), two.Draw(t, "other")
		if slices.Compare(data, other) > 0 {
			data, other = other, data
		}
		if got, want := b.equals(data), quantified(all, func(v []byte) bool { return slices.Equal(v, data) }); got != want {
			t.Errorf("equals: %d, want %d", got, want)
		}
		for name, c := range map[string]struct {
			got   truth
			holds func(v []byte) bool
		}{
			"between": {b.between(data, other), func(v []byte) bool { return slices.Compare(v, data) >= 0 && slices.Compare(v, other) <= 0 }},
			"neq":     {compare(expr.CmpOpNeq, b, data), func(v []byte) bool { return !slices.Equal(v, data) }},
			"lt":      {compare(expr.CmpOpLt, b, data), func(v []byte) bool { return slices.Compare(v, data) < 0 }},
			"lte":     {compare(expr.CmpOpLte, b, data), func(v []byte) bool { return slices.Compare(v, data) <= 0 }},
			"gt":      {compare(expr.CmpOpGt, b, data), func(v []byte) bool { return slices.Compare(v, data) > 0 }},
			"gte":     {compare(expr.CmpOpGte, b, data), func(v []byte) bool { return slices.Compare(v, data) >= 0 }},
		} {
			if want := quantified(all, c.holds); c.got != maybe && c.got != want {
				t.Errorf("%s of %v with %v, %v: %d, want %d", name, b, data, other, c.got, want)
			}
		}
	})
}

// A bitwise operation keeps what is known of each bit.
func TestBitwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		two := rapid.SliceOfN(rapid.Byte(), 2, 2)
		b := bits{two.Draw(t, "value"), two.Draw(t, "known")}
		mask, xor := two.Draw(t, "mask"), two.Draw(t, "xor")
		m := machine{registers: unknown(64)}
		m.load(1, b)
		m.ask(&expr.Bitwise{SourceRegister: 1, DestRegister: 2, Len: 2, Mask: mask, Xor: xor})
		result := m.read(2, 2)
		for _, v := range values(b) {
			for i := range v {
				if got := v[i]&mask[i] ^ xor[i]; (got^result.value[i])&result.known[i] != 0 {
					t.Fatalf("%v & %v ^ %v is %v, which is not %v", v, mask, xor, got, result)
				}
			}
		}
	})
}

var tcp4 = Packet{Interface: "eth0", Index: 2, Source: netip.MustParsePrefix("192.168.1.0/24"), To: netip.MustParseAddr("192.168.1.10"), Protocol: TCP, Port: 10444}

func with(p Packet, protocol uint8) Packet {
	p.Protocol = protocol
	return p
}

func TestSourceOfAPacket(t *testing.T) {
	for prefix, want := range map[string]truth{
		"192.168.1.0/24": yes, "192.168.0.0/16": yes, "0.0.0.0/0": yes, "192.168.1.0/25": maybe, "192.168.1.7/32": maybe, "192.168.2.0/24": no, "::/0": no,
	} {
		if got := newImage(tcp4).from(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("from %s: %d, want %d", prefix, got, want)
		}
	}
}

// The matches of iptables-nft, as the kernel has them.
func TestMatches(t *testing.T) {
	ports := func(flags byte, inverted byte, list ...uint16) *xt.Unknown {
		info := make(xt.Unknown, 2+30+15+1)
		info[0], info[1], info[len(info)-1] = flags, byte(len(list)), inverted
		for i, p := range list {
			binary.NativeEndian.PutUint16(info[2+2*i:], p)
		}
		return &info
	}
	ranged := ports(1, 0, 10000, 11000)
	(*ranged)[32] = 1 // the first is the beginning of a range
	state := func(flags, inverted xt.ConntrackFlags, states uint16) *xt.ConntrackMtinfo3 {
		return &xt.ConntrackMtinfo3{ConntrackMtinfo2: xt.ConntrackMtinfo2{
			ConntrackMtinfoBase: xt.ConntrackMtinfoBase{MatchFlags: uint16(flags), InvertFlags: uint16(inverted)}, StateMask: states}}
	}
	anyPort := [2]uint16{0, 0xffff}
	comment := xt.Comment("a comment")
	for _, tt := range []struct {
		name   string
		info   xt.InfoAny
		packet Packet
		want   truth
	}{
		{"comment", &comment, tcp4, yes},
		{"udp", &xt.Udp{}, tcp4, no},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: [2]uint16{10444, 10444}}, tcp4, yes},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: [2]uint16{22, 22}}, tcp4, no},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: [2]uint16{22, 22}, InvFlags: xt.TcpInvDestPorts}, tcp4, yes},
		{"tcp", &xt.Tcp{SrcPorts: [2]uint16{1024, 0xffff}, DstPorts: anyPort}, tcp4, maybe},
		{"tcp", &xt.Tcp{SrcPorts: [2]uint16{1024, 0xffff}, DstPorts: [2]uint16{22, 22}}, tcp4, no},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: anyPort, FlagsMask: 0x17, FlagsCmp: 0x02}, tcp4, yes},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: anyPort, FlagsMask: 0x17, FlagsCmp: 0x02, InvFlags: xt.TcpInvFlags}, tcp4, no},
		{"tcp", &xt.Tcp{SrcPorts: anyPort, DstPorts: anyPort}, with(tcp4, VRRP), no},
		{"conntrack", state(xt.ConntrackState, 0, 1<<3), tcp4, yes},
		{"conntrack", state(xt.ConntrackState, 0, 1<<1|1<<2), tcp4, no},
		{"conntrack", state(xt.ConntrackState, xt.ConntrackState, 1<<1|1<<2), tcp4, yes},
		{"conntrack", state(xt.ConntrackState|xt.ConntrackStatus, 0, 1<<3), tcp4, maybe},
		{"conntrack", state(xt.ConntrackStatus, 0, 0), tcp4, maybe},
		{"addrtype", &xt.AddrTypeV1{Dest: 1 << addressLocal}, tcp4, yes},
		{"addrtype", &xt.AddrTypeV1{Dest: 1 << addressMulticast}, tcp4, no},
		{"addrtype", &xt.AddrTypeV1{Source: 1 << addressLocal}, tcp4, no},
		{"addrtype", &xt.AddrTypeV1{Source: 1 << addressLocal, Flags: 1}, tcp4, yes},
		{"multiport", ports(1, 0, 22, 10444), tcp4, yes},
		{"multiport", ports(1, 0, 22, 23), tcp4, no},
		{"multiport", ports(1, 1, 22, 23), tcp4, yes},
		{"multiport", ports(0, 0, 10444), tcp4, maybe}, // source ports
		{"multiport", ports(2, 0, 22), tcp4, maybe},    // either
		{"multiport", ports(1, 0, 10444), with(tcp4, VRRP), no},
		{"multiport", ranged, tcp4, yes},
		{"multiport", &xt.Unknown{1}, tcp4, maybe},
		{"icmp", &xt.Unknown{8, 0, 0xff, 0}, with(tcp4, ICMP), yes},
		{"icmp", &xt.Unknown{0, 0, 0xff, 0}, with(tcp4, ICMP), no},
		{"icmp", &xt.Unknown{0, 0, 0xff, 1}, with(tcp4, ICMP), yes},
		{"icmp", &xt.Unknown{0xff, 0, 0xff, 0}, with(tcp4, ICMP), yes},
		{"icmp", &xt.Unknown{8, 0, 0xff, 0}, tcp4, no},
		{"icmp", &xt.Unknown{8}, with(tcp4, ICMP), maybe},
		{"set", &xt.Unknown{1, 2, 3, 4}, tcp4, maybe},
	} {
		if got := newImage(tt.packet).matches(&expr.Match{Name: tt.name, Info: tt.info}); got != tt.want {
			t.Errorf("%s %+v for protocol %d: %d, want %d", tt.name, tt.info, tt.packet.Protocol, got, tt.want)
		}
	}
}

// The options that iptables-save prints.
func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		options string
		packet  Packet
		want    truth
	}{
		{"", tcp4, yes},
		{"-i eth0", tcp4, yes},
		{"-i eth+", tcp4, yes},
		{"-i lo", tcp4, no},
		{"! -i lo", tcp4, yes},
		{"-s 192.168.0.0/16 -d 192.168.1.10/32", tcp4, yes},
		{"-s 192.168.1.7/32", tcp4, maybe},
		{"! -s 192.168.1.7/32", tcp4, maybe},
		{"! -s 10.0.0.0/8", tcp4, yes},
		{"-d 192.168.1.11/32", tcp4, no},
		{"-s somewhere", tcp4, maybe},
		{"-p tcp -m tcp --dport 10444", tcp4, yes},
		{"-p tcp -m tcp --dport 10000:10999", tcp4, yes},
		{"-p tcp -m tcp ! --dport 10000:10999", tcp4, no},
		{"-p tcp -m tcp --sport 1 --dport 10444", tcp4, maybe},
		{"-p tcp -m multiport --dports 22,80,10440:10450", tcp4, yes},
		{"-p tcp -m multiport --dports 22,80", tcp4, no},
		{"-p udp -m udp --dport 10444", tcp4, no},
		{"-p vrrp", with(tcp4, VRRP), yes},
		{"-p 112", with(tcp4, VRRP), yes},
		{"-p all", with(tcp4, VRRP), yes},
		{"-p esp", with(tcp4, VRRP), no},
		{"-p icmp -m icmp --icmp-type 8", with(tcp4, ICMP), yes},
		{"-p icmp -m icmp --icmp-type 8/0", with(tcp4, ICMP), yes},
		{"-p icmp -m icmp --icmp-type 3/4", with(tcp4, ICMP), no},
		{"-p icmp -m icmp --icmp-type 0", with(tcp4, ICMP), no},
		{"-m conntrack --ctstate NEW,UNTRACKED", tcp4, yes},
		{"-m conntrack ! --ctstate RELATED,ESTABLISHED", tcp4, yes},
		{"-m state --state INVALID", tcp4, no},
		{`-m comment --comment "a -j DROP, ! -i x"`, tcp4, yes},
		{"-m addrtype --dst-type LOCAL", tcp4, yes},
		{"-m addrtype --dst-type MULTICAST", tcp4, no},
		{"-m set --match-set allowed src", tcp4, maybe},
		{"-m limit --limit 3/min --limit-burst 10", tcp4, maybe},
		{"-m mark ! --mark 0x1/0x1", tcp4, maybe},
		{"-m tcp --tcp-flags FIN,SYN,RST,ACK SYN -i lo", tcp4, no},
	} {
		ends := parseRule("rule 1", split(tt.options+" -j DROP --dport 1 -i nothing")).run(newImage(tt.packet))
		if len(ends) != 1 || ends[0].truth != tt.want || ends[0].verdict.kind != drop {
			t.Errorf("%s for protocol %d: %+v, want %d", tt.options, tt.packet.Protocol, ends, tt.want)
		}
	}
}

// What iptables-save may print is read without a panic, and judged.
func FuzzParse(f *testing.F) {
	f.Add("*filter\n:INPUT DROP [0:0]\n-A INPUT ! -s 10.0.0.0/8 -p tcp -m tcp --dport 1:2 -j X\n:X - [0:0]\n-A X -g X\nCOMMIT\n")
	f.Add("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j\n-A PREROUTING !\n-A\n:\n*\n")
	f.Fuzz(func(t *testing.T, rules string) {
		r := Ruleset{chains: map[chainKey]*chain{}}
		r.parse("ip", rules)
		if v := r.Judge(tcp4).Verdict; !strings.Contains(rules, "-A") && !strings.Contains(rules, "DROP") && v != Admitted {
			t.Errorf("%q: %d without a rule", rules, v)
		}
	})
}

// Expressions that are not understood, and chains that are not there, decide nothing.
func TestUndecided(t *testing.T) {
	accepts, drops := &expr.Verdict{Kind: expr.VerdictAccept}, &expr.Verdict{Kind: expr.VerdictDrop}
	unloaded := &expr.Cmp{Register: 1, Data: []byte{1}} // what loads the register is no expression that the library knows
	for name, tt := range map[string]struct {
		exprs []expr.Any
		want  Verdict
	}{
		"an unknown expression":          {[]expr.Any{&expr.Hash{}, accepts}, Undecided},
		"a register that nothing loaded": {[]expr.Any{unloaded, accepts}, Undecided},
		"a set that is not there":        {[]expr.Any{&expr.Lookup{SourceRegister: 1, SetName: "none"}, accepts}, Undecided},
		"a map that is not there":        {[]expr.Any{&expr.Lookup{SourceRegister: 1, SetName: "none", IsDestRegSet: true}}, Undecided},
		"a queue":                        {[]expr.Any{&expr.Queue{}}, Undecided},
		"a chain that is not there":      {[]expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "none"}}, Undecided},
		"a quota":                        {[]expr.Any{&expr.Quota{}, accepts}, Undecided},
		"a named counter":                {[]expr.Any{&expr.Objref{Type: objectCounter}, accepts}, Admitted},
		"a named limit":                  {[]expr.Any{&expr.Objref{Type: 4}, accepts}, Undecided},
		"no verdict":                     {[]expr.Any{&expr.Counter{}}, Refused},
		"an unknown drop":                {[]expr.Any{unloaded, drops}, Refused},
	} {
		key := chainKey{NFT, "inet", "f", "c"}
		c := &chain{key: key, drops: true, hook: hookInput, rules: []rule{{"rule", func(p *image) []alternative { return run(tt.exprs, nil, p) }}}}
		r := Ruleset{bases: []*chain{c}, chains: map[chainKey]*chain{key: c}}
		if got := r.Judge(tcp4).Verdict; got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// Chains that call each other without end are left where the kernel leaves them.
func TestChainsWithoutEnd(t *testing.T) {
	key := chainKey{NFT, "inet", "f", "c"}
	c := &chain{key: key, rules: []rule{{"rule", func(p *image) []alternative {
		return run([]expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "c"}}, nil, p)
	}}}}
	r := Ruleset{bases: []*chain{c}, chains: map[chainKey]*chain{key: c}}
	if got := r.Judge(tcp4).Verdict; got != Undecided {
		t.Errorf("%d, want it undecided", got)
	}
}

// The elements of a set of intervals, in which an end is the first value after it.
func TestRangesOfASet(t *testing.T) {
	element := func(key byte, end bool) nftables.SetElement {
		return nftables.SetElement{Key: []byte{0, key}, IntervalEnd: end}
	}
	s := set{&nftables.Set{Interval: true}, []nftables.SetElement{element(40, false), element(0, true), element(10, false), element(21, true)}}
	var got [][2]byte
	for _, r := range s.ranges() {
		got = append(got, [2]byte{r.Key[1], r.KeyEnd[1]})
	}
	if want := [][2]byte{{10, 20}, {40, 255}}; !slices.Equal(got, want) {
		t.Errorf("ranges %v, want %v", got, want)
	}
	if got := before([]byte{1, 0}); !slices.Equal(got, []byte{0, 255}) {
		t.Errorf("before 256 comes %v", got)
	}
}

// The words of a packet are those of the results.
func TestPacketsInWords(t *testing.T) {
	for want, p := range map[string]Packet{
		"TCP port 10444 from 192.168.1.0/24 to 192.168.1.10": tcp4,
		"protocol 112 from 192.168.1.0/24 to 192.168.1.10":   with(tcp4, VRRP),
		"ICMP echo from 192.168.1.0/24 to 192.168.1.10":      with(tcp4, ICMP),
	} {
		if p.String() != want {
			t.Errorf("%q, want %q", p, want)
		}
	}
}

// Filters that could not be read may refuse what the others let in.
func TestUnreadFilters(t *testing.T) {
	if got := (Ruleset{Unread: []string{"some"}}).Judge(tcp4).Verdict; got != Undecided {
		t.Errorf("%d, want it undecided", got)
	}
	if r := (Ruleset{Unread: []string{"some"}}); r.Empty() {
		t.Error("filters that could not be read are none")
	}
}
