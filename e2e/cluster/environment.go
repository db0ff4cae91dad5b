// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// An Environment is what hack/e2e/run.sh has built and started before the first host: a Docker daemon, a network that no
// packet leaves, and the images.
type Environment struct {
	Binaries   string // directory of the programs of Kubernetes, made by hack/e2e/build-binaries.sh
	NodeImage  string // in the layout of kind's
	Program    string // file of Harbinger's program
	Image      string // reference of Harbinger's image
	ImageTar   string // file that holds it
	ClassicTar string // file with the image of keepalived and haproxy
	Network    string // name in Docker
	Out        string // directory of the logs
}

// FromEnvironment reads the variables that hack/e2e/environment.sh sets.
func FromEnvironment() (Environment, error) {
	var missing []error
	get := func(name string) string {
		value := os.Getenv("HARBINGER_E2E_" + name)
		if value == "" {
			missing = append(missing, fmt.Errorf("HARBINGER_E2E_%s is not set: run the suite by hack/e2e/run.sh", name))
		}
		return value
	}
	e := Environment{
		Binaries:   get("BINARIES"),
		NodeImage:  get("NODE_IMAGE"),
		Program:    get("PROGRAM"),
		Image:      get("IMAGE"),
		ImageTar:   get("IMAGE_TAR"),
		ClassicTar: get("CLASSIC_TAR"),
		Network:    get("NETWORK"),
		Out:        get("OUT"),
	}
	return e, errors.Join(missing...)
}

// binary returns the path of one of the programs, past the link to the cache that Docker would copy as a link.
func (e Environment) binary(name string) (string, error) {
	return filepath.EvalSymlinks(filepath.Join(e.Binaries, name))
}

// The virtual IP of the classic recipe, and its like in IPv6.
var (
	VIP  = netip.MustParseAddr("192.168.238.100")
	VIP6 = netip.MustParseAddr("fd00:238::100")
)

// Lengths of the prefixes of their networks.
const (
	Bits  = 24
	Bits6 = 64
)

// ClassicImage is the reference of the image in ClassicTar.
const ClassicImage = "harbinger.dev/classic:e2e"
