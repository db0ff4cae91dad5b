// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// packets is what tcpdump 4.99 prints.
const packets = `1764216000.123456 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.238.100 tell 192.168.238.100, length 28
1764216000.223456 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.238.100 (ff:ff:ff:ff:ff:ff) tell 192.168.238.100, length 28
1764216000.323456 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 60: Reply 192.168.238.100 is-at 02:42:c0:a8:ee:83, length 46
1764216000.423456 02:42:c0:a8:ee:82 > 02:42:c0:a8:ee:c2, ethertype ARP (0x0806), length 42: Reply 192.168.238.100 is-at 02:42:c0:a8:ee:82, length 28
1764216000.523456 02:42:c0:a8:ee:c2 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.238.100 tell 192.168.238.194, length 28
1764216000.623456 02:42:c0:a8:ee:83 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.238.100 tell 0.0.0.0, length 28
1764216000.723456 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 192.168.238.131 tell 192.168.238.100, length 28
1764216002.123456 02:42:c0:a8:ee:82 > 33:33:00:00:00:01, ethertype IPv6 (0x86dd), length 86: fd00:238::100 > ff02::1: ICMP6, neighbor advertisement, tgt is fd00:238::100, length 32
1764216002.223456 02:42:c0:a8:ee:82 > 02:42:c0:a8:ee:c2, ethertype IPv6 (0x86dd), length 86: fd00:238::100 > fd00:238::c2: ICMP6, neighbor advertisement, tgt is fd00:238::100, length 32
1764216002.323456 02:42:c0:a8:ee:c2 > 33:33:ff:00:01:00, ethertype IPv6 (0x86dd), length 86: fd00:238::c2 > ff02::1:ff00:100: ICMP6, neighbor solicitation, who has fd00:238::100, length 32
1764216003.1`

func TestReadClaims(t *testing.T) {
	const n1, n2 = "02:42:c0:a8:ee:82", "02:42:c0:a8:ee:83"
	got, err := ReadClaims(strings.NewReader(packets), vip)
	must(t, err)
	want := []Claim{{at(0.123456), n1, false}, {at(0.223456), n1, false}, {at(0.323456), n2, false}, {at(0.423456), n1, true}, {at(0.723456), n1, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	got, err = ReadClaims(strings.NewReader(packets), vip6)
	must(t, err)
	if diff := cmp.Diff([]Claim{{at(2.123456), n1, false}, {at(2.223456), n1, true}}, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	const tagged = "1764216000.1 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, ethertype 802.1Q (0x8100), length 46: vlan 1, p 0, ethertype ARP (0x0806), Request who-has 192.168.238.100 tell 192.168.238.100, length 28\n"
	got, err = ReadClaims(strings.NewReader(tagged), vip)
	must(t, err)
	if diff := cmp.Diff([]Claim{{at(0.1), n1, false}}, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	for _, text := range []string{"", "listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes", "1..2 02:42:c0:a8:ee:82 > ff:ff:ff:ff:ff:ff, x"} {
		if _, err := ReadClaims(strings.NewReader(text+"\n"), vip); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

// claims returns what a host announces at some seconds.
func claims(mac string, seconds ...float64) (all []Claim) {
	for _, s := range seconds {
		all = append(all, Claim{At: at(s), MAC: mac})
	}
	return all
}

func TestClaimants(t *testing.T) {
	n1 := claims("n1", 0, 5, 10)
	train := []float64{0, .1, .3, 1, 2, 4, 9, 14}
	after := func(begin float64) (all []float64) {
		for _, s := range train {
			all = append(all, begin+s)
		}
		return all
	}
	for name, test := range map[string]struct {
		claims []Claim
		shared []string
	}{
		"one":                         {n1, nil},
		"takeover from one silent":    {append(n1, claims("n2", after(13.5)...)...), nil},
		"planned handover":            {append(append(n1, claims("n1", 12.1)...), claims("n2", after(12)...)...), []string{"n1+n2 for 100ms"}},
		"the old one wakes up":        {append(append(n1, claims("n1", 22)...), claims("n2", after(13.5)...)...), []string{"n1+n2 for 0s"}},
		"it insists":                  {append(append(n1, claims("n1", 22, 22.5)...), claims("n2", after(13.5)...)...), []string{"n1+n2 for 500ms"}},
		"there and back":              {append(append(n1, claims("n1", after(30)...)...), claims("n2", after(12)...)...), nil},
		"there and back too soon":     {append(append(n1, claims("n1", after(13)...)...), claims("n2", 12, 12.1, 12.3)...), []string{"n1+n2 for 300ms"}},
		"both all the time":           {append(n1, claims("n2", 1, 6, 11)...), []string{"n1+n2 for 9s"}},
		"three":                       {append(append(n1, claims("n2", 4, 9)...), claims("n3", 8, 12)...), []string{"n1+n2 for 4s", "n1+n2+n3 for 1s", "n1+n3 for 1s"}},
		"both once, at the same time": {append(claims("n1", 3), claims("n2", 3)...), []string{"n1+n2 for 0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			line := NewTimeline(Claimants(test.claims, 6*time.Second), at(-1), at(100))
			if diff := cmp.Diff(test.shared, texts(line.Shared())); diff != "" {
				t.Errorf("shared (-want +got):\n%s\nof %v", diff, line)
			}
		})
	}
}

func FuzzReadClaims(f *testing.F) {
	for line := range strings.Lines(packets) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := ReadClaims(strings.NewReader(text), vip)
		changes := Claimants(claims, 6*time.Second)
		if len(changes) > 2*len(claims) || (len(changes) == 0) != (len(claims) == 0) {
			t.Errorf("%d claims make %d changes", len(claims), len(changes))
		}
		if line := NewTimeline(changes, at(0), at(60)); err == nil && line.Total() != time.Minute {
			t.Errorf("the spans are %v, want a minute", line)
		}
	})
}
