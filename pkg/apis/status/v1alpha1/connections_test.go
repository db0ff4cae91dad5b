// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"encoding/json"
	"testing"
	"time"
)

// The names of the fields are a contract, and what is not known is left out.
func TestNamesOfConnections(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		list ConnectionList
		want string
	}{
		{ConnectionList{Running: []Connection{}, Ended: []Connection{}}, `{"running":[],"ended":[]}`},
		{
			ConnectionList{Running: []Connection{{Client: "192.0.2.9:1", Began: at}}, LeftOut: 2, Ended: []Connection{{
				Client: "192.0.2.9:2", Frontend: "192.0.2.100:6443", Backend: "192.0.2.1:6443", Began: at, Active: &at, Received: 3, Sent: 4, Retried: true, Ended: &at, Reason: "Finished",
			}}},
			`{"running":[{"client":"192.0.2.9:1","began":"2026-01-02T03:04:05Z","bytesReceived":0,"bytesSent":0}],"leftOut":2,` +
				`"ended":[{"client":"192.0.2.9:2","frontend":"192.0.2.100:6443","backend":"192.0.2.1:6443","began":"2026-01-02T03:04:05Z","active":"2026-01-02T03:04:05Z",` +
				`"bytesReceived":3,"bytesSent":4,"retried":true,"ended":"2026-01-02T03:04:05Z","reason":"Finished"}]}`,
		},
	} {
		if got, err := json.Marshal(tt.list); err != nil || string(got) != tt.want {
			t.Errorf("%v: %s, want %s", err, got, tt.want)
		}
	}
}
