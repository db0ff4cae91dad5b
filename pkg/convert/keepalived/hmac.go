// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

func (k *keepalived) hmac() *v1alpha1.HMAC { return &k.cfg.Election.VRRP.Authentication.HMAC }

// readHMAC reads the block. What is said of it never has the words of a line, which may be a key.
func (k *keepalived) readHMAC(block convert.Statement) bool {
	k.signed = &block
	k.each(hmacBlock, block.Block)
	return true
}

func (k *keepalived) readActiveKey(s convert.Statement) bool {
	k.hmac().ActiveKey = k.Number(name(s), s.Word(1), 1, 255)
	return k.hmac().ActiveKey > 0
}

func (k *keepalived) readAntiReplay(s convert.Statement) bool {
	k.hmac().AntiReplay = choice(k, s, map[string]keyed.AntiReplay{"time": keyed.Time, "monotonic": keyed.Monotonic})
	return k.hmac().AntiReplay != ""
}

func (k *keepalived) readTimeWindow(s convert.Statement) bool {
	n := k.Number(name(s), s.Word(1), 1, 300)
	k.hmac().TimeWindow.Duration = time.Duration(n) * time.Second
	return n > 0
}

func (k *keepalived) readHMACMode(s convert.Statement) bool {
	k.hmac().Mode = choice(k, s, map[string]keyed.Mode{"enforce": keyed.Enforce, "permissive": keyed.Permissive, "receive-only": keyed.ReceiveOnly})
	return k.hmac().Mode != ""
}

// choice reads a word that has a counterpart.
func choice[T ~string](k *keepalived, s convert.Statement, known map[string]T) string {
	value, ok := known[s.Word(1)]
	if !ok {
		k.Refuse(name(s), "want one of %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return string(value)
}

// readKey reads a key, of which only the id is carried over: the key itself goes from file to file, or from here into one.
func (k *keepalived) readKey(s convert.Statement) bool {
	masked := name(s)
	id := k.Number(masked, s.Word(1), 1, 255)
	if id == 0 {
		return false
	}
	masked.Words = s.Words[:2]
	if slices.ContainsFunc(k.hmac().Keys, func(key v1alpha1.HMACKey) bool { return key.ID == id }) {
		k.Refuse(masked, "there is a key of this id already, which keepalived uses: remove one of them")
		return false
	}
	to := path.Join(config.KeyDirectory, s.Word(1))
	from, isFile := strings.CutPrefix(s.Word(2), "file:")
	if isFile {
		k.Drop(masked, "copy the key: install -D -m 0600 %s %s", from, to)
	} else {
		if _, err := keyed.ParseKey(uint8(id), []byte(s.Word(2))); err != nil {
			k.Refuse(masked, "%v", err)
			return false
		}
		k.Drop(masked, "the key is not printed: write the word behind the id to %s on each node, as it stands in this line, for root alone (mode 0600)", to)
	}
	k.hmac().Keys = append(k.hmac().Keys, v1alpha1.HMACKey{ID: id, File: to})
	return false
}

// finishHMAC completes the block. keepalived goes on without any authentication where the active key is missing: that is an error
// here.
func (k *keepalived) finishHMAC() {
	h, auth := k.hmac(), &k.cfg.Election.VRRP.Authentication
	auth.Type = string(vrrp.AuthenticationHMAC)
	if !slices.ContainsFunc(h.Keys, func(key v1alpha1.HMACKey) bool { return key.ID == h.ActiveKey }) {
		k.Refuse(*k.signed, "active_key must be the id of one of the keys: keepalived leaves the whole block away, and the advertisements are not signed")
	}
	if h.AntiReplay == string(keyed.Monotonic) {
		h.TimeWindow.Duration = 0 // only the clock has one
	}
	if k.strict && h.Mode != "" && h.Mode != string(keyed.Enforce) {
		k.Drop(*k.signed, "the mode is Enforce, as vrrp_strict makes it")
		h.Mode = ""
	}
}
