// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

// startBound is generous: it is 1 s at most where the machine has time for it.
const startBound = 3 * time.Second

// A node that starts beside hosts that answer, none of which has the address, has it within a second, at whatever interval: also where
// no apiserver is healthy yet, as for kubeadm init.
func TestStartIsQuick(t *testing.T) {
	const peers = "peers: [192.168.238.131, 192.168.238.132]"
	for _, tc := range []struct {
		name, mode, interval string
		unwell               bool
	}{
		{"1s VRRP", "VRRP", "1s", false}, {"200ms VRRP", "VRRP", "200ms", false},
		{"1s Hybrid", "Hybrid", "1s", false}, {"200ms Hybrid", "Hybrid", "200ms", false},
		{"no apiserver", "Hybrid", "200ms", true}, {"no apiserver, 1s", "Hybrid", "1s", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if api := serveAPI(t); tc.unwell {
				api.stop()
			}
			m := &moments{at: map[string]time.Time{`"to"="Active"`: {}, "addresses added": {}, `"to"="Backup"`: {}, `"healthy"=true`: {}}}
			began := time.Now()
			k := startAs(t, oneAddress+`election: {mode: `+tc.mode+`, vrrp: {advertisementInterval: `+tc.interval+`, `+peers+`}}
healthCheck: {serverName: example.com, interval: 200ms, timeout: 100ms}
`, m.wrap(sidecar.Run))
			k.untilLogged("addresses added")
			took := m.of("addresses added").Sub(began)
			t.Logf("election began after %s, decided after %s, first healthy backend after %s, address up after %s",
				m.of(`"to"="Backup"`).Sub(began), m.of(`"to"="Active"`).Sub(began), m.of(`"healthy"=true`).Sub(began), took)
			if took > startBound {
				t.Errorf("the address was up after %s", took)
			}
		})
	}
}
