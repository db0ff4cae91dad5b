// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
)

// The bounds of how long the wire is listened to, and the nodes are waited for.
const (
	shortestListening = time.Second
	longestWait       = 10 * time.Minute
)

// wireOptions are the flags of the checks that send packets to other hosts.
type wireOptions struct {
	wire         bool
	listen, wait time.Duration
	peers        []string
}

// addFlags adds the flags that every command with such checks has.
func (o *wireOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.wire, "wire", false, "also ask the network segment: who answers for the virtual addresses, and which virtual routers speak (sends ARP or neighbour solicitations)")
	flags.DurationVar(&o.listen, "wire-time", wire.DefaultListen, "how long VRRP is listened for with --wire")
}

// addPeerFlags adds the flags for what several nodes do at the same time.
func (o *wireOptions) addPeerFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&o.wait, "peers-wait", 0, "how long at most the other nodes are waited for with --wire, which run the same command: what passes between them is found by direction")
	flags.StringSliceVar(&o.peers, "wire-peer", nil, "address of another node for --wire, beside those of the configuration")
}

// validate returns the other nodes, and refuses what makes no sense.
func (o *wireOptions) validate(changed func(string) bool) ([]netip.Addr, error) {
	var errs []error
	for _, name := range []string{"wire-time", "peers-wait", "wire-peer"} {
		if changed(name) && !o.wire {
			errs = append(errs, fmt.Errorf("--%s: goes with --wire only", name))
		}
	}
	if o.listen < shortestListening || o.listen > longestWait {
		errs = append(errs, fmt.Errorf("--wire-time %s: must be %s to %s", o.listen, shortestListening, longestWait))
	}
	if o.wait < 0 || o.wait > longestWait {
		errs = append(errs, fmt.Errorf("--peers-wait %s: must be 0 to %s", o.wait, longestWait))
	}
	var peers []netip.Addr
	for _, text := range o.peers {
		peer, err := netip.ParseAddr(text)
		if err != nil || peer.Zone() != "" || peer.IsMulticast() || peer.IsUnspecified() {
			errs = append(errs, fmt.Errorf("--wire-peer %q: must be the address of a node", text))
			continue
		}
		peers = append(peers, peer.Unmap())
	}
	return peers, errors.Join(errs...)
}

// check asks what the options say, for as long as the flags do, or nothing without --wire.
func (o *wireOptions) check(ctx context.Context, options wire.Options) ([]preflight.Result, error) {
	if !o.wire {
		return nil, nil
	}
	options.Listen, options.Wait = o.listen, o.wait
	options.Name, _ = os.Hostname() // without one the address says which host it is
	return wire.Check(ctx, options), ctx.Err()
}
