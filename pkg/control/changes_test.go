// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// written returns the lines so far with a message.
func (h *host) written(msg string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.logs), func(line string) bool { return !strings.Contains(line, `"msg":"`+msg+`"`) })
}

// wantLines fails unless the lines with a message are as many as given, each with its text.
func (h *host) wantLines(t *testing.T, msg string, texts ...string) {
	t.Helper()
	lines := h.written(msg)
	if len(lines) != len(texts) {
		t.Errorf("%s: %d lines, want %d: %q", msg, len(lines), len(texts), lines)
		return
	}
	for i, text := range texts {
		if !strings.Contains(lines[i], text) {
			t.Errorf("%s: line %d is %s, want %s", msg, i, lines[i], text)
		}
	}
}

// advertised delivers an advertisement.
func (h *host) advertised(from string, priority uint8) {
	h.deliver(vrrp.Packet{
		Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Priority: priority, Interval: time.Second},
		Source:        netip.MustParseAddr(from),
	})
}

// running runs the loop of a host in virtual time, with a healthy backend.
func running(t *testing.T, prepare func(*host), test func(t *testing.T, h *host, l *Loop, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1") // its channels are of this test alone
		prepare(h)
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := sync.OnceFunc(start(t, ctx, l))
		test(t, h, l, func() { l.Shutdown(); wait() })
		cancel()
		wait()
	})
}

func asItIs(*host) {}

// Each thing that happens to the addresses is one line: taken and announced, added again, removed.
func TestALineForTheAddresses(t *testing.T) {
	unannounced := func(h *host) { h.mute = errors.New("no buffer space available") }
	running(t, unannounced, func(t *testing.T, h *host, _ *Loop, _ func()) {
		pass(5 * time.Second)
		h.wantLines(t, logging.MsgAddressesAdded)
	})
	running(t, asItIs, func(t *testing.T, h *host, l *Loop, stop func()) {
		pass(100 * time.Second)
		h.wantLines(t, logging.MsgAddressesAdded, `"virtualAddresses":["192.0.2.100"],"lasted":"0s"`)
		h.wantLines(t, logging.MsgAddressesRestored)
		l.Notify(t.Context(), election.AddressLost{})
		pass(time.Second)
		h.wantLines(t, logging.MsgAddressesRestored, `"level":-4`)
		for range 100 { // somebody removes them again and again
			l.Notify(t.Context(), election.AddressLost{})
			pass(time.Millisecond)
		}
		if n := len(h.written(logging.MsgAddressesRestored)); n > 20 {
			t.Errorf("%d lines for what somebody else does", n)
		}
		h.wantLines(t, logging.MsgAddressesRemoved)
		stop()
		h.wantLines(t, logging.MsgAddressesRemoved, `"lasted":"1m4`) // not from the last time that they were added
		h.wantLines(t, logging.MsgAddressesAdded, "")
	})
}

func TestALineForTheLease(t *testing.T) {
	released := func(h *host) { h.api = &store{lease: election.Lease{Version: "7", Epoch: 6}} }
	running(t, released, func(t *testing.T, h *host, _ *Loop, stop func()) {
		pass(20 * time.Second)
		h.wantLines(t, logging.MsgLeaseTaken, `"epoch":7`)
		h.wantLines(t, logging.MsgLeaseReleased)
		stop()
		h.wantLines(t, logging.MsgLeaseReleased, `"epoch":7`)
		h.wantLines(t, logging.MsgLeaseTaken, "")
		h.wantLines(t, logging.MsgLeaseLost)
	})
}

// A Lease that another node takes is lost: to look at, where that node neither was invited nor ranks higher.
func TestALineForALostLease(t *testing.T) {
	mine := election.Lease{Version: "1", Holder: "node1/boot", Node: "node1", Epoch: 3, Priority: 100}
	for name, tt := range map[string]struct {
		before, after election.Lease
		state         election.State
		level         string
	}{
		"seized":       {mine, election.Lease{Version: "2", Holder: "node2/boot", Node: "node2", Epoch: 4, Priority: 100}, election.Backup, `"level":-4`},
		"ranks higher": {mine, election.Lease{Version: "2", Holder: "node2/boot", Node: "node2", Epoch: 4, Priority: 200}, election.Backup, `"level":0`},
		"planned stop": {mine, election.Lease{Version: "2", Holder: "node2/boot", Node: "node2", Epoch: 4, Priority: 90}, election.Leaving, `"level":0`},
		"invited": {
			election.Lease{Version: "1", Holder: "node1/boot", Node: "node1", Epoch: 3, Priority: 100, Preferred: "node2"},
			election.Lease{Version: "2", Holder: "node2/boot", Node: "node2", Epoch: 4, Priority: 90}, election.Backup, `"level":0`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(lan).host("192.0.2.1")
			l := h.loop(100)
			l.followLease(election.Status{State: election.Active, Epoch: 3, Lease: tt.before})
			for range 3 {
				l.followLease(election.Status{State: tt.state, Lease: tt.after})
			}
			h.wantLines(t, logging.MsgLeaseLost, `"to":"node2","epoch":4`)
			h.wantLines(t, logging.MsgLeaseLost, tt.level)
			h.wantLines(t, logging.MsgLeaseReleased)
		})
	}
}

// A Backup says from whom to whom the addresses moved, and how long nobody was heard: once for each move, not for two hosts that
// advertise beside each other.
func TestALineWhenAnotherHolderIsHeard(t *testing.T) {
	running(t, asItIs, func(t *testing.T, h *host, _ *Loop, _ func()) {
		for range 5 {
			h.advertised("192.0.2.8", 200)
			pass(time.Second)
		}
		h.wantLines(t, logging.MsgHolderChanged, `"from":"","to":"192.0.2.8","priority":200`)
		pass(1500 * time.Millisecond) // 2.5 s of silence
		for range 3 {
			h.advertised("192.0.2.9", 210)
			pass(time.Second)
		}
		h.wantLines(t, logging.MsgHolderChanged, "", `"from":"192.0.2.8","to":"192.0.2.9","priority":210,"silence":"2.5s"`)
		for range 20 {
			h.advertised("192.0.2.8", 210)
			pass(500 * time.Millisecond)
			h.advertised("192.0.2.9", 210)
			pass(500 * time.Millisecond)
		}
		h.wantLines(t, logging.MsgHolderChanged, "", "")
		for range 2 {
			h.advertised("192.0.2.8", 220)
			pass(time.Second)
		}
		h.wantLines(t, logging.MsgHolderChanged, "", "", `"from":"192.0.2.9","to":"192.0.2.8","priority":220,"silence":"500ms"`)
	})
}

// The names of nodes come from the Lease; who gave the addresses up itself says so; without advertisements the Lease says who has them.
func TestHoldersHaveNames(t *testing.T) {
	first, second := netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("192.0.2.9")
	at := func(seconds int) time.Time {
		return time.Unix(1_800_000_000, 0).Add(time.Duration(seconds) * time.Second)
	}
	h := new(lan).host("192.0.2.1")
	l := h.loop(100)
	e := election.Status{State: election.Active, AdvertisementInterval: time.Second, Lease: election.Lease{Node: "node8", Holder: "node8/boot", Address: first}}
	l.followHolder(at(0), e)
	e.State, e.Holder, e.HeardAt, e.HeardPriority = election.Backup, first, at(3), 200
	l.followHolder(at(3), e)
	h.wantLines(t, logging.MsgHolderChanged, `"from":"this node","to":"node8 (192.0.2.8)","priority":200,"silence":"3s"`)
	e.Holder, e.HeardAt = netip.MustParseAddr("fe80::9"), at(7) // the other family
	l.followHolder(at(7), e)
	h.wantLines(t, logging.MsgHolderChanged, "")

	h = new(lan).host("192.0.2.1")
	l = h.loop(100)
	l.cfg.Ports = nil
	for i, lease := range []election.Lease{{Node: "node8", Holder: "node8/boot", Address: first}, {Node: "node9", Holder: "node9/boot", Address: second}} {
		l.followHolder(at(10*i), election.Status{State: election.Backup, AdvertisementInterval: time.Second, Lease: lease, LeaseAnswered: at(10 * i)})
	}
	h.wantLines(t, logging.MsgHolderChanged, `"from":"","to":"node8 (192.0.2.8)"`, `"from":"node8 (192.0.2.8)","to":"node9 (192.0.2.9)"`)
}

// Who writes Leases with other names does not fill the memory.
func TestNamesAreBounded(t *testing.T) {
	var c changes
	for i := range 10 * namesKept {
		c.learn(election.Lease{Node: "node", Holder: "x", Address: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})})
	}
	if len(c.names) != namesKept {
		t.Errorf("%d names", len(c.names))
	}
}

// A standing alarm is one line, one more for another host, and one at its end, which says how long it stood. Metric and Events go on.
func TestAStandingAlarmIsOneLine(t *testing.T) {
	running(t, asItIs, func(t *testing.T, h *host, l *Loop, _ func()) {
		pass(5 * time.Second)
		claim := func(owner string, times int) {
			for range times {
				l.Notify(t.Context(), election.AddressClaimed{Address: vip, Owner: owner})
				pass(time.Second)
			}
		}
		claim("02:00:00:00:09:09", 60)
		h.wantLines(t, logging.MsgAlarmRaised, `"kind":"AddressConflict","hardwareAddress":"02:00:00:00:09:09"`)
		h.wantMetrics(t, `alarms_total{interface="eth0",kind="AddressConflict",vrid="51"} 60`)
		if n := len(h.notices); n < 6 {
			t.Errorf("%d Events of a minute: %q", n, h.notices)
		}
		h.wantLines(t, logging.MsgAlarmCleared)
		claim("02:00:00:00:08:08", 1)
		h.wantLines(t, logging.MsgAlarmRaised, "", `"hardwareAddress":"02:00:00:00:08:08"`)
		pass(time.Minute)
		h.wantLines(t, logging.MsgAlarmCleared, `"kind":"AddressConflict","hardwareAddress":"02:00:00:00:08:08","lasted":"1m20s"`)
		pass(time.Minute)
		h.wantLines(t, logging.MsgAlarmCleared, "")
		claim("02:00:00:00:08:08", 1)
		h.wantLines(t, logging.MsgAlarmRaised, "", "", "")
	})
}

// Each kind has its level and its remedy, and ends: with its cause, or a minute after the last one.
func TestEachAlarmBeginsAndEnds(t *testing.T) {
	causes := map[election.AlarmKind]election.Status{
		election.Filtered: {SplitSuspected: true}, election.ForeignHolder: {Conflict: "x"}, election.AddressConflict: {Conflict: "x"},
		election.Unreachable: {Unreachable: true}, election.Forged: {Forged: vip},
		election.IntervalClamped: {}, election.DuplicateAddress: {}, election.AddressUnkeepable: {}, election.ClaimIgnored: {},
	}
	for kind := range election.Unreachable + 1 {
		t.Run(kind.String(), func(t *testing.T) {
			e, ok := causes[kind]
			if !ok || remedies[kind] == "" {
				t.Fatal("it has no cause here, or no remedy")
			}
			synctest.Test(t, func(t *testing.T) {
				h := new(lan).host("192.0.2.1")
				l := h.loop(100)
				_, shows := caused(kind, e)
				stood, level := "0s", `"level":-4`
				if broken[kind] {
					level = `"error":null`
				}
				l.alarm(election.Alarm{Kind: kind, Detail: "why"})
				for range 30 {
					pass(time.Second)
					l.endAlarms(time.Now(), e)
				}
				if shows {
					stood = "30s"
				}
				h.wantLines(t, logging.MsgAlarmCleared)
				for range 60 {
					pass(time.Second)
					l.endAlarms(time.Now(), election.Status{})
				}
				h.wantLines(t, logging.MsgAlarmRaised, `"kind":"`+kind.String()+`"`)
				h.wantLines(t, logging.MsgAlarmRaised, level)
				h.wantLines(t, logging.MsgAlarmRaised, `"remedy":"`+remedies[kind]+`"`)
				h.wantLines(t, logging.MsgAlarmCleared, `"lasted":"`+stood+`"`)
			})
		})
	}
}
