// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix begins the name of every table of this package.
const Prefix = "harbinger-"

// Disarm is how long after the last sign of life the table stops to match anything. Every virtual address must have a lifetime that
// is shorter: it would be served again.
const Disarm = 10 * time.Second

// Least is the shortest timeout: the kernel counts it in jiffies of up to 10 ms, and may end it one earlier.
const Least = 20 * time.Millisecond

// What Renew, Check and New say.
var (
	// ErrLate says that the timeout had passed since the last renewal: the fence is closed and stays so.
	ErrLate = errors.New("renewed later than the timeout of the fence, which stays closed")
	// ErrShut says that the fence was not open.
	ErrShut = errors.New("the fence is closed")
	// ErrReplaced says that something had removed or changed the table or a link of it, and that all is in place again.
	ErrReplaced = errors.New("the fence was removed or changed by another program, and is in place again")
	// ErrOwned says that a living process has the table.
	ErrOwned = errors.New("another process holds it: end that process, a frozen one by SIGKILL")
)

// Unavailable says why this host can have no fence: the lifetime of the addresses is what is left.
type Unavailable struct {
	Reason string
	Err    error // of the kernel; nil: there is none
}

// Error returns the reason.
func (u *Unavailable) Error() string {
	if u.Err == nil {
		return "no fence: " + u.Reason
	}
	return fmt.Sprintf("no fence: %s: %v", u.Reason, u.Err)
}

// Unwrap returns the error of the kernel.
func (u *Unavailable) Unwrap() error { return u.Err }

// Config describes a fence.
type Config struct {
	// Name is that of the table: Prefix and the virtual router ID.
	Name string
	// Addresses are the virtual addresses, of one family or of both.
	Addresses []netip.Addr
	// Links are the names of all links by which frames for the addresses may come: Linux answers for
	// an address on every link.
	Links []string
	// Timeout is how long the fence is open after it was opened or renewed: whole milliseconds, at least Least.
	Timeout time.Duration
	// Now is the clock that lateness is judged by. It must go on while the host is suspended.
	Now func() time.Time
}

func (c Config) validate() error {
	switch {
	case !strings.HasPrefix(c.Name, Prefix) || len(c.Name) > maxName:
		return fmt.Errorf("name %q of the table: it begins with %s and has at most %d characters", c.Name, Prefix, maxName)
	case len(c.Addresses) == 0 || len(c.Links) == 0:
		return errors.New("a fence needs an address and a link")
	case c.Timeout < Least || c.Timeout%time.Millisecond != 0:
		return fmt.Errorf("timeout %s of the fence: whole milliseconds, at least %s", c.Timeout, Least)
	case c.Now == nil:
		return errors.New("a fence needs a clock")
	}
	return nil
}

// Fence is the table of this process. Its methods may be called from any goroutine; Renew waits for none that changes the table.
type Fence struct {
	cfg   Config
	table table
	beats beats

	kernel sync.Mutex // guards what follows, and comes before mu
	closed bool
	conn   *conn
	tc     *filters
	links  []link
	plain  bool   // the kernel has no tables that belong to a process
	image  []byte // the chains as they were made

	mu      sync.Mutex // guards what follows
	open    bool
	refuses bool      // questions for the addresses are not answered
	renewed time.Time // when the last frame that opened or renewed was about to leave
}

// New installs the table in the network namespace of the calling thread, closed. A table of that name that a killed process left is
// replaced in the same moment, whatever its configuration was. The error is *Unavailable where the kernel refuses, and ErrOwned where
// a living process has the table.
func New(cfg Config) (*Fence, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	f := &Fence{cfg: cfg, table: newTable(cfg)}
	if err := f.start(); err != nil {
		return nil, errors.Join(err, f.hangUp())
	}
	return f, nil
}

func (f *Fence) start() (err error) {
	if f.beats, err = newBeats(f.table.mark); err != nil {
		return err
	}
	if f.conn, err = dial(); err != nil {
		return err
	}
	if f.tc, err = newFilters(); err != nil {
		return err
	}
	if err := f.conn.probe(f.cfg.Name); err != nil {
		return err
	}
	f.links = f.beats.find(f.cfg.Links)
	if err := f.bypassed(); err != nil {
		return err
	}
	if err := f.install(); err != nil {
		return err
	}
	if err := f.beats.prove(); err != nil {
		return errors.Join(err, f.conn.do(f.table.remove()))
	}
	return nil
}

// Open lets frames in for the timeout. It is the last step of taking the addresses over. Where the process was frozen meanwhile, the fence
// is closed again, and the next renewal says that it is late.
func (f *Fence) Open() error {
	start := f.cfg.Now()
	f.mu.Lock()
	gone, err := f.unlock(start)
	f.mu.Unlock()
	if !gone {
		return err
	}
	f.kernel.Lock()
	defer f.kernel.Unlock()
	if err := f.install(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if gone, err = f.unlock(start); gone {
		return errGone
	}
	return err
}

// errGone is no state that lasts: the table was put in place a moment ago.
var errGone = errors.New("the fence was removed while it was put in place")

// unlock opens the fence, where it is there. What was known at a time before allows it for the timeout: nothing that the process does is
// sure to happen at once.
func (f *Fence) unlock(known time.Time) (gone bool, err error) {
	start := f.cfg.Now()
	taken, err := f.beats[open].send()
	if err != nil {
		return false, fmt.Errorf("open the fence: %w", err)
	}
	if !taken {
		return true, nil
	}
	f.open, f.renewed = true, start
	switch {
	case f.cfg.Now().Sub(known) >= f.cfg.Timeout:
		f.renewed = known
		_, err = f.beats[shut].send()
	case f.refuses: // the table was put back
		_, err = f.beats[refuse].send()
	}
	return false, err
}

// Renew lets frames in for the timeout again, by one packet. The kernel takes it only while the fence is open, so that a late one
// opens nothing: ErrLate. ErrReplaced says that it was put back and is open.
func (f *Fence) Renew() error {
	f.mu.Lock()
	gone, err := f.renew()
	f.mu.Unlock()
	if gone {
		return f.restore()
	}
	return err
}

// renew returns gone where the frame, or that which closes a fence that is late, found nothing that takes it.
func (f *Fence) renew() (gone bool, err error) {
	if !f.open {
		return false, ErrShut
	}
	start := f.cfg.Now()
	if f.late(start) {
		taken, _ := f.beats[shut].send() // the clock of the kernel may stand still in a suspended host
		f.open = !taken
		return !taken, ErrLate
	}
	taken, err := f.beats[renew].send()
	if err != nil {
		return false, fmt.Errorf("renew the fence: %w", err)
	}
	if taken {
		f.renewed = start
	}
	return !taken, nil
}

func (f *Fence) late(now time.Time) bool { return now.Sub(f.renewed) >= f.cfg.Timeout }

// restore finds out why nothing took a renewal.
func (f *Fence) restore() error {
	f.kernel.Lock()
	defer f.kernel.Unlock()
	f.mu.Lock()
	gone, err := f.renew() // another call may have put it back meanwhile
	age := f.cfg.Now().Sub(f.renewed)
	f.mu.Unlock()
	if !gone {
		return err
	}
	if age >= f.cfg.Timeout/2 && f.intact() {
		// The kernel may end the timeout two jiffies before this clock does, which is less than half of the least.
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open = false
		_, err := f.beats[shut].send()
		return errors.Join(ErrLate, err)
	}
	if err := f.replace(); err != nil {
		return err
	}
	return ErrReplaced
}

// replace puts the whole table in place, and opens it again where it was open and is not late.
func (f *Fence) replace() error {
	if err := f.install(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return nil
	}
	if f.late(f.cfg.Now()) {
		f.open = false
		return ErrLate
	}
	gone, err := f.unlock(f.renewed)
	switch {
	case gone:
		return errGone
	case err == nil && f.late(f.cfg.Now()):
		return ErrLate
	}
	return err
}

// Shut closes the fence at once, and arms it: for Disarm it stays closed.
func (f *Fence) Shut() error {
	f.mu.Lock()
	f.open, f.refuses = false, false
	taken, err := f.beats[shut].send()
	f.mu.Unlock()
	if taken {
		return nil
	}
	f.kernel.Lock()
	defer f.kernel.Unlock()
	if again := f.install(); again != nil { // which closes it too
		return errors.Join(again, err)
	}
	return nil
}

// Disarm lets everything pass: the addresses are gone, and what comes for them is on the way to another host. Shut arms it again.
func (f *Fence) Disarm() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open, f.refuses = false, false
	if _, err := f.beats[disarm].send(); err != nil { // without a table nothing is kept out either
		return fmt.Errorf("disarm the fence: %w", err)
	}
	return nil
}

// SetLinks says which links there are now: after every change of a link. A link that was renamed has lost its hook without a sign.
// The error is *Unavailable where frames of one pass the fence by.
func (f *Fence) SetLinks(links []string) error {
	if len(links) == 0 {
		return errors.New("a fence needs a link")
	}
	f.kernel.Lock()
	defer f.kernel.Unlock()
	if f.closed {
		return ErrShut
	}
	found := f.beats.find(links)
	same := slices.Equal(found, f.links)
	f.links = found
	if err := f.bypassed(); err != nil {
		return err
	}
	if same && f.intact() {
		return nil
	}
	return f.replace()
}

// Check looks whether all is in place, and puts back what is not: ErrReplaced. The error is *Unavailable where frames pass the fence
// by. Call it once a second: a chain that another program removed does not show in renewals.
func (f *Fence) Check() error {
	f.kernel.Lock()
	defer f.kernel.Unlock()
	if f.closed {
		return ErrShut
	}
	if err := f.bypassed(); err != nil {
		return err
	}
	now := f.beats.follow(f.links)
	if slices.Equal(now, f.links) && f.intact() {
		return f.deceived()
	}
	f.links = now
	if err := f.replace(); err != nil {
		return err
	}
	return ErrReplaced
}

// deceived returns *Unavailable where renewals seem to be taken, but nothing is alive: another program drops the frames.
func (f *Fence) deceived() error {
	alive, err := f.conn.has(f.table.alive())
	if err != nil || alive {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open && f.cfg.Now().Sub(f.renewed) < f.cfg.Timeout/2 {
		return &Unavailable{Reason: "another program drops the frames on lo that keep it open"}
	}
	return nil
}

// Close removes the table. The addresses must be gone: nothing fences them any more.
func (f *Fence) Close() error {
	f.kernel.Lock()
	defer f.kernel.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open, f.closed = false, true
	err := f.conn.do(f.table.remove())
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return errors.Join(err, f.hangUp())
}

// hangUp closes the sockets.
func (f *Fence) hangUp() error { return errors.Join(f.beats.close(), f.conn.close(), f.tc.close()) }
