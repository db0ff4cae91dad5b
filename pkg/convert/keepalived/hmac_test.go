// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

const (
	hexKey   = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	asciiKey = "correct-horse-battery-staple-238"
)

// The block is carried over but for the keys, whose files are named.
func TestAuthHMAC(t *testing.T) {
	const dir = "/etc/kubernetes/harbinger/vrrp-keys/"
	write := func(id string) string {
		return "key " + id + ": the key is not printed: write the word behind the id to " + dir + id
	}
	for _, tt := range []struct {
		name, raw string
		change    func(*v1alpha1.VRRP)
		warnings  []string
	}{
		{"one key", instance("auth_hmac {\n key 1 " + hexKey + "\n active_key 1\n}"), func(*v1alpha1.VRRP) {}, []string{write("1")}},
		{"all of it", instance("version 3\nauth_hmac {\n key 7 " + asciiKey + "\n key 1 " + hexKey + "\n active_key 1\n anti_replay time\n time_window 30\n mode permissive\n}"),
			func(v *v1alpha1.VRRP) {
				h := &v.Authentication.HMAC
				v.Version, h.AntiReplay, h.TimeWindow, h.Mode = 3, "Time", converttest.Seconds(30), "Permissive"
				h.Keys = []v1alpha1.HMACKey{{ID: 7, File: dir + "7"}, {ID: 1, File: dir + "1"}}
			}, []string{write("7"), write("1")}},
		{"key in a file", instance("auth_hmac {\n key 1 file:/etc/keepalived/k1\n active_key 1\n mode receive-only\n}"), func(v *v1alpha1.VRRP) {
			v.Authentication.HMAC.Mode = "ReceiveOnly"
		}, []string{"key 1: copy the key: install -D -m 0600 /etc/keepalived/k1 " + dir + "1"}},
		{"window without a clock", instance("auth_hmac { key 1 " + hexKey + "\nactive_key 1\nanti_replay monotonic\ntime_window 9 }"), func(v *v1alpha1.VRRP) {
			v.Authentication.HMAC.AntiReplay = "Monotonic"
		}, []string{write("1")}},
		{"beside a password", instance("authentication { auth_type PASS\nauth_pass secret }\nauth_hmac { key 1 " + hexKey + "\nactive_key 1 }"), func(*v1alpha1.VRRP) {},
			[]string{write("1"), "the password is left out"}},
		{"strict", "global_defs { vrrp_strict }\n" + instance("auth_hmac {\n key 1 "+hexKey+"\n active_key 1\n mode permissive\n}"), func(*v1alpha1.VRRP) {},
			[]string{"vrrp_strict: what it checks", "the mode is Enforce, as vrrp_strict makes it", write("1")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := v1alpha1.VRRP{Version: 2, VirtualRouterID: new(int32(51)), Priority: new(int32(100)), AdvertisementInterval: converttest.Seconds(1)}
			want.Authentication = v1alpha1.Authentication{Type: "HMAC", HMAC: v1alpha1.HMAC{Keys: []v1alpha1.HMACKey{{ID: 1, File: dir + "1"}}, ActiveKey: 1}}
			tt.change(&want)
			var got v1alpha1.HarbingerConfiguration
			found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(tt.raw)}, keepalived.Options{}, &got)
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			converttest.Check(t, converttest.Warned(found), tt.warnings)
			if diff := cmp.Diff(want, got.Election.VRRP); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if text := strings.Join(converttest.Warned(found), "\n"); strings.Contains(text, hexKey[4:]) || strings.Contains(text, asciiKey) {
				t.Errorf("a key is printed:\n%s", text)
			}
		})
	}
}

// What keepalived would go on with unsigned is an error, and no error has a key.
func TestAuthHMACRefuses(t *testing.T) {
	key := "key 1 " + hexKey + "\n"
	for block, want := range map[string]string{
		key:                                       "auth_hmac: active_key must be the id of one of the keys: keepalived leaves the whole block away",
		key + "active_key 2":                      "active_key must be the id of one of the keys",
		"active_key 1":                            "active_key must be the id of one of the keys",
		key + "active_key 256":                    "active_key: want a whole number from 1 to 255",
		key + "active_key 1\nkey 1 " + asciiKey:   "key 1: there is a key of this id already",
		"active_key 1\nkey 1 " + asciiKey[:31]:    "key 1: ",
		"active_key 1\nkey 1 hex:" + asciiKey:     "key 1: ",
		"active_key 1\nkey 1":                     "key 1: ",
		"active_key 1\nkey " + asciiKey:           "key: want a whole number from 1 to 255",
		key + "active_key 1\nmode " + asciiKey:    "mode: want one of enforce, permissive, receive-only",
		key + "active_key 1\nanti_replay none":    "anti_replay: want one of monotonic, time",
		key + "active_key 1\ntime_window 301":     "time_window: want a whole number from 1 to 300",
		"active_key 1\nkey 1 \"" + asciiKey:       "key 1: ",
		"active_key 1\nkey 1 ${" + asciiKey + "}": "key: this is a template",
	} {
		found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(instance("auth_hmac {\n" + block + "\n}"))}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), asciiKey[:31]) || strings.Contains(err.Error(), hexKey[4:]) {
			t.Errorf("%q: %v, want %q in it and no key", block, err, want)
		}
	}
}

// A line of the block that is not known may be a key, with its first word too.
func TestAuthHMACUnknown(t *testing.T) {
	for _, line := range []string{asciiKey + " x", "\"" + asciiKey, "key 1 " + hexKey + " " + asciiKey} {
		found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(instance("auth_hmac {\nkey 2 " + hexKey + "\nactive_key 2\n" + line + "\n}"))}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
		if err := found.Err(); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		for _, f := range found.All() {
			if text := f.String(); strings.Contains(text, asciiKey) || strings.Contains(text, hexKey[4:]) {
				t.Errorf("%q: a key is printed: %s", line, text)
			}
		}
	}
}
