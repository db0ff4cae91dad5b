// SPDX-License-Identifier: Apache-2.0

// Package guest runs in hosts of the lab what Harbinger meets there: keepalived, haproxy, and stand-ins for the Kubernetes
// API server. The first two are the real programs and must be installed.
package guest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Keepalived is the configuration of a keepalived with one VRRP instance.
type Keepalived struct {
	Version               int // 3 if not set
	VirtualRouterID       uint8
	Priority              uint8
	AdvertisementInterval time.Duration
	Password              string // PASS authentication, version 2 only
	NoPreempt             bool
	Source                netip.Addr   // of unicast packets
	Peers                 []netip.Addr // multicast without
	VirtualAddresses      []netip.Prefix
	TrackScript           string // path of a check; its failure is a fault
}

// Where a host has the configuration, and the process IDs.
const (
	keepalivedFile = "/run/keepalived.conf"
	pidFile        = "/run/keepalived.pid"
	vrrpPIDFile    = "/run/keepalived-vrrp.pid"
)

// Start runs keepalived in a host.
func (k Keepalived) Start(h *lab.Host) (*lab.Process, error) {
	path, err := lab.FindProgram("keepalived")
	if err != nil {
		return nil, err
	}
	if err := h.WriteFile(keepalivedFile, k.config()); err != nil {
		return nil, err
	}
	// A killed keepalived leaves these files behind, and until its child is reaped, the next one takes the child for a
	// keepalived that runs.
	if err := h.Do(func() error {
		return errors.Join(os.RemoveAll(pidFile), os.RemoveAll(vrrpPIDFile))
	}); err != nil {
		return nil, err
	}
	return h.Start(lab.Command{Path: path, Args: []string{
		"--dont-fork", "--log-console", "--no-syslog", "--vrrp", "--use-file", keepalivedFile,
		"--pid", pidFile, "--vrrp_pid", vrrpPIDFile,
	}})
}

// config renders keepalived.conf.
func (k Keepalived) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n  vrrp_version %d\n  script_user root\n}\n", k.version())
	if k.TrackScript != "" {
		fmt.Fprintf(&b, "vrrp_script check {\n  script %q\n  interval 3\n  weight -2\n  fall 10\n  rise 2\n}\n", k.TrackScript)
	}
	fmt.Fprintf(&b, "vrrp_instance VI_1 {\n  interface %s\n  state BACKUP\n", lab.Interface)
	fmt.Fprintf(&b, "  virtual_router_id %d\n  priority %d\n", k.VirtualRouterID, k.Priority)
	fmt.Fprintf(&b, "  advert_int %g\n", k.AdvertisementInterval.Seconds())
	k.writeOptions(&b)
	writeBlock(&b, "unicast_peer", k.Peers)
	writeBlock(&b, "virtual_ipaddress", k.VirtualAddresses)
	b.WriteString("}\n")
	return b.String()
}

func (k Keepalived) version() int {
	if k.Version == 0 {
		return 3
	}
	return k.Version
}

func (k Keepalived) writeOptions(b *strings.Builder) {
	if k.NoPreempt {
		b.WriteString("  nopreempt\n")
	}
	if k.Password != "" {
		fmt.Fprintf(b, "  authentication {\n    auth_type PASS\n    auth_pass %s\n  }\n", k.Password)
	}
	if k.Source.IsValid() {
		fmt.Fprintf(b, "  unicast_src_ip %s\n", k.Source)
	}
	if k.TrackScript != "" {
		b.WriteString("  track_script {\n    check\n  }\n")
	}
}

// writeBlock writes a block of one item per line, unless it would be empty.
func writeBlock[T fmt.Stringer](b *strings.Builder, name string, items []T) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s {\n", name)
	for _, item := range items {
		fmt.Fprintf(b, "    %s\n", item)
	}
	b.WriteString("  }\n")
}
