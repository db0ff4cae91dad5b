// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// Signing is what the sockets of signed advertisements know.
type Signing struct {
	Heard []vrrpconn.Heard // by source
	Clock bool             // nothing keeps the clock of this host right, and something depends on it
}

// OtherPeers is the name of all sources that are neither known nor have signed anything.
const OtherPeers = "other"

// SignaturePrefix begins the reasons for which a packet is refused because of its signature.
const SignaturePrefix = "hmac_"

// RefusedFor is how long a refused signature is a fault after the last one.
const RefusedFor = time.Minute

func signing(f Facts) *v1alpha1.Signing {
	if f.Signing == nil {
		return nil
	}
	h := f.Config.Election.VRRP.HMAC
	s := &v1alpha1.Signing{
		Mode: string(h.Mode), AntiReplay: string(h.AntiReplay), ActiveKey: int(h.ActiveKey), ClockUnsynchronised: f.Signing.Clock,
		EveryPeerSigned: everyPeerSigned(f.Signing.Heard), Peers: []v1alpha1.SigningPeer{},
	}
	if h.TimeWindow > 0 {
		s.TimeWindow = h.TimeWindow.String()
	}
	for _, k := range h.Keys {
		s.Keys = append(s.Keys, int(k.ID))
	}
	slices.Sort(s.Keys)
	for _, x := range f.Signing.Heard {
		p := v1alpha1.SigningPeer{Address: OtherPeers, Signed: known(x.SignedAt), Unsigned: x.Unsigned}
		if x.Source.IsValid() {
			p.Address = x.Source.String()
		}
		if p.Signed != nil {
			p.Key, p.Skew, p.Skewed = int(x.KeyID), x.Skew.Round(time.Millisecond).String(), x.Skewed
		}
		s.Peers = append(s.Peers, p)
	}
	slices.SortFunc(s.Peers, func(a, b v1alpha1.SigningPeer) int { return strings.Compare(a.Address, b.Address) })
	return s
}

// everyPeerSigned reports whether each peer that is known has signed. The others may be any number, and have signed nothing: what they
// send is counted.
func everyPeerSigned(heard []vrrpconn.Heard) bool {
	peers := slices.DeleteFunc(slices.Clone(heard), func(h vrrpconn.Heard) bool { return !h.Source.IsValid() })
	return len(peers) > 0 && !slices.ContainsFunc(peers, func(h vrrpconn.Heard) bool { return h.SignedAt.IsZero() })
}

// signatureFaults says what is wrong with the signatures of the nodes, and in one word.
func signatureFaults(r v1alpha1.VirtualRouter, now time.Time) (message, reason string) {
	if r.Signing == nil {
		return "", ""
	}
	var all []string
	for label, d := range r.Dropped {
		if strings.HasPrefix(label, SignaturePrefix) && now.Sub(d.Last) < RefusedFor {
			all = append(all, fmt.Sprintf("advertisements of %s are refused: %s", d.From, label))
			reason = "SignatureRefused"
		}
	}
	slices.Sort(all)
	for _, p := range r.Signing.Peers {
		if p.Skewed {
			all = append(all, fmt.Sprintf("the clock of %s is ahead by %s, of a window of %s", p.Address, p.Skew, r.Signing.TimeWindow))
			reason = cmp.Or(reason, "ClockSkewed")
		}
	}
	if r.Signing.ClockUnsynchronised {
		all = append(all, "nothing keeps the clock of this host right, on which the signatures depend: start a client of NTP")
		reason = cmp.Or(reason, "ClockUnsynchronised")
	}
	return strings.Join(all, "; "), reason
}
