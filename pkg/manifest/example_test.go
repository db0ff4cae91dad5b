// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// The pod asks for the capabilities that its configuration needs, and for no others: CAP_BPF only where it steers connections
// past an apiserver on the same port.
func ExamplePod() {
	cfg, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, mode := range []balance.SteeringMode{balance.SteeringAuto, balance.SteeringNFTables} {
		cfg.LoadBalancer.Steering.Mode = mode
		pod, err := manifest.Pod(cfg, manifest.Options{Image: manifest.DefaultImage})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(mode, pod.Spec.Containers[0].SecurityContext.Capabilities.Add)
	}
	// Output:
	// Auto [BPF KILL NET_ADMIN NET_RAW SETGID SETPCAP SETUID SYS_NICE]
	// NFTables [KILL NET_ADMIN NET_RAW SETGID SETPCAP SETUID SYS_NICE]
}
