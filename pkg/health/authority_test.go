// SPDX-License-Identifier: Apache-2.0

package health

import (
	"encoding/json"
	"reflect"
	"testing"
)

// An authority reaches the balancer as it was read, and one that vouches for nobody takes no room.
func TestAuthorityAsAMessage(t *testing.T) {
	for want, a := range map[string]Authority{
		"{}": {},
		`{"certificates":"UEVN","problem":"half","replaced":true}`: {Certificates: []byte("PEM"), Problem: "half", Replaced: true},
	} {
		raw, err := json.Marshal(a)
		if err != nil || string(raw) != want {
			t.Errorf("%+v is %s, %v, want %s", a, raw, err, want)
		}
		var back Authority
		if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(a, back) {
			t.Errorf("%s is %+v, %v", raw, back, err)
		}
	}
}
