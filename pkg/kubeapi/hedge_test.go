// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// hedgeAfter is when a second apiserver is asked.
const hedgeAfter = 150 * time.Millisecond

func TestHedgedRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  func(*server) behaviour
		second behaviour
		// wait is how long the answer must have taken: less would mean that another path was used.
		wait time.Duration
	}{
		{"the first is hung", func(s *server) behaviour { return s.hang }, nil, hedgeAfter},
		{"both are slow", func(*server) behaviour { return slow }, slow, 2 * hedgeAfter},
		{"the first fails", func(*server) behaviour { return status(500) }, nil, 0},
		{"the first has no permission, the second is slow", func(*server) behaviour { return status(403) }, slow, 2 * hedgeAfter},
		{"the first is overloaded", func(*server) behaviour { return status(429) }, nil, 0},
		{"the first is slow, the second fails", func(*server) behaviour { return slow }, status(500), 2 * hedgeAfter},
		{"the first is starting", func(*server) behaviour { return plain(404) }, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 2, nil)
			c.warm(t)
			c.store.change(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = new("other") })
			c.servers[0].set(tt.first(c.servers[0]))
			c.servers[1].set(tt.second)
			start := time.Now()
			if l := mustRead(t, c); l.Holder != "other" {
				t.Errorf("holder is %q", l.Holder)
			}
			if took := time.Since(start); took < tt.wait {
				t.Errorf("took %v, want at least %v", took, tt.wait)
			}
		})
	}
}

func TestOneHealthyApiserverIsAskedAlone(t *testing.T) {
	for range 20 { // a busy machine may make it look ill
		c := newCluster(t, 3, nil)
		written, slowest := mine, time.Duration(0)
		for range 11 {
			start := time.Now()
			written = mustWrite(t, c, written)
			slowest = max(slowest, time.Since(start))
		}
		if slowest >= hedgeAfter {
			continue
		}
		if a, b := c.servers[0].requests.Load(), c.servers[1].requests.Load()+c.servers[2].requests.Load(); a != 11 || b != 0 {
			t.Errorf("%d requests of the first, %d of the others", a, b)
		}
		return
	}
	t.Errorf("no apiserver answers within %v", hedgeAfter)
}

func TestHedgedWrite(t *testing.T) {
	takenByOther := func(s *server) behaviour {
		return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
			if r.Method == http.MethodPut {
				s.store.change(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = new("other") })
			}
			s.hang(w, r, answer)
		}
	}
	for _, tt := range []struct {
		name    string
		create  bool
		first   func(*server) behaviour
		refused bool
		holder  string
	}{
		{"the first does nothing", false, func(s *server) behaviour { return s.hang }, false, mine.Holder},
		{"the first does it and does not say so", false, func(s *server) behaviour { return s.swallow }, false, mine.Holder},
		{"the first creates it and does not say so", true, func(s *server) behaviour { return s.swallow }, false, mine.Holder},
		{"another one is faster", false, takenByOther, true, "other"},
		{"another one creates it", true, takenByOther, true, "other"},
		{"the first fails after it did it", false, func(*server) behaviour {
			return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
				answer(discard{}, r)
				status(504)(w, r, answer)
			}
		}, false, mine.Holder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 2, nil)
			c.warm(t)
			l := mine
			if !tt.create {
				l = mustWrite(t, c, mine)
			}
			c.servers[0].set(tt.first(c.servers[0]))
			if tt.refused {
				wantRefused(t, c, l)
			} else {
				l = mustWrite(t, c, l)
				if stored, _ := c.store.read(); stored.ResourceVersion != l.Version {
					t.Errorf("version %s is said to be stored, %s is", l.Version, stored.ResourceVersion)
				}
			}
			if stored, _ := c.store.read(); *stored.Spec.HolderIdentity != tt.holder {
				t.Errorf("holder is %s, want %s", *stored.Spec.HolderIdentity, tt.holder)
			}
		})
	}
}

// One apiserver has made the write, the other refuses its copy and then cannot be read: nobody knows.
func TestHedgedWriteThatCannotBeReadBack(t *testing.T) {
	c := newCluster(t, 2, nil)
	c.warm(t)
	l := mustWrite(t, c, mine)
	c.servers[0].set(c.servers[0].swallow)
	c.servers[1].set(func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		if r.Method == http.MethodGet {
			answer = func(w http.ResponseWriter, r *http.Request) { status(500)(w, r, nil) }
		}
		answer(w, r)
	})
	_, err := write(t, c, l)
	wantUnanswered(t, err, "cannot be read")
}

func TestStatusOfBackends(t *testing.T) {
	c := newCluster(t, 2, nil)
	c.warm(t)
	c.servers[0].set(c.servers[0].hang)
	mustWrite(t, c, mine)
	until(t, "the status tells who was slow", func() bool { return strings.Contains(c.Status().Backends[0].Error, "another apiserver was faster") })
	status := c.Status()
	if status.CredentialsProblem != "" || len(status.Backends) != 2 || status.Backends[1].Error != "" {
		t.Errorf("status is %+v", status)
	}
	for i, b := range status.Backends {
		if b.Address != c.servers[i].address() || b.OKAt.IsZero() {
			t.Errorf("backend %d is %+v", i, b)
		}
	}
}

// discard is a ResponseWriter whose answer nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
