// SPDX-License-Identifier: Apache-2.0

package scheme_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
)

// One address is a whole configuration: everything else has a default.
func ExampleDecode() {
	cfg, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	vrrp := cfg.Election.VRRP
	fmt.Printf("%s elects by VRRP version %d, every %s\n", cfg.Election.Mode, vrrp.Version, vrrp.AdvertisementInterval)
	fmt.Println("same port as the apiserver:", cfg.ControlPlane.Shared())
	// Output:
	// Hybrid elects by VRRP version 3, every 200ms
	// same port as the apiserver: true
}

// A field that nobody knows is an error: a misspelt one must not silently have its default.
func ExampleDecode_unknownField() {
	_, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
election: {vrrp: {prioritty: 150}}
`))
	fmt.Println(err)
	// Output:
	// unknown field "election.vrrp.prioritty"
}

// What a pod carries is the configuration without the defaults.
func ExampleEncodeMinimal() {
	cfg, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
controlPlane: {port: 4300, apiServerPort: 6443} # the second is the default
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	document, err := scheme.EncodeMinimal(cfg)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(string(document))
	// Output:
	// apiVersion: harbinger.dev/v1alpha1
	// controlPlane:
	//   port: 4300
	// kind: HarbingerConfiguration
	// virtualAddresses:
	// - 192.168.238.100/24
}
