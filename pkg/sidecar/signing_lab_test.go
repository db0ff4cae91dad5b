// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// The keys of the tests, by their id.
var secrets = map[int]string{1: "hex:" + strings.Repeat("0f1e2d3c", 8) + "\n", 2: "correct-horse-battery-staple-238\n"}

// writeKey gives a host a key under an id, for root alone.
func writeKey(t *testing.T, h *lab.Host, id int, secret string) {
	t.Helper()
	path := fmt.Sprintf("%s/%d", config.KeyDirectory, id)
	labtest.Must(t, h.Do(func() error { return os.MkdirAll(filepath.Dir(path), 0o700) }))
	labtest.Must(t, h.WriteFile(path, secret))
	labtest.Must(t, h.Do(func() error { return os.Chmod(path, 0o600) }))
}

// signs is a configuration whose advertisements are signed with the keys of some ids, of which one is active. The window is wide, so
// that nothing is refused for its age.
func signs(active int, ids ...int) string {
	var keys []string
	for _, id := range ids {
		keys = append(keys, fmt.Sprintf("{id: %d, file: %s/%d}", id, config.KeyDirectory, id))
	}
	return oneAddress + body("VRRP", fmt.Sprintf(", authentication: {type: HMAC, hmac: {keys: [%s], activeKey: %d, timeWindow: 60s}}", strings.Join(keys, ", "), active))
}

// deploySigned starts a keeper that follows its configuration on each host, with the first key.
func deploySigned(t *testing.T, body string, hosts ...*lab.Host) *deployment {
	t.Helper()
	serveAPI(t)
	for _, h := range hosts {
		labtest.Must(t, h.Do(func() error { return os.RemoveAll(config.RuntimeDirectory) }))
		writeKey(t, h, 1, secrets[1])
	}
	d := &deployment{t: t, vip: vip4, hosts: hosts, arguments: []string{configFile}}
	d.start("VRRP", body)
	return d
}

// configure replaces the configuration of a host.
func (d *deployment) configure(h *lab.Host, body string) {
	d.t.Helper()
	labtest.Must(d.t, h.WriteFile(configFile, string(document(body+d.backends))))
}

// restart kills the keeper of a host, and starts another one unless the host is to be without.
func (d *deployment) restart(h *lab.Host, again bool) {
	d.t.Helper()
	i := slices.Index(d.hosts, h)
	labtest.Must(d.t, d.processes[i].Kill())
	if again {
		d.processes[i] = d.run(h)
	}
}

// both returns the host that holds the address and the other one, once that hears it.
func (d *deployment) both() (holds, waits *lab.Host) {
	d.t.Helper()
	holder := d.holds()
	d.until("the other host hears the holder", func(s v1alpha1.HarbingerStatus) bool {
		return s.Ready && (s.VirtualRouter.Held || s.VirtualRouter.HolderHeard != nil)
	})
	if holder == d.hosts[0].Name {
		return d.hosts[0], d.hosts[1]
	}
	return d.hosts[1], d.hosts[0]
}

// refusals returns how many packets a node has refused for their signature, by reason.
func refusals(s v1alpha1.HarbingerStatus) map[string]uint64 {
	all := map[string]uint64{}
	for reason, d := range s.VirtualRouter.Dropped {
		if strings.HasPrefix(reason, "hmac_") {
			all[reason] = d.Count
		}
	}
	return all
}

// unmoved is a condition of every status: who holds the address holds it, and nothing was refused for its signature.
func unmoved(holder string, moves map[string]int, condition func(*v1alpha1.Signing) bool) func(v1alpha1.HarbingerStatus) bool {
	return func(s v1alpha1.HarbingerStatus) bool {
		r := s.VirtualRouter
		return r.Signing != nil && condition(r.Signing) && r.Held == (s.Node == holder) && len(s.Moves) == moves[s.Node] && len(refusals(s)) == 0
	}
}

// The three steps of a rotation, host after host: a new key everywhere, its use, the end of the old one. The holder stays, and no
// advertisement is refused.
func TestRotationOfKeys(t *testing.T) {
	d := deploySigned(t, signs(1, 1), self, peer, third)
	holder := d.holds()
	moves := map[string]int{}
	d.until("the holder is heard", func(s v1alpha1.HarbingerStatus) bool {
		moves[s.Node] = len(s.Moves)
		return s.VirtualRouter.Signing != nil && (s.VirtualRouter.Held || s.VirtualRouter.HolderHeard != nil)
	})
	signer := d.source(holder)
	heardBy := func(key int) func(*v1alpha1.Signing) bool {
		return func(s *v1alpha1.Signing) bool {
			return slices.ContainsFunc(s.Peers, func(p v1alpha1.SigningPeer) bool { return p.Address == signer && p.Key == key })
		}
	}
	for _, h := range d.hosts {
		writeKey(t, h, 2, secrets[2])
		d.configure(h, signs(1, 1, 2))
	}
	d.until("each has both keys", unmoved(holder, moves, func(s *v1alpha1.Signing) bool { return slices.Equal(s.Keys, []int{1, 2}) && s.ActiveKey == 1 }))
	for _, h := range d.hosts {
		d.configure(h, signs(2, 1, 2))
		d.rests(holder, 200*time.Millisecond)
	}
	backups := d.until("each signs with the new one", unmoved(holder, moves, func(s *v1alpha1.Signing) bool { return s.ActiveKey == 2 }))
	d.until("the others hear it", func(s v1alpha1.HarbingerStatus) bool {
		return s.VirtualRouter.Held || unmoved(holder, moves, heardBy(2))(s)
	})
	if len(backups) != 2 {
		t.Errorf("%d hosts do not hold the address", len(backups))
	}
	for _, h := range d.hosts {
		d.configure(h, signs(2, 2))
		d.rests(holder, 200*time.Millisecond)
	}
	d.until("none has the old one", unmoved(holder, moves, func(s *v1alpha1.Signing) bool { return slices.Equal(s.Keys, []int{2}) }))

	// What is wrong with a change keeps the keys, and is said.
	writeKey(t, third, 2, "short\n")
	d.until("a file that is no key is a fault there alone", func(s v1alpha1.HarbingerStatus) bool {
		current := meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionFilesCurrent)
		return current == (s.Node != third.Name) && unmoved(holder, moves, func(s *v1alpha1.Signing) bool { return s.ActiveKey == 2 })(s)
	})
	d.rests(holder, 500*time.Millisecond)
}

// The steps of a first roll-out: what is signed is accepted first, then each signs, then nothing else is accepted. The
// holder stays, no advertisement is refused, and the status says when the next step may come; so it does on the way back.
func TestRollOutOfSignatures(t *testing.T) {
	mode := func(m string) string {
		return strings.Replace(signs(1, 1), "timeWindow: 60s", "timeWindow: 60s, mode: "+m, 1)
	}
	d := deploySigned(t, mode("ReceiveOnly"), self, peer)
	holds, waits := d.both()
	moves := map[string]int{}
	for _, h := range d.hosts {
		moves[h.Name] = len(d.status(h).Moves)
	}
	for _, m := range []string{"Permissive", "Enforce", "Permissive", "ReceiveOnly"} {
		for _, h := range d.hosts {
			d.configure(h, mode(m))
		}
		d.until(m+" is in use", unmoved(holds.Name, moves, func(x *v1alpha1.Signing) bool { return x.Mode == m }))
		unsigned := func() (n uint64, every bool) {
			s := d.status(waits).VirtualRouter.Signing
			for _, p := range s.Peers {
				n += p.Unsigned
			}
			return n, s.EveryPeerSigned
		}
		before, _ := unsigned()
		d.rests(holds.Name, 300*time.Millisecond)
		if after, every := unsigned(); (after > before) != (m == "ReceiveOnly") || !every {
			t.Errorf("%s: %d and then %d were not signed, every peer has signed: %v", m, before, after, every)
		}
	}
}

// replay sends recorded advertisements on the link of third, again and again, until the function that is returned is called.
func replay(t *testing.T, forger *guest.Forger, recorded []guest.Packet) (stop func()) {
	t.Helper()
	end, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			if err := forger.Send(recorded[i%len(recorded)]); err != nil {
				t.Error(err)
			}
			select {
			case <-ticker.C:
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// Recorded advertisements of a holder keep nobody waiting for it once it is dead, not even a host that was started anew in the
// meantime: it knows what it has heard. The holder itself, started anew, does not look like its own recording.
func TestRestartAndReplay(t *testing.T) {
	d := deploySigned(t, signs(1, 1), self, peer)
	holds, waits := d.both()
	forger, err := guest.NewForger(third)
	labtest.Must(t, err)
	t.Cleanup(func() { labtest.Must(t, forger.Close()) })
	var recorded []guest.Packet
	for range 5 {
		p, err := forger.Hear(holds.Address.Addr(), patience)
		labtest.Must(t, err)
		recorded = append(recorded, p)
	}
	wait := func(what string, condition func(v1alpha1.HarbingerStatus) bool) {
		t.Helper()
		labtest.Until(t, patience, what, func() bool {
			s := d.status(waits)
			return s.VirtualRouter.Dropped["hmac_replay"].Count > 5 && condition(s)
		})
	}
	stop := replay(t, forger, recorded)
	wait("the recording is refused", func(s v1alpha1.HarbingerStatus) bool { return !s.VirtualRouter.Held })
	d.rests(holds.Name, 300*time.Millisecond)
	d.restart(holds, false)
	_ = holds.DeleteAddress(netip.PrefixFrom(vip4.Addr(), vip4.Addr().BitLen())) // its lifetime may have ended
	wait("the other host takes over beside the recording", active)
	d.restart(waits, true)
	wait("started anew, it takes over as well", active)
	for _, p := range d.status(waits).VirtualRouter.Signing.Peers {
		if p.Signed != nil {
			t.Errorf("started anew, it has accepted %+v", p)
		}
	}
	stop()
	refused := refusals(d.status(waits))
	d.restart(holds, true)
	d.both()
	if now := refusals(d.status(waits)); len(now) != 1 || now["hmac_replay"] != refused["hmac_replay"] || len(refusals(d.status(holds))) != 0 {
		t.Errorf("refused %v and %v, before %v: what the two send now must be no replay", now, refusals(d.status(holds)), refused)
	}
}

// A host with other bytes under the same id does not hear the holder. It says so, and does not take the address from it.
func TestWrongKey(t *testing.T) {
	d := deploySigned(t, signs(1, 1), self, peer)
	holds, waits := d.both()
	writeKey(t, waits, 1, secrets[2])
	process := d.processes[slices.Index(d.hosts, waits)]
	labtest.Until(t, patience, "the wrong key is named", func() bool {
		s := d.status(waits)
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionAuthenticated)
		return s.VirtualRouter.Dropped["hmac_invalid"].Count > 5 && c != nil && c.Reason == "SignatureRefused" && s.VirtualRouter.SplitSuspected &&
			process.Wrote(`msg="Signature refused"`) && process.Wrote("reason=hmac_invalid")
	})
	d.rests(holds.Name, time.Second)
	writeKey(t, waits, 1, secrets[1])
	d.until("the other host hears the holder again", func(s v1alpha1.HarbingerStatus) bool { return s.Ready && !s.VirtualRouter.SplitSuspected })
	d.rests(holds.Name, 300*time.Millisecond)
	for i, h := range d.hosts {
		for _, secret := range secrets {
			if strings.Contains(d.processes[i].Output(), strings.TrimPrefix(strings.TrimSpace(secret), "hex:")) {
				t.Errorf("the log of %s has a key", h.Name)
			}
		}
	}
}
