// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// stateEvery is how often the state is written at most. What a sender reserves outlasts two writes.
const stateEvery = time.Second

// stateKind begins every state file of this form.
const stateKind = "harbinger.dev/signing/v1"

// stateFile keeps over a restart of the process what was signed and accepted last: in a file on the tmpfs of the host, which ends
// with the boot. Without it a process works, but takes a recorded advertisement of the last seconds once more.
type stateFile struct {
	path    string
	vrid    uint8
	log     logr.Logger
	before  map[netip.Addr]vrrpconn.SigningState // that an earlier process has left
	changed chan struct{}                        // a signal that is not taken yet says enough
	failing string                               // why the last write failed
}

// signingState is the content of the file.
type signingState struct {
	Kind   string                               `json:"kind"`
	VRID   uint8                                `json:"vrid"`
	States map[netip.Addr]vrrpconn.SigningState `json:"states"` // by virtual address
}

// newStateFile reads what an earlier process has left.
func newStateFile(log logr.Logger, link string, vrid uint8) stateFile {
	f := stateFile{path: filepath.Join(config.RuntimeDirectory, fmt.Sprintf("vrrp-%s-%d.json", link, vrid)), vrid: vrid, log: log, changed: make(chan struct{}, 1)}
	content, err := hostfile.ReadPrivate(f.path)
	if err == nil {
		f.before, err = parseState(content, vrid)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		logging.Warn(log, logging.MsgSigningStateUnread, logging.KeyFile, f.path, logging.KeyReason, err.Error())
	}
	return f
}

// parseState takes what newStateFile has read, of its own form and virtual router alone.
func parseState(content []byte, vrid uint8) (map[netip.Addr]vrrpconn.SigningState, error) {
	var state signingState
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&state); err != nil {
		return nil, err
	}
	if state.Kind != stateKind || state.VRID != vrid {
		return nil, fmt.Errorf("kind %q of virtual router %d: must be %q of %d", state.Kind, state.VRID, stateKind, vrid)
	}
	return state.States, nil
}

// signal has the state written.
func (f *stateFile) signal() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// write replaces the file in one step, and logs why it cannot, once until that changes.
func (f *stateFile) write(states map[netip.Addr]vrrpconn.SigningState) error {
	content, err := json.Marshal(signingState{Kind: stateKind, VRID: f.vrid, States: states})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(f.path), 0o700)
	}
	if err == nil {
		err = staticpod.Write(f.path, content)
	}
	switch {
	case err == nil:
		f.failing = ""
	case err.Error() != f.failing:
		f.failing = err.Error()
		logging.Warn(f.log, logging.MsgSigningStateUnkept, logging.KeyFile, f.path, logging.KeyReason, f.failing)
	}
	return err
}

// keepSigned writes the state soon after each change, once a second at most, and at the end.
func (s *sidecar) keepSigned(ctx context.Context) error {
	f := &s.signing.state
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-f.changed:
			s.writeSigned()
			select {
			case <-ctx.Done():
			case <-time.After(stateEvery):
			}
		}
	}
	s.writeSigned()
	return nil
}

func (s *sidecar) writeSigned() {
	if states := s.signing.states(); len(states) > 0 && s.signing.state.write(states) != nil {
		s.metrics.Failed("state")
	}
}

// The state of the kernel's clock (adjtimex(2)).
const clockUnsynchronisedBit = 0x40

// clockUnsynchronised reports whether the kernel knows that nothing keeps the clock of this host right. It says no where it does not
// answer.
func clockUnsynchronised() bool {
	var timex syscall.Timex // asks, and changes nothing
	_, err := syscall.Adjtimex(&timex)
	return err == nil && timex.Status&clockUnsynchronisedBit != 0
}
