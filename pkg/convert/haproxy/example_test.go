// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

// What would be lost with harm refuses the file, and every reason is named at once.
func ExampleConvert() {
	found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(`
listen apiserver
  mode tcp
  bind :8443
  acl internal src 10.0.0.0/8
  tcp-request connection reject if !internal
  server cp-1 192.168.238.130:6443 check
`)}, haproxy.Options{}, &v1alpha1.HarbingerConfiguration{})
	fmt.Println(found.Err())
	// Output:
	// haproxy.cfg:6: tcp-request connection reject if !internal: access rules have no counterpart: filter in the firewall of the hosts, and remove the line
}
