// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const secret = "correct-horse-battery-staple-238"

func TestParseKey(t *testing.T) {
	digits := strings.Repeat("Ab", 64)
	tests := []struct {
		name, text, want string
	}{
		{"characters", secret, secret},
		{"characters in a line", secret + "\r\n", secret},
		{"blanks belong to it", " " + secret[2:] + " ", " " + secret[2:] + " "},
		{"the longest of characters", strings.Repeat("x", 64), strings.Repeat("x", 64)},
		{"digits", "hex:" + fmt.Sprintf("%x", secret) + "\n", secret},
		{"the longest of digits", "hex:" + digits, strings.Repeat("\xab", 64)},
		{"as much as is read", "hex:" + digits + "\n\r\n\r\n\r\n", strings.Repeat("\xab", 64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParseKey(7, []byte(tt.text))
			if err != nil || string(k.Secret) != tt.want || k.ID != 7 {
				t.Errorf("%q, %v, want %q", k.Secret, err, tt.want)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", "key 7: has 0 bytes: must have 32 to 64"},
		{"a line without a key", "\n", "key 7: has 0 bytes: must have 32 to 64"},
		{"too short", secret[1:], "key 7: has 31 bytes: must have 32 to 64"},
		{"too long", strings.Repeat("x", 65), "key 7: has 65 bytes: must have 32 to 64"},
		{"too few digits", "hex:" + strings.Repeat("ab", 31), "key 7: has 31 bytes: must have 32 to 64"},
		{"too many digits", "hex:" + strings.Repeat("ab", 65), "key 7: has 65 bytes: must have 32 to 64"},
		{"half a byte", "hex:" + strings.Repeat("a", 65), `key 7: after "hex:" there must be hexadecimal digits alone, two for each byte`},
		{"no digit", "hex:" + strings.Repeat("q", 64), `key 7: after "hex:" there must be hexadecimal digits alone, two for each byte`},
		{"a file's name", "file:/etc/kubernetes/harbinger/vrrp-keys/1", "key 7: names a file where the key itself must be"},
		{"random bytes", strings.Repeat("\x80", 32), `key 7: must be printable ASCII characters in one line; write any other bytes as "hex:" and hexadecimal digits`},
		{"a byte that is none", strings.Repeat("\x00", 32), `key 7: must be printable ASCII characters in one line; write any other bytes as "hex:" and hexadecimal digits`},
		{"two lines", secret + "\n" + secret[:10], `key 7: must be printable ASCII characters in one line; write any other bytes as "hex:" and hexadecimal digits`},
		{"more than is read", "hex:" + strings.Repeat("ab", 64) + strings.Repeat("\n", 8), "key 7: text of more than 139 bytes: a key has 32 to 64 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseKey(7, []byte(tt.text)); fmt.Sprint(err) != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := ParseKey(0, []byte(secret)); fmt.Sprint(err) != "key ID 0: must be 1 to 255" {
		t.Error(err)
	}
}

// TestSecretsAreNotPrinted prints a key in every way, alone and in a configuration, and what signs and checks with it.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := with(t, vrrp.Version3, 51, "7=K9")
	s, err := c.NewSender()
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, v := range []any{c.Keys[0], &c.Keys[0], c.Keys, c, &c, s, *s, r, *r, c.Keys[0].MarshalLog()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(b)
	}
	for _, form := range []string{"%s", "%x", "%X", "%v", "%d"} {
		if is := strings.Trim(fmt.Sprintf(form, []byte(secret)), "[]"); strings.Contains(printed.String(), is) {
			t.Errorf("printed as %s", is)
		}
	}
	if got := fmt.Sprintf("%v %+v %x", c.Keys[0], &c.Keys[0], c.Keys); got != "key 7 key 7 [key 7]" {
		t.Errorf("printed %q", got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"defaults", func(*Config) {}, ""},
		{"version 2", func(c *Config) { c.Version = vrrp.Version2 }, ""},
		{"permissive", func(c *Config) { c.Mode = Permissive }, ""},
		{"receive only", func(c *Config) { c.Mode = ReceiveOnly }, ""},
		{"monotonic has no window", func(c *Config) { c.AntiReplay, c.Window = Monotonic, 0 }, ""},
		{"shortest window", func(c *Config) { c.Window = time.Second }, ""},
		{"longest window", func(c *Config) { c.Window = 300 * time.Second }, ""},
		{"two keys", func(c *Config) { c.Keys = append(c.Keys, Key{255, []byte(secret)}); c.Active = 255 }, ""},
		{"version 1", func(c *Config) { c.Version = 1 }, "version 1: must be 2 or 3"},
		{"virtual router 0", func(c *Config) { c.VRID = 0 }, "virtual router ID 0: must be 1 to 255"},
		{"mode", func(c *Config) { c.Mode = "enforce" }, `mode "enforce": must be Enforce, Permissive or ReceiveOnly`},
		{"no mode", func(c *Config) { c.Mode = "" }, `mode "": must be Enforce, Permissive or ReceiveOnly`},
		{"anti-replay", func(c *Config) { c.AntiReplay = "clock" }, `anti-replay "clock": must be Time or Monotonic`},
		{"no window", func(c *Config) { c.Window = 0 }, "window 0s: must be 1s to 5m0s in whole seconds"},
		{"half a second", func(c *Config) { c.Window = 1500 * time.Millisecond }, "window 1.5s: must be 1s to 5m0s in whole seconds"},
		{"window too long", func(c *Config) { c.Window = 301 * time.Second }, "window 5m1s: must be 1s to 5m0s in whole seconds"},
		{"no key", func(c *Config) { c.Keys = nil }, "no key: one is needed at least, the active one"},
		{"no active key", func(c *Config) { c.Active = 0 }, "active key 0: is not among the keys"},
		{"another active key", func(c *Config) { c.Active = 2 }, "active key 2: is not among the keys"},
		{"the same where nothing is signed", func(c *Config) { c.Active, c.Mode = 2, ReceiveOnly }, "active key 2: is not among the keys"},
		{"key 0", func(c *Config) { c.Keys[0].ID = 0 }, "key ID 0: must be 1 to 255"},
		{"short key", func(c *Config) { c.Keys[0].Secret = []byte("short") }, "key 1: has 5 bytes: must have 32 to 64"},
		{"key twice", func(c *Config) { c.Keys = append(c.Keys, c.Keys[0]) }, "key 1: there are two of this ID; give the newer one an ID of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := with(t, vrrp.Version3, 51, "1=K9")
			tt.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			_, sending := c.NewSender()
			_, receiving := c.NewReceiver(nil)
			if ok := tt.want == ""; ok != (sending == nil) || ok != (receiving == nil) {
				t.Errorf("sender: %v, receiver: %v", sending, receiving)
			}
		})
	}
}

func TestDefaultWindow(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 5 * time.Second, time.Second: 5 * time.Second, 1900 * time.Millisecond: 5 * time.Second,
		2 * time.Second: 6 * time.Second, 40950 * time.Millisecond: 120 * time.Second, 255 * time.Second: 300 * time.Second,
	} {
		if got := DefaultWindow(interval); got != want {
			t.Errorf("%s: %s, want %s", interval, got, want)
		}
	}
}
