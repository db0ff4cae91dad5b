// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

func TestParsePassword(t *testing.T) {
	for content, want := range map[string]string{
		"42": "42", "42\n": "42", "42\r\n": "42", "12345678\n": "12345678", " 4 2 ": " 4 2 ", "": "", "\n": "", "123456789": "",
	} {
		if got, err := config.ParsePassword([]byte(content)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", content, got, err, want)
		}
	}
}

func TestPasswordIsMovedIntoItsFile(t *testing.T) {
	cfg := &config.HarbingerConfiguration{}
	if out, password := cfg.WithPasswordFile("/f"); out != cfg || password != "" {
		t.Errorf("without a password: %+v, %q", out, password)
	}
	with := cfg.WithPassword("42")
	out, password := with.WithPasswordFile("/f")
	if v := out.Election.VRRP; password != "42" || v.PasswordFile != "/f" || v.Authentication.Password != "" || v.Authentication.Type != "Password" {
		t.Errorf("%q, %+v", password, out.Election.VRRP)
	}
	if with.Election.VRRP.Authentication.Password != "42" || cfg.Election.VRRP.Authentication.Type != "" {
		t.Error("the configuration that it was made from has changed")
	}
}
