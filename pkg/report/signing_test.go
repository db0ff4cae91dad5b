// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// What is wrong with signatures and clocks is a condition, whose first word is of the worst; it passes a minute after the last refusal.
func TestAuthenticated(t *testing.T) {
	peer := vrrpconn.Heard{Source: netip.MustParseAddr("192.0.2.2"), SignedAt: ago(time.Second), KeyID: 1}
	skewed := peer
	skewed.Skew, skewed.Skewed = -4*time.Second, true
	refused := func(reason string, last time.Duration) map[string]v1alpha1.Drop {
		return map[string]v1alpha1.Drop{reason: {Count: 1, Last: ago(last), From: "192.0.2.9"}}
	}
	for _, tt := range []struct {
		name            string
		change          func(*Facts)
		reason, message string
	}{
		{"all is well", func(f *Facts) { signs(f, peer) }, "SignaturesAccepted", ""},
		{"nobody was heard", func(f *Facts) { signs(f) }, "SignaturesAccepted", ""},
		{"wrong key", func(f *Facts) { signs(f, peer); f.Dropped = refused("hmac_invalid", time.Second) }, "SignatureRefused", "advertisements of 192.0.2.9 are refused: hmac_invalid"},
		{"wrong key, long ago", func(f *Facts) { signs(f, peer); f.Dropped = refused("hmac_invalid", time.Minute) }, "SignaturesAccepted", ""},
		{"refused for another reason", func(f *Facts) { signs(f, peer); f.Dropped = refused("checksum", time.Second) }, "SignaturesAccepted", ""},
		{"clock of a peer", func(f *Facts) { signs(f, skewed) }, "ClockSkewed", "the clock of 192.0.2.2 is ahead by -4s, of a window of 5s"},
		{"own clock", func(f *Facts) { signs(f, peer); f.Signing.Clock = true }, "ClockUnsynchronised", "nothing keeps the clock of this host right"},
		{"both", func(f *Facts) { signs(f, skewed); f.Signing.Clock = true; f.Dropped = refused("hmac_stale", 0) }, "SignatureRefused", "hmac_stale; the clock of 192.0.2.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := backup()
			tt.change(&f)
			c := meta.FindStatusCondition(Status(f, nil).Conditions, v1alpha1.ConditionAuthenticated)
			if c == nil || c.Reason != tt.reason || !strings.Contains(c.Message, tt.message) || (c.Status == "True") != (tt.reason == "SignaturesAccepted") {
				t.Errorf("%+v, want %s: %s", c, tt.reason, tt.message)
			}
		})
	}
	if c := meta.FindStatusCondition(Status(backup(), nil).Conditions, v1alpha1.ConditionAuthenticated); c != nil {
		t.Errorf("a node that does not sign has %+v", c)
	}
}

// Every peer was seen signed only where each that is known was.
func TestEveryPeerSigned(t *testing.T) {
	seen := func(last byte, signed bool) vrrpconn.Heard {
		h := vrrpconn.Heard{Source: netip.AddrFrom4([4]byte{192, 0, 2, last})}
		if signed {
			h.SignedAt, h.KeyID = ago(time.Hour), 1
		}
		return h
	}
	for _, tt := range []struct {
		name  string
		heard []vrrpconn.Heard
		want  bool
	}{
		{"none", nil, false}, {"both", []vrrpconn.Heard{seen(3, true), seen(2, true)}, true}, {"one", []vrrpconn.Heard{seen(2, true), seen(3, false)}, false},
		{"others did not sign", []vrrpconn.Heard{seen(2, true), {Unsigned: 1}}, true}, {"others alone", []vrrpconn.Heard{{Unsigned: 1}}, false},
	} {
		f := backup()
		signs(&f, tt.heard...)
		s := Status(f, nil).VirtualRouter.Signing
		if s.EveryPeerSigned != tt.want || len(s.Peers) != len(tt.heard) || s.Mode != "Permissive" || s.ActiveKey != 2 || len(s.Keys) != 2 || s.Keys[0] != 1 {
			t.Errorf("%s: %+v", tt.name, s)
		}
	}
}
