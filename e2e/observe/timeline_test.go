// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	vip  = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00:238::100")
)

// texts returns spans as text, without the time of day.
func texts(line Timeline) (all []string) {
	for _, span := range line {
		_, text, _ := strings.Cut(span.String(), " ")
		all = append(all, text)
	}
	return all
}

func wantSpans(t *testing.T, line Timeline, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, texts(line)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestTimeline(t *testing.T) {
	// n2 takes over while n1 sleeps; n1 wakes up with the address and keeps it for a moment; n2 hands over to n3.
	changes := []Change{
		{at(20), "n2", false}, {at(19.9), "n3", true},
		{at(-5), "n1", true}, {at(3), "n1", false}, {at(4), "n2", true}, {at(5), "n2", true}, {at(10), "n1", true}, {at(10), "n1", false},
	}
	line := NewTimeline(changes, at(0), at(30))
	wantSpans(t, line, "n1 for 3s", "nobody for 1s", "n2 for 6s", "n1+n2 for 0s", "n2 for 9.9s", "n2+n3 for 100ms", "n3 for 10s")
	wantSpans(t, line.Shared(), "n1+n2 for 0s", "n2+n3 for 100ms")
	wantSpans(t, line.Vacant(), "nobody for 1s")
	if got := line.Shared().Total(); got != ms(100) {
		t.Errorf("two had it for %v", got)
	}
	if got := line.Longest(); got.Length() != ms(10000) {
		t.Errorf("the longest span is %v", got)
	}
	for _, test := range []struct {
		at   float64
		want []string
	}{{0, []string{"n1"}}, {3.5, nil}, {19.95, []string{"n2", "n3"}}, {29, []string{"n3"}}, {31, nil}} {
		if got := line.At(at(test.at)); !slices.Equal(got, test.want) {
			t.Errorf("at %v it is with %v, want %v", test.at, got, test.want)
		}
	}
	wantSpans(t, NewTimeline(changes, at(19.95), at(19.99)), "n2+n3 for 40ms")
	wantSpans(t, NewTimeline(nil, at(0), at(1)), "nobody for 1s")
}

// takeover is a timeline of ten seconds: a leaves a pause before b, and c overlaps with b.
func takeover(from float64) Timeline {
	return NewTimeline([]Change{
		{at(0), "a", true}, {at(2), "a", false}, {at(5), "b", true}, {at(6), "c", true}, {at(8), "b", false},
	}, at(from), at(10))
}

func TestTimelineWithoutSomeHosts(t *testing.T) {
	wantSpans(t, takeover(0), "a for 2s", "nobody for 3s", "b for 1s", "b+c for 2s", "c for 2s")
	wantSpans(t, takeover(0).Without("b"), "a for 2s", "nobody for 4s", "c for 4s")
	wantSpans(t, takeover(0).Without("b").Shared())
	wantSpans(t, takeover(4).Vacant(), "nobody for 1s")
	wantSpans(t, takeover(5.5).Vacant())
}

func TestTimelineLeavesStallsOut(t *testing.T) {
	stalled := func(from, to time.Time) time.Duration { return to.Sub(from) / 4 }
	line := takeover(0).LeaveOut(stalled)
	if got := line.Shared().Longest().Length(); got != ms(1500) {
		t.Errorf("two had it for %v, want 1.5s", got)
	}
	if got := line.Total(); got != ms(7500) {
		t.Errorf("the spans are %v, want 7.5s", got)
	}
}

func TestTimelineCountsGains(t *testing.T) {
	for from, want := range map[float64]int{0: 2, 5.5: 1, 9: 0} {
		if got := takeover(from).Gained(); got != want {
			t.Errorf("gained since %v: %d, want %d", from, got, want)
		}
	}
}

// addresses is what a kernel reported of Harbinger's address, and of keepalived's before it.
const addresses = `1764216000.549699 3: eth0    inet 192.168.238.130/24 scope global eth0\       valid_lft forever preferred_lft forever
1764216001.000000 3: eth0    inet 192.168.238.100/24 scope global secondary eth0\       valid_lft forever preferred_lft forever
1764216002.000000 3: eth0    inet 192.168.238.100/32 scope global deprecated dynamic noprefixroute eth0\       valid_lft 2sec preferred_lft 0sec
1764216002.500000 3: eth0    inet 192.168.238.100/32 scope global deprecated dynamic noprefixroute eth0\       valid_lft 2sec preferred_lft 0sec
1764216002.600000 3: eth0    inet6 fd00:238::100/128 scope global nodad deprecated dynamic \       valid_lft 2sec preferred_lft 0sec
1764216003.000000 Deleted 3: eth0    inet 192.168.238.100/24 scope global secondary eth0\       valid_lft forever preferred_lft forever
1764216004.700000 Deleted 3: eth0    inet 192.168.238.100/32 scope global deprecated dynamic noprefixroute eth0\       valid_lft 0sec preferred_lft 0sec
1764216005.000000 7: flannel.1    inet6 fe80::c8aa:1ff:fe7e:1/64 scope link tentative \       valid_lft forever preferred_lft forever
1764216006.000000 Deleted 3: eth0    inet 192.168.238.100/32 scope global deprecated dynamic noprefixroute eth0\       valid_lft 0sec preferred_lft 0sec
1764216007.000000 3: eth0    inet 192.168.238.100 peer 192.168.238.1/32 scope global eth0\       valid_lft forever preferred_lft forever
1764216008.0000`

func TestReadAddresses(t *testing.T) {
	for vip, want := range map[netip.Addr][]Change{
		vip:                                {{at(1), "n1", true}, {at(4.7), "n1", false}, {at(7), "n1", true}},
		vip6:                               {{at(2.6), "n1", true}},
		netip.MustParseAddr("192.0.2.100"): nil,
	} {
		got, err := ReadAddresses(strings.NewReader(addresses), "n1", vip)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("changes of %s (-want +got):\n%s", vip, diff)
		}
	}
	for _, text := range []string{"", "1764216000.5", "Deleted 3: eth0    inet 192.168.238.100/32", "1764216000.5 eth0: inet 1", "1764216000.5 3: eth0 inet x/24"} {
		if _, err := ReadAddresses(strings.NewReader(text+"\n"), "n1", vip); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

func FuzzReadAddresses(f *testing.F) {
	for line := range strings.Lines(addresses) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := ReadAddresses(strings.NewReader(text), "n1", vip)
		for i, c := range changes {
			if c.Has != (i%2 == 0) {
				t.Fatalf("change %d is %+v", i, c)
			}
		}
		if line := NewTimeline(changes, at(0), at(60)); err == nil && line.Total() != time.Minute {
			t.Errorf("the spans are %v, want a minute", line)
		}
	})
}
