// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// An Environment is what hack/e2e/stories.sh has built and started before the first host: a Docker daemon, a network that no
// packet leaves, and the images.
type Environment struct {
	Binaries  string // directory of the programs of Kubernetes, made by hack/e2e/build-binaries.sh
	NodeImage string // in the layout of kind's
	Program   string // file of Harbinger's program
	Image     string // reference of Harbinger's image
	ImageTar  string // file that holds it
	Network   string // name in Docker
	Out       string // directory of the logs
}

// FromEnvironment reads the variables that hack/e2e/environment.sh sets.
func FromEnvironment() (Environment, error) {
	var missing []error
	get := func(name string) string {
		value := os.Getenv("HARBINGER_E2E_" + name)
		if value == "" {
			missing = append(missing, fmt.Errorf("HARBINGER_E2E_%s is not set: run the suite by hack/e2e/stories.sh", name))
		}
		return value
	}
	e := Environment{
		Binaries:  get("BINARIES"),
		NodeImage: get("NODE_IMAGE"),
		Program:   get("PROGRAM"),
		Image:     get("IMAGE"),
		ImageTar:  get("IMAGE_TAR"),
		Network:   get("NETWORK"),
		Out:       get("OUT"),
	}
	return e, errors.Join(missing...)
}

// binary returns the path of one of the programs, past the link to the cache that Docker would copy as a link.
func (e Environment) binary(name string) (string, error) {
	return filepath.EvalSymlinks(filepath.Join(e.Binaries, name))
}

// VIP is the virtual IP of the classic recipe.
var VIP = netip.MustParseAddr("192.168.238.100")

// Bits is the length of the prefix of its network.
const Bits = 24
