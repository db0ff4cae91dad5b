// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// What the configuration says reaches what signs, whole.
func TestKeyed(t *testing.T) {
	key, err := keyed.ParseKey(7, []byte("correct-horse-battery-staple-238"))
	if err != nil {
		t.Fatal(err)
	}
	v := config.VRRP{Version: 2, VirtualRouterID: 51, Authentication: vrrp.Authentication{Type: vrrp.AuthenticationHMAC}, HMAC: config.HMAC{
		Keys: []config.KeyFile{{ID: 7, File: config.KeyDirectory + "/7"}}, ActiveKey: 7, Mode: keyed.Permissive, AntiReplay: keyed.Time, TimeWindow: 9 * time.Second,
	}}
	c := v.Keyed([]keyed.Key{key})
	if err := c.Validate(); err != nil || c.Version != 2 || c.VRID != 51 || c.Active != 7 || c.Mode != keyed.Permissive || c.Window != 9*time.Second || !v.Signed() {
		t.Errorf("%+v: %v", c, err)
	}
	if (config.VRRP{}).Signed() || !strings.HasPrefix(config.KeyDirectory, config.Directory+"/") {
		t.Error("a configuration without a type signs, or the pod does not see the keys")
	}
}
