// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// What would be lost with harm refuses the file, and every reason is named at once.
func ExampleConvert() {
	found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(`
vrrp_instance control_plane {
  interface eth0
  virtual_router_id 60
  virtual_ipaddress { 192.168.238.100/24 }
  virtual_routes { default via 192.168.238.1 }
  virtual_rules { from 192.168.238.100 }
}
`)}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
	fmt.Println(found.Err())
	// Output:
	// keepalived.conf:6: virtual_routes: Harbinger adds no routes: give them to the network configuration of the host and remove the block
	// keepalived.conf:7: virtual_rules: Harbinger adds no rules: give them to the network configuration of the host and remove the block
}
