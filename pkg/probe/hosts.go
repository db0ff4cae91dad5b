// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// Identity asks a peer for what it says of itself, for people: nothing of the election follows from it. The error says why there is no
// answer.
func (p Peers) Identity(ctx context.Context, peer Peer) (Identity, error) {
	from, to := p.ends(peer)
	conn, err := from.tcp(ctx, netip.AddrPortFrom(to, p.Port), func(int) error { return nil })
	if err != nil {
		return Identity{}, err
	}
	id, err := identityOf(ctx, conn)
	switch {
	case err != nil:
		return Identity{}, err
	case id.Cluster != p.Cluster:
		return Identity{}, fmt.Errorf("it is a host of the cluster %q", clip(id.Cluster))
	}
	return id.bounded(), nil
}

// longestName bounds each text of an identity that is shown: anybody can answer at an address.
const longestName = 253

// bounded is an identity whose texts are no longer than names are.
func (id Identity) bounded() Identity {
	for _, text := range []*string{&id.Cluster, &id.Node, &id.Incarnation, &id.State, &id.Version, &id.Finding, &id.Severity} {
		*text = clip(*text)
	}
	return id
}

// clip cuts a text of another host.
func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), longestName)], "?") }
