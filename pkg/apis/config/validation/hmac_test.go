// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// signed gives a configuration one key.
func signed(c *config.HarbingerConfiguration) *config.HMAC {
	v := &c.Election.VRRP
	v.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationHMAC}
	v.HMAC = config.HMAC{
		Keys: []config.KeyFile{{ID: 1, File: config.Directory + "/vrrp-keys/1"}}, ActiveKey: 1,
		Mode: keyed.Enforce, AntiReplay: keyed.Time, TimeWindow: 5 * time.Second,
	}
	return &v.HMAC
}

// What is right has no fault, in each version and way; what is wrong has one, which says what to do.
func TestHMAC(t *testing.T) {
	const hmac = "election.vrrp.authentication.hmac."
	for _, tt := range []struct {
		name   string
		mutate func(*config.VRRP, *config.HMAC)
		want   string
	}{
		{"version 3", func(*config.VRRP, *config.HMAC) {}, ""},
		{"version 2", func(v *config.VRRP, _ *config.HMAC) { v.Version, v.AdvertisementInterval = 2, time.Second }, ""},
		{"receives only", func(_ *config.VRRP, h *config.HMAC) { h.Mode = keyed.ReceiveOnly }, ""},
		{"by the order alone", func(_ *config.VRRP, h *config.HMAC) { h.AntiReplay, h.TimeWindow = keyed.Monotonic, 0 }, ""},
		{"longest window", func(_ *config.VRRP, h *config.HMAC) { h.TimeWindow = 300 * time.Second }, ""},
		{"unicast", func(v *config.VRRP, _ *config.HMAC) { v.Peers = addrs("192.168.238.130", "192.168.238.131") }, ""},
		{"no key", func(_ *config.VRRP, h *config.HMAC) { h.Keys = nil }, hmac + "keys: Required value: type HMAC needs a key: give its id and its file"},
		{"no active key", func(_ *config.VRRP, h *config.HMAC) { h.ActiveKey = 0 }, hmac + "activeKey: Required value: give the id of the key that signs"},
		{"another active key", func(_ *config.VRRP, h *config.HMAC) { h.ActiveKey = 2 }, hmac + "activeKey: Invalid value: 2: must be the id of one of the keys"},
		{"id twice", func(_ *config.VRRP, h *config.HMAC) {
			h.Keys = append(h.Keys, config.KeyFile{ID: 1, File: config.Directory + "/other"})
		}, hmac + "keys[1].id: Duplicate value: 1"},
		{"id 0", func(_ *config.VRRP, h *config.HMAC) {
			h.Keys = append(h.Keys, config.KeyFile{File: config.Directory + "/other"})
		},
			hmac + "keys[1].id: Invalid value: 0: must be 1 to 255"},
		{"no file", func(_ *config.VRRP, h *config.HMAC) { h.Keys[0].File = "" }, hmac + `keys[0].file: Invalid value: "": must be the absolute path of a file`},
		{"file elsewhere", func(_ *config.VRRP, h *config.HMAC) { h.Keys[0].File = "/root/key" },
			hmac + `keys[0].file: Invalid value: "/root/key": must be a file in /etc/kubernetes/harbinger or below, the directory that the pod sees`},
		{"way out", func(_ *config.VRRP, h *config.HMAC) { h.Keys[0].File = config.Directory + "/../key" },
			hmac + `keys[0].file: Invalid value: "/etc/kubernetes/harbinger/../key": must be the absolute path of a file`},
		{"mode", func(_ *config.VRRP, h *config.HMAC) { h.Mode = "enforce" },
			hmac + `mode: Unsupported value: "enforce": supported values: "Enforce", "Permissive", "ReceiveOnly"`},
		{"way", func(_ *config.VRRP, h *config.HMAC) { h.AntiReplay = "time" },
			hmac + `antiReplay: Unsupported value: "time": supported values: "Time", "Monotonic"`},
		{"no window", func(_ *config.VRRP, h *config.HMAC) { h.TimeWindow = 0 }, hmac + `timeWindow: Invalid value: "0s": must be 1s to 5m0s`},
		{"wide window", func(_ *config.VRRP, h *config.HMAC) { h.TimeWindow = 301 * time.Second }, hmac + `timeWindow: Invalid value: "5m1s": must be 1s to 5m0s`},
		{"half seconds", func(_ *config.VRRP, h *config.HMAC) { h.TimeWindow = 5500 * time.Millisecond }, hmac + `timeWindow: Invalid value: "5.5s": must be whole seconds`},
		{"window without a clock", func(_ *config.VRRP, h *config.HMAC) { h.AntiReplay = keyed.Monotonic },
			hmac + "timeWindow: Forbidden: is used with antiReplay Time only: remove it"},
		{"password", func(v *config.VRRP, _ *config.HMAC) { v.Authentication.Password = "secret" },
			"election.vrrp.authentication.password: Forbidden: is used with type Password only: remove the password"},
		{"password file", func(v *config.VRRP, _ *config.HMAC) { v.PasswordFile = config.PasswordFile },
			"election.vrrp.authentication.passwordFile: Forbidden: is used with type Password only: remove the file"},
		{"keys without the type", func(v *config.VRRP, _ *config.HMAC) { v.Authentication.Type = vrrp.AuthenticationNone },
			"election.vrrp.authentication.hmac: Forbidden: is used with type HMAC only: set the type, or remove the keys"},
		{"keys beside a password", func(v *config.VRRP, _ *config.HMAC) {
			v.Version, v.AdvertisementInterval = 2, time.Second
			v.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "secret"}
		}, "election.vrrp.authentication.hmac: Forbidden: is used with type HMAC only: set the type, or remove the keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := valid(t)
			tt.mutate(&c.Election.VRRP, signed(c))
			errs := validation.Validate(c)
			if tt.want == "" && len(errs) == 0 || len(errs) == 1 && errs[0].Error() == tt.want {
				return
			}
			t.Errorf("Validate: %v, want %q", errs, tt.want)
		})
	}
}
