// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var vip = netip.MustParseAddr("192.0.2.100")

// lan carries advertisements between hosts in virtual time.
type lan struct {
	mu    sync.Mutex
	hosts []*host
}

// host is a node with fakes for all that a Loop uses: what it does is written to trace.
type host struct {
	lan  *lan
	addr netip.Addr

	mu      sync.Mutex
	trace   []string
	queue   []vrrp.Packet
	held    bool
	failing error              // of Acquire and Refresh
	mute    error              // of Send and Announce
	stall   time.Duration      // of the next Announce: the process does not run
	served  election.ProbeDone // zero: nobody has the address
	senders []string           // what HardwareAddress returns next, the last one from then on

	readable chan struct{}
	closed   chan struct{}
	logs     []string
	metrics  *metrics.Metrics
	notices  []string
	api      *store // nil: mode VRRP
}

func (l *lan) host(addr string) *host {
	h := &host{lan: l, addr: netip.MustParseAddr(addr), readable: make(chan struct{}, 1), closed: make(chan struct{})}
	acquired, released := election.Causes()
	h.metrics = metrics.New("51", "eth0", metrics.Known{Acquired: acquired, Released: released})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts = append(l.hosts, h)
	return h
}

func (h *host) record(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *host) deliver(p vrrp.Packet) {
	h.mu.Lock()
	h.queue = append(h.queue, p)
	h.mu.Unlock()
	select {
	case h.readable <- struct{}{}:
	default:
	}
}

func (h *host) Wait() error {
	select {
	case <-h.readable:
		return nil
	case <-h.closed:
		return net.ErrClosed
	}
}

func (h *host) Receive() (vrrp.Packet, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return vrrp.Packet{}, false, nil
	}
	p := h.queue[0]
	h.queue = h.queue[1:]
	return p, true, nil
}

func (h *host) Send(a vrrp.Advertisement) error {
	if h.mute != nil {
		return h.mute
	}
	h.record("advertise %d", a.Priority)
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	for _, other := range h.lan.hosts {
		if other != h {
			other.deliver(vrrp.Packet{Advertisement: a, Source: h.addr})
		}
	}
	return nil
}

func (h *host) Close() error {
	h.record("close")
	close(h.closed)
	return nil
}

func (h *host) Acquire() error { return h.hold("acquire") }
func (h *host) Refresh() error { return h.hold("refresh") }

func (h *host) hold(what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing != nil {
		h.held = false
		return h.failing
	}
	h.held = true
	if what == "acquire" {
		h.trace = append(h.trace, what)
	}
	return nil
}

func (h *host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = err
}

func (h *host) Release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held {
		h.trace = append(h.trace, "release")
	}
	h.held = false
	return nil
}

func (h *host) Resolve(bool) error { return nil }

func (h *host) ReleaseOwn() error {
	h.record("release own")
	return nil
}

func (h *host) Held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (h *host) Announce(a netip.Addr) error {
	h.mu.Lock()
	stall := h.stall
	h.stall = 0
	h.mu.Unlock()
	time.Sleep(stall)
	if h.mute != nil {
		return h.mute
	}
	h.record("announce %s", a)
	return nil
}

// leave ends the sessions. It has a bound, as another node may have the addresses already.
func (h *host) leave(ctx context.Context) {
	if _, bounded := ctx.Deadline(); bounded && ctx.Err() == nil {
		h.record("leave")
	}
}

func (h *host) Probe(ctx context.Context, _ int) election.ProbeDone {
	h.mu.Lock()
	served := h.served
	h.mu.Unlock()
	if served != (election.ProbeDone{}) {
		return served
	}
	<-ctx.Done() // silence is known only when the time is over
	return election.ProbeDone{Identity: election.Nobody, Client: election.Nobody, Neighbour: election.Nobody}
}

func (h *host) AskPeers(ctx context.Context) election.PeersDone {
	<-ctx.Done()
	return election.PeersDone{Gateway: election.Answers}
}

func (h *host) CheckHolder(ctx context.Context) election.HolderChecked {
	<-ctx.Done()
	return election.HolderChecked{Client: election.Reset}
}

func (h *host) Rehearse(ctx context.Context) election.Rehearsed {
	<-ctx.Done()
	return election.Rehearsed{Client: election.Answers}
}

func (h *host) HardwareAddress(source netip.Addr) string {
	h.record("look for %s", source)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.senders) == 0 {
		return ""
	}
	found := h.senders[0]
	if len(h.senders) > 1 {
		h.senders = h.senders[1:]
	}
	return found
}

// taken returns the trace so far and forgets it.
func (h *host) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trace
	h.trace = nil
	return t
}

func (h *host) loop(priority uint8) *Loop {
	log := funcr.NewJSON(func(line string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.logs = append(h.logs, line)
	}, funcr.Options{})
	mode, arbiter := election.VRRP, Arbiter(nil)
	if h.api != nil {
		mode, arbiter = election.Hybrid, h.api
	}
	return New(Config{
		Log: log, Metrics: h.metrics, Notice: h.notice, Arbiter: arbiter,
		Ports: []Port{{Conn: h, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Interval: time.Second}}},
		Election: election.New(election.Config{
			Mode: mode, Node: "node1", Identity: "node1/boot", Lease: election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 5 * time.Second},
			Version: vrrp.Version3, Priority: priority, AdvertisementInterval: time.Second, Preempt: true,
			Primary: []netip.Addr{h.addr}, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Lifetime: 2 * time.Second,
			Jitter: func() float64 { return 0 },
		}),
		VirtualAddresses: []netip.Addr{vip}, Addresses: h, Announcer: h, Prober: h, Interval: time.Second, Now: time.Now,
		Silent: func(holder netip.Addr) { h.record("silent %s", holder) },
		Leave:  h.leave,
	})
}

// holding runs a loop until the host holds the addresses. The channel gets what Run returns.
func (h *host) holding(t *testing.T, l *Loop) chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	l.Notify(t.Context(), election.LinkChanged{Up: true})
	l.Notify(t.Context(), election.HealthChanged{Healthy: true})
	pass(6 * time.Second)
	if !h.Held() {
		t.Fatal("it does not hold the addresses")
	}
	return done
}

// store is an API with one Lease.
type store struct {
	mu     sync.Mutex
	down   bool
	lease  election.Lease
	writes int
}

func (s *store) Read(context.Context) election.LeaseDone {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return election.LeaseDone{Outcome: election.Unanswered, Detail: "connection refused"}
	}
	return election.LeaseDone{Outcome: election.Answered, Lease: s.lease}
}

func (s *store) Write(_ context.Context, l election.Lease) election.LeaseDone {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		return election.LeaseDone{Outcome: election.Unanswered, Detail: "connection refused"}
	case l.Version != s.lease.Version:
		return election.LeaseDone{Outcome: election.Refused}
	}
	s.writes++
	l.Version = fmt.Sprint(s.writes)
	s.lease = l
	return election.LeaseDone{Outcome: election.Answered, Lease: l}
}

func (s *store) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (h *host) notice(reason, message string, _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notices = append(h.notices, reason+": "+message)
}

func (h *host) scrape() string {
	w := httptest.NewRecorder()
	h.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// wantMetrics fails for each line that a scrape does not have.
func (h *host) wantMetrics(t *testing.T, lines ...string) {
	t.Helper()
	body := h.scrape()
	for _, line := range lines {
		if !strings.Contains(body, "harbinger_"+line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
}

// start runs a loop with a healthy backend; the returned function waits for its end.
func start(t *testing.T, ctx context.Context, l *Loop) (wait func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	l.Notify(ctx, election.LinkChanged{Up: true})
	l.Notify(ctx, election.HealthChanged{Healthy: true})
	return func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAloneItTakesTheAddressesAndHandsThemBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(100)
		wait := start(t, t.Context(), l)
		pass(5 * time.Second)
		if got := h.taken(); !slices.Equal(got[:3], []string{"acquire", "advertise 100", "announce 192.0.2.100"}) {
			t.Errorf("it began with %q", got[:3])
		}
		if s := l.Status(); !s.Held || s.Election.State != election.Active || !l.Alive() {
			t.Errorf("status %+v, want Active with the addresses, alive", s)
		}
		l.Shutdown()
		l.Shutdown() // twice does no harm
		wait()
		got := h.taken()
		if zeros := count(got, "advertise 0"); zeros != 2 {
			t.Errorf("%d releases of priority 0, want 2: %q", zeros, got)
		}
		if want := []string{"leave", "release", "close"}; !slices.Equal(got[len(got)-3:], want) || count(got, "leave") != 1 {
			t.Errorf("it ended with %q, want %q: %q", got[len(got)-3:], want, got)
		}
	})
}

// A line of the log says from what state to what, why, and how long the state before lasted: a Backup of priority 100 that starts asks
// for 300 ms, and waits for 156/256 of 200 ms.
func TestALineForEachChangeOfState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(5 * time.Second)
		h.mu.Lock()
		changes := slices.DeleteFunc(slices.Clone(h.logs), func(line string) bool { return !strings.Contains(line, "State changed") })
		h.mu.Unlock()
		for i, want := range []string{
			`"from":"Initialize","to":"Backup","lasted":"0s","reason":"started"`,
			`"from":"Backup","to":"Active","lasted":"422ms","reason":"no advertisement heard, virtual address free"`,
		} {
			if i >= len(changes) || !strings.Contains(changes[i], want) {
				t.Errorf("log %q, want %s in line %d", changes, want, i)
			}
		}
		cancel()
		wait()
	})
}

func count(trace []string, what string) (n int) {
	for _, line := range trace {
		if line == what {
			n++
		}
	}
	return n
}

func TestPlannedStopMakesBeforeItBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(lan)
		a, b := net.host("192.0.2.1"), net.host("192.0.2.2")
		first, second := a.loop(200), b.loop(100)
		waitFirst := start(t, t.Context(), first)
		waitSecond := start(t, t.Context(), second)
		pass(6 * time.Second)
		if !a.Held() || b.Held() {
			t.Fatalf("held by a %v, b %v; want a alone", a.Held(), b.Held())
		}
		first.Shutdown()
		both := time.Duration(0)
		for range 5000 {
			pass(time.Millisecond)
			if !a.Held() && !b.Held() {
				t.Fatal("nobody holds the addresses")
			}
			if a.Held() && b.Held() {
				both += time.Millisecond
			}
		}
		waitFirst()
		if a.Held() || both == 0 || both > 100*time.Millisecond {
			t.Errorf("both held for %s, the leaving one still: %v", both, a.Held())
		}
		if slices.Contains(b.taken(), "silent 192.0.2.1") {
			t.Error("a holder that took its leave counts as silent")
		}
		second.Shutdown()
		waitSecond()
		second.Notify(context.WithoutCancel(t.Context()), election.HealthChanged{}) // returns: connections may drain for long
	})
}

func TestWhatTheKernelRefusesIsNotAdvertised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		h.failing = errors.New("operation not permitted")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(20 * time.Second)
		if got := h.taken(); count(got, "advertise 100") != 0 {
			t.Errorf("advertised without the addresses: %q", got)
		}
		if failing := l.Status().Failing["acquire"]; failing != "operation not permitted" {
			t.Errorf("status says of acquire: %q", failing)
		}
		h.mu.Lock()
		h.failing = nil
		errorLines := count(h.logs, "")
		for _, line := range h.logs {
			if strings.Contains(line, "Action failed") {
				errorLines++
			}
		}
		h.mu.Unlock()
		if errorLines != 1 {
			t.Errorf("%d lines of the same failure, want 1", errorLines)
		}
		pass(5 * time.Second)
		if !h.Held() || len(l.Status().Failing) != 0 {
			t.Errorf("not recovered: held %v, failing %v", h.Held(), l.Status().Failing)
		}
		cancel()
		wait()
		if h.Held() {
			t.Error("the addresses survived the end of the loop")
		}
	})
}

// A deleted address that is added again has not moved; one that cannot be added again has.
func TestMovesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(5 * time.Second)
		for range 3 {
			l.Notify(ctx, election.AddressLost{})
			synctest.Wait()
		}
		if got := count(h.taken(), "acquire"); got != 4 {
			t.Errorf("acquired %d times, want 4", got)
		}
		const acquired, released, held = `vip_moves_total{direction="acquired",interface="eth0",reason="no_advertisement",vrid="51"} `,
			`vip_moves_total{direction="released",interface="eth0",reason="address_lost",vrid="51"} `, `vip_held{interface="eth0",vrid="51"} `
		const cancelled = `vip_moves_total{direction="released",interface="eth0",reason="other",vrid="51"} `
		h.wantMetrics(t, acquired+"1", released+"0", held+"1")

		h.fail(errors.New("operation not permitted"))
		l.Notify(ctx, election.AddressLost{})
		synctest.Wait()
		h.wantMetrics(t, acquired+"1", released+"1", held+"0")

		h.fail(nil)
		pass(5 * time.Second)
		h.wantMetrics(t, acquired+"2", released+"1", held+"1")
		cancel()
		wait()
		h.wantMetrics(t, acquired+"2", released+"1", cancelled+"1", held+"0")
	})
}

// The answers of the API come back as events with the time of their question: by the Lease the node becomes Active with an epoch,
// and without the API it stays.
func TestTheLeaseIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		h.api = &store{}
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(10 * time.Second)
		if e := l.Status().Election; e.State != election.Active || !e.Arbitrated || e.Epoch != 1 || e.Lease.Holder != "node1/boot" {
			t.Errorf("%s, arbitrated %v, epoch %d, Lease %s; want Active with epoch 1", e.State, e.Arbitrated, e.Epoch, e.Lease)
		}
		if h.api.writes < 3 {
			t.Errorf("the Lease was written %d times in 10 s", h.api.writes)
		}
		h.wantMetrics(t, `lease_questions_total{interface="eth0",kind="write",outcome="Answered",vrid="51"} `+fmt.Sprint(h.api.writes))
		h.api.setDown(true)
		pass(10 * time.Second)
		if e := l.Status().Election; e.State != election.Active || e.Arbitrated || e.LeaseFailure != "connection refused" {
			t.Errorf("without the API: %s, arbitrated %v, failure %q", e.State, e.Arbitrated, e.LeaseFailure)
		}
		if got := h.scrape(); !strings.Contains(got, `kind="write",outcome="Unanswered",vrid="51"}`) {
			t.Error("no metric of the questions without an answer")
		}
		cancel()
		wait()
	})
}

// The clock of the election runs as the wall clock does, from now on.
func TestBoottime(t *testing.T) {
	now := Boottime()
	first := now()
	if d := time.Since(first).Abs(); d > time.Second {
		t.Errorf("the clock begins %s off", d)
	}
	if second := now(); second.Before(first) {
		t.Errorf("%s comes before %s", second, first)
	}
}

// What was not sent is counted as a failure only.
func TestWhatWasNotSentIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		h.mute = errors.New("network is down")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(10 * time.Second)
		if s := l.Status(); s.Election.State != election.Active || s.Failing["advertise"] != "network is down" || s.Failing["announce"] != "network is down" {
			t.Errorf("state %s, failing %v", s.Election.State, s.Failing)
		}
		h.wantMetrics(t, `announcements_total{interface="eth0",vrid="51"} 0`)
		if got := h.scrape(); strings.Contains(got, "harbinger_vrrp_advertisements_sent_total{") {
			t.Error("an advertisement that was not sent is counted")
		}
		cancel()
		wait()
	})
}

// Log, Event and metric of an alarm: the first two name the host that it is about.
func TestAlarmNamesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(5 * time.Second)
		for range 3 {
			l.Notify(ctx, election.AddressClaimed{Address: vip, Owner: "02:00:00:00:09:09"})
		}
		synctest.Wait()
		h.wantMetrics(t, `alarms_total{interface="eth0",kind="AddressConflict",vrid="51"} 3`)
		const detail = "a foreign host, 02:00:00:00:09:09, claims 192.0.2.100"
		if !slices.Contains(h.notices, "AddressConflict: "+detail) {
			t.Errorf("Events %q, want one with %q", h.notices, detail)
		}
		raised := slices.DeleteFunc(slices.Clone(h.logs), func(line string) bool { return !strings.Contains(line, "Alarm raised") })
		if len(raised) != 1 || !strings.Contains(raised[0], `"hardwareAddress":"02:00:00:00:09:09"`) {
			t.Errorf("log %q, want one line with the hardware address", raised)
		}
		cancel()
		wait()
	})
}

// What failed while this node held the addresses is no reason to call it not ready when another holds them.
func TestFailuresOfAHolderEndWithItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		ctx, cancel := context.WithCancel(t.Context())
		l := h.loop(100)
		wait := start(t, ctx, l)
		pass(5 * time.Second)
		h.fail(errors.New("lifetime had passed"))
		pass(time.Second)
		if s := l.Status(); s.Election.State != election.Backup || len(s.Failing) != 0 {
			t.Errorf("state %s, failing %v; want Backup, and nothing failing", s.Election.State, s.Failing)
		}
		cancel()
		wait()
	})
}

func TestTakeoverNamesTheSilentHolder(t *testing.T) {
	running(t, asItIs, func(t *testing.T, h *host, _ *Loop, _ func()) {
		h.advertised("192.0.2.9", 200)
		pass(6 * time.Second)
		got := h.taken()
		i, j := slices.Index(got, "silent 192.0.2.9"), slices.Index(got, "acquire")
		if i < 0 || j < i || count(got, "silent 192.0.2.9") != 1 {
			t.Errorf("takeover from a silent holder: %q, want it named once, before the addresses are taken", got)
		}
	})
}

// A process that did not run for longer than a takeover takes must hear its successor before its own timers speak
// (invariant S7).
func TestThawHearsBeforeItSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(100)
		ctx, cancel := context.WithCancel(t.Context())
		wait := start(t, ctx, l)
		pass(10 * time.Second)
		h.mu.Lock()
		h.stall = 6 * time.Second // in the next periodic announcement
		h.mu.Unlock()
		pass(6 * time.Second)
		h.taken()
		h.deliver(vrrp.Packet{
			Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Priority: 100, Interval: time.Second},
			Source:        netip.MustParseAddr("192.0.2.9"),
		})
		pass(5 * time.Second)
		got := h.taken()
		i, j := slices.Index(got, "release"), slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "advertise") })
		if i < 0 || j >= 0 && j < i {
			t.Errorf("after the thaw: %q, want the release before any advertisement", got)
		}
		cancel()
		wait()
	})
}

func TestAFailedSocketEndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(100)
		done := make(chan error, 1)
		go func() { done <- l.Run(t.Context()) }()
		pass(time.Second)
		if err := h.Close(); err != nil { // under the loop's feet
			t.Fatal(err)
		}
		h.mu.Lock()
		h.closed = make(chan struct{}) // for the loop's own Close
		h.mu.Unlock()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run returned %v, want the socket's error", err)
		}
	})
}

func TestMovesAreKeptAndBounded(t *testing.T) {
	l := &Loop{cfg: Config{Now: time.Now, Election: election.New(election.Config{Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second})}}
	for i := range 2 * keptMoves {
		l.recordMove(election.Transition{From: election.Backup, To: election.Active, Reason: fmt.Sprint(i)})
	}
	if len(l.moves) != keptMoves || l.moves[keptMoves-1].Reason != fmt.Sprint(2*keptMoves-1) {
		t.Errorf("%d moves, the last %q", len(l.moves), l.moves[len(l.moves)-1].Reason)
	}
}
