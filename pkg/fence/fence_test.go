// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestLifeOfAFence(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	s.asker.wantClosed(t)
	if err := f.Renew(); !errors.Is(err, ErrShut) {
		t.Errorf("renewal of a closed fence: %v", err)
	}
	s.asker.wantClosed(t)

	must(t, f.Open())
	s.asker.wantOpen(t)
	must(t, f.Renew())
	must(t, f.Check())
	must(t, f.Shut())
	s.asker.wantClosed(t)
	must(t, f.Open())
	s.asker.wantOpen(t)

	must(t, f.Disarm())
	s.asker.wantOpen(t)
	if err := f.Renew(); !errors.Is(err, ErrShut) {
		t.Errorf("renewal of a fence that is disarmed: %v", err)
	}
	must(t, f.Shut())
	s.asker.wantClosed(t)

	must(t, f.Close())
	s.asker.wantOpen(t)
	if out := list(t, s.host); !strings.Contains(out, "No such file") {
		t.Errorf("the table is still there: %s", out)
	}
}

// The documentation shows this table.
func TestTableIsReadable(t *testing.T) {
	h := labtest.Hosts(t, 1)[0]
	newFence(t, h, Config{Timeout: 400 * time.Millisecond})
	out := list(t, h)
	for _, want := range []string{
		"flags owner",
		"set addresses4 {", "set alive4 {", "set addresses6 {", "set alive6 {",
		"192.168.238.100 timeout 10s expires",
		"type filter hook ingress device \"eth0\" priority -500; policy accept;",
		"arp saddr ip @addresses4 accept",
		"arp daddr ip @addresses4 arp daddr ip != @alive4 counter packets 0 bytes 0 drop",
		"ip daddr @addresses4 ip daddr != @alive4 counter packets 0 bytes 0 drop",
		"ip6 daddr @addresses6 ip6 daddr != @alive6 counter packets 0 bytes 0 drop",
		"icmpv6 type nd-neighbor-solicit @th,64,128 @addresses6 @th,64,128 != @alive6 counter packets 0 bytes 0 drop",
		"arp daddr ip @addresses4 arp daddr ip @refused4 update @asked4 { arp daddr ip timeout 10s } counter packets 0 bytes 0 drop",
		"icmpv6 type nd-neighbor-solicit @th,64,128 @addresses6 @th,64,128 @refused6 update @asked6 { @th,64,128 timeout 10s } counter packets 0 bytes 0 drop",
		"type filter hook egress device \"lo\" priority -500; policy accept;",
		"timeout 400ms",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the table has no %q:\n%s", want, out)
		}
	}
}

// One family alone has a fence, and many addresses have one together.
func TestOtherAddresses(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{Addresses: []netip.Addr{vip6}})
	a := s.asker
	labtest.Until(t, 5*time.Second, "IPv4 is answered", func() bool {
		a.ask()
		n := a.counts()
		return n[askARP] > 2 && n[askEcho] > 2
	})
	must(t, f.Close())

	many := []netip.Addr{vip4, vip6}
	for i := range 60 {
		many = append(many, netip.AddrFrom4([4]byte{192, 168, 237, byte(i)}))
	}
	f = newFence(t, s.host, Config{Addresses: many})
	s.asker.wantClosed(t)
	must(t, f.Open())
	must(t, f.Renew())
	s.asker.wantOpen(t)
}

// A clock that stands still is one that another process was given: the kernel alone then decides that a renewal is late.
func TestKernelTakesNoLateRenewal(t *testing.T) {
	s := newScene(t)
	start := time.Now()
	f := newFence(t, s.host, Config{Timeout: 50 * time.Millisecond, Now: func() time.Time { return start }})
	must(t, f.Open())
	labtest.Until(t, 5*time.Second, "the fence has closed", func() bool { return !alive(t, f) })
	for range 3 {
		if taken, err := f.beats[renew].send(); taken || err != nil {
			t.Fatalf("a late renewal was taken: %t, %v", taken, err)
		}
	}
	s.asker.wantClosed(t)
}

func alive(t *testing.T, f *Fence) bool {
	t.Helper()
	found, err := f.conn.has(f.table.alive())
	must(t, err)
	return found
}

// clock is one that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// The clock of a host that was suspended has gone on, and that of the kernel's timeouts has not.
func TestLateRenewalCloses(t *testing.T) {
	s := newScene(t)
	c := &clock{now: time.Now()}
	f := newFence(t, s.host, Config{Now: c.Now})
	must(t, f.Open())
	c.pass(aWhile - 1)
	must(t, f.Renew())
	c.pass(aWhile)
	s.asker.wantOpen(t)
	if err := f.Renew(); !errors.Is(err, ErrLate) {
		t.Errorf("late renewal: %v", err)
	}
	s.asker.wantClosed(t)
	if err := f.Renew(); !errors.Is(err, ErrShut) {
		t.Errorf("the renewal after that: %v", err)
	}
	must(t, f.Open())
	s.asker.wantOpen(t)
}

// The timeout is over for the kernel a little before it is for this clock: the fence stays closed all the same.
func TestRenewalAfterTheKernelsEnd(t *testing.T) {
	s := newScene(t)
	c := &clock{now: time.Now()}
	f := newFence(t, s.host, Config{Timeout: 100 * time.Millisecond, Now: c.Now})
	must(t, f.Open())
	c.pass(99 * time.Millisecond)
	labtest.Until(t, 5*time.Second, "the fence has closed", func() bool { return !alive(t, f) })
	if err := f.Renew(); !errors.Is(err, ErrLate) {
		t.Errorf("late renewal: %v", err)
	}
	s.asker.wantClosed(t)
}

// A process that was frozen before the packet left that opens has nothing to open any more.
func TestLateOpening(t *testing.T) {
	s := newScene(t)
	c := &clock{now: time.Now()}
	slow := func() time.Time {
		defer c.pass(aWhile / 2)
		return c.Now()
	}
	f := newFence(t, s.host, Config{Now: slow})
	makePlain(t, f)
	for _, before := range []string{"list ruleset", "flush ruleset"} {
		must(t, labtest.Nft(s.host, before))
		must(t, f.Open())
		s.asker.wantClosed(t)
		if err := f.Renew(); !errors.Is(err, ErrLate) {
			t.Errorf("renewal after a late opening: %v", err)
		}
	}
}

// What is put back late stays closed, whether that is known before or shows after.
func TestLateReplacement(t *testing.T) {
	s := newScene(t)
	c := &clock{now: time.Now()}
	f := newFence(t, s.host, Config{Now: c.Now})
	must(t, f.Open())
	c.pass(aWhile)
	if err := f.replace(); !errors.Is(err, ErrLate) {
		t.Errorf("late replacement: %v", err)
	}
	s.asker.wantClosed(t)

	must(t, f.Open())
	f.cfg.Now = func() time.Time {
		defer c.pass(aWhile * 2 / 3)
		return c.Now()
	}
	if err := f.replace(); !errors.Is(err, ErrLate) {
		t.Errorf("replacement that ended late: %v", err)
	}
	s.asker.wantClosed(t)
}

// A table that went while the process was frozen is put back closed.
func TestLateRenewalWithoutATable(t *testing.T) {
	s := newScene(t)
	c := &clock{now: time.Now()}
	f := newFence(t, s.host, Config{Now: c.Now})
	makePlain(t, f)
	must(t, f.Open())
	must(t, labtest.Nft(s.host, "flush ruleset"))
	c.pass(aWhile)
	if err := f.Renew(); !errors.Is(err, ErrLate) {
		t.Errorf("late renewal: %v", err)
	}
	s.asker.wantClosed(t)
}

// The watcher for conflicts listens behind the fence: that another host announces the address must not be hidden from it.
func TestAnnouncementsOfOthersPass(t *testing.T) {
	s := newScene(t)
	newFence(t, s.host, Config{})
	fd := -1
	must(t, s.host.Do(func() error {
		ifi, err := net.InterfaceByName(lab.Interface)
		if err == nil {
			fd, err = packetSocket(unix.ETH_P_ARP, ifi.Index)
		}
		return err
	}))
	defer unix.Close(fd)
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}))
	_, err := unix.Write(s.asker.fd, s.asker.arp(vip4))
	must(t, err)
	_, err = unix.Write(s.asker.fd, s.asker.arpOf(vip4, vip4))
	must(t, err)
	frame := make([]byte, 128)
	for {
		n, _, err := unix.Recvfrom(fd, frame, 0)
		if err == unix.EINTR {
			continue
		}
		must(t, err)
		if n < 42 || netip.AddrFrom4([4]byte(frame[38:])) != vip4 {
			continue
		}
		if sender := netip.AddrFrom4([4]byte(frame[28:])); sender != vip4 {
			t.Errorf("the question of %s has passed the closed fence", sender)
		}
		break
	}
	s.asker.wantClosed(t)
}

// Nothing waits for the table: a renewal beside changes of it is never late, and allocates nothing.
func TestRenewalBesideChanges(t *testing.T) {
	h := labtest.Hosts(t, 1)[0]
	f := newFence(t, h, Config{Timeout: 10 * time.Second})
	must(t, f.Open())
	done := make(chan error, 1)
	go func() {
		for range 50 {
			f.kernel.Lock()
			err := f.replace()
			f.kernel.Unlock()
			if err = errors.Join(err, f.SetLinks([]string{"lo", lab.Interface}), f.SetLinks([]string{lab.Interface})); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		if err := f.Renew(); err != nil && !errors.Is(err, ErrReplaced) {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			must(t, err)
			if n := testing.AllocsPerRun(1000, func() { must(t, f.Renew()) }); n != 0 {
				t.Errorf("a renewal allocates %v times", n)
			}
			return
		default:
		}
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"name":          func(c *Config) { c.Name = "other" },
		"long name":     func(c *Config) { c.Name = Prefix + strings.Repeat("5", 100) },
		"no addresses":  func(c *Config) { c.Addresses = nil },
		"no links":      func(c *Config) { c.Links = nil },
		"short timeout": func(c *Config) { c.Timeout = Least - 1 },
		"odd timeout":   func(c *Config) { c.Timeout = Least + time.Microsecond },
		"no clock":      func(c *Config) { c.Now = nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := complete(Config{})
			change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
