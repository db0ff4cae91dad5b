// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
)

// Both files of a node are put into one configuration. What has no counterpart is named with its line.
func Example() {
	var cfg v1alpha1.HarbingerConfiguration
	found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(`
vrrp_instance control_plane {
  interface eth0
  virtual_router_id 60
  virtual_ipaddress { 192.168.238.100/24 }
  notify_master "/usr/local/bin/page"
}
`)}, keepalived.Options{}, &cfg)
	found.Join(haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(`
listen apiserver
  mode tcp
  bind :8443
  balance leastconn
  timeout client 1h
  server cp-1 192.168.238.130:6443 check
  server cp-2 192.168.238.131:6443 check
`)}, haproxy.Options{}, &cfg))
	for _, w := range found.Of(convert.Dropped, convert.Wrong) {
		fmt.Println(w)
	}
	fmt.Println(cfg.VirtualAddresses, *cfg.Election.VRRP.VirtualRouterID, cfg.ControlPlane.Port, cfg.LoadBalancer.Policy)
	for _, b := range cfg.LoadBalancer.Backends {
		fmt.Println(b.Address)
	}
	// Output:
	// keepalived.conf:6: notify_master /usr/local/bin/page: nothing is run or mailed: alert on the metrics instead
	// haproxy.cfg:6: timeout client 1h: there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers
	// [192.168.238.100/24] 60 8443 LeastConnections
	// 192.168.238.130:6443
	// 192.168.238.131:6443
}

// A kubeadm configuration completes one of Harbinger, and must agree with what is there already.
func Example_kubeadm() {
	k, err := kubeadm.Parse([]byte(`
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: east
controlPlaneEndpoint: 192.168.238.100:8443
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var cfg v1alpha1.HarbingerConfiguration
	fmt.Println(k.Complete(&cfg), cfg.VirtualAddresses, cfg.ControlPlane.Port, cfg.ControlPlane.ClusterName)

	cfg.ControlPlane.Port = 9443
	for _, fault := range k.Complete(&cfg) {
		fmt.Println(fault)
	}
	// Output:
	// [] [192.168.238.100] 8443 east
	// controlPlane.port: Invalid value: 9443: must be 8443, the port of kubeadm's control plane endpoint
}

// The checks of kubeadm's own recipe would notice a dead apiserver later than the election a dead node.
func ExampleQuicken() {
	cfg := v1alpha1.HarbingerConfiguration{HealthCheck: v1alpha1.HealthCheck{FailureThreshold: 10}}
	fmt.Println(convert.Quicken(&cfg))
	fmt.Println(cfg.HealthCheck.FailureThreshold)
	// Output:
	// interval, timeout, fall and rise of the checks: a dead apiserver would be noticed after 9.4s, later than a dead node: the default times are taken, see healthCheck
	// 0
}
