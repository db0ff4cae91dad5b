// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"testing"
	"time"
)

func TestTransferring(t *testing.T) {
	const now = time.Hour
	for _, tc := range []struct {
		name       string
		from, back time.Duration // ago
		burst      int64         // of the backend since the client spoke
		before     int64         // and before that
		want       bool
	}{
		{"download", time.Minute, 100 * time.Millisecond, 100, 0, true},
		{"download with window updates", 10 * time.Millisecond, 5 * time.Millisecond, 100, 1 << 20, true},
		{"download that has just been asked for more", 10 * time.Millisecond, 20 * time.Millisecond, 0, 1 << 20, true},
		{"one question after another", 30 * time.Millisecond, 10 * time.Millisecond, 300, 300, false},
		{"a question that waits for its answer", 100 * time.Millisecond, time.Minute, 0, 300, true},
		{"upload", 10 * time.Millisecond, time.Minute, 0, 0, true},
		{"silent watch", time.Minute, time.Minute, 300, 300, false},
		{"watch that spoke a while ago", time.Minute, 2 * time.Second, 1 << 20, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c connection
			c.sides[client].flow = flow{at: now - tc.from}
			c.sides[backend].flow = flow{at: now - tc.back, burst: tc.burst, before: tc.before}
			if got := c.transferring(now); got != tc.want {
				t.Errorf("transferring: %t, want %t", got, tc.want)
			}
		})
	}
}

// The words of one side end the burst of the other.
func TestFlowCountsBursts(t *testing.T) {
	var client, backend flow
	client.sent(1, 10, &backend)
	backend.sent(2, 100, &client)
	backend.sent(3, 200, &client)
	client.sent(4, 10, &backend)
	client.sent(5, 10, &backend)
	if want := (flow{at: 3, all: 300, before: 300}); backend != want {
		t.Errorf("of the backend: %+v, want %+v", backend, want)
	}
	if want := (flow{at: 5, all: 30, burst: 20, before: 10}); client != want {
		t.Errorf("of the client: %+v, want %+v", client, want)
	}
}
