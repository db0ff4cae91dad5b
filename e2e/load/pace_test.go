// SPDX-License-Identifier: Apache-2.0

package load

import (
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// clockStep is what the clocks of two processes may differ by, as the time is adjusted meanwhile.
const clockStep = 5 * time.Millisecond

func TestPacerNotesEachAttempt(t *testing.T) {
	host, backend, address := startBackend(t)
	p, err := Pace(host, 200, address)
	labtest.Must(t, err)
	time.Sleep(500 * time.Millisecond)
	killed := time.Now()
	labtest.Must(t, backend.Kill())
	time.Sleep(300 * time.Millisecond)
	attempts, err := p.Stop()
	labtest.Must(t, err)
	answered, refused := 0, 0
	for _, a := range attempts {
		switch {
		case a.Failure == "" && a.Took > 0 && a.At.Before(killed):
			answered++
		case a.Failure == Refused && a.At.After(killed):
			refused++
		case a.At.Add(a.Took+clockStep).Before(killed) || a.At.After(killed.Add(clockStep)): // else it was under way
			t.Errorf("begun %v after the kill: %+v", a.At.Sub(killed), a)
		}
	}
	if answered < 50 || answered > 110 || refused < 30 || refused > 70 {
		t.Errorf("%d answered and %d refused in 0.8 s at 200 a second", answered, refused)
	}
}

func TestPacerGivesUp(t *testing.T) {
	host, backend, address := startBackend(t)
	labtest.Must(t, backend.Freeze())
	p, err := Pace(host, 20, address)
	labtest.Must(t, err)
	time.Sleep(200 * time.Millisecond)
	attempts, err := p.Stop()
	labtest.Must(t, err)
	if len(attempts) < 2 {
		t.Errorf("%d attempts", len(attempts))
	}
	for _, a := range attempts {
		if a.Failure != NoAnswer || a.Took < attemptTime || a.Took > 2*attemptTime {
			t.Errorf("the backend is frozen: %+v", a)
		}
	}
}
