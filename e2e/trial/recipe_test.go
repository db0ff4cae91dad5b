// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
)

// recipe is the pair of files that is copied most, with what is wrong in it: all hosts are MASTER of one priority and do not preempt,
// which keepalived does not allow together, the tracked script is not there, one peer has a comma behind it, and of the two
// checks of haproxy the last one counts.
type recipe struct {
	comma bool // as it is copied: keepalived skips that peer
}

// Where a host has the files of the recipe.
const (
	recipeKeepalived = "/run/recipe.keepalived.conf" // not where a package has it, whose unit this machine may have enabled
	recipeHAProxy    = "/run/recipe.haproxy.cfg"
)

func (recipe) Name() string { return "keepalived" }

func (recipe) Ready(*Node) bool { return true }

// write puts the files on a host.
func (r recipe) write(p *Plane, n *Node) error {
	var peers []string
	for _, other := range p.Others(n) {
		peers = append(peers, p.NodeAddress(other).String())
	}
	if r.comma {
		peers[0] += ", # and so on"
	}
	own := p.NodeAddress(n).String()
	keepalived := strings.NewReplacer("OWN", own, "PEERS", strings.Join(peers, "\n        "), "LINK", lab.Interface,
		"ROUTER", fmt.Sprint(VirtualRouterID), "VIP", p.VirtualAddresses[0].String()).Replace(`
vrrp_instance control_plane {
    state MASTER
    interface LINK
    virtual_router_id ROUTER
    priority 100 # of each host
    advert_int 1
    mcast_src_ip OWN # this host
    unicast_src_ip OWN # this host
    unicast_peer {
        PEERS
    }
    nopreempt
    authentication {
        auth_type PASS
        auth_pass 4711
    }
    virtual_ipaddress {
        VIP # of the control plane
    }
    track_script {
        check_balancer
    }
}
`)
	var servers strings.Builder
	for i, b := range p.Backends() {
		fmt.Fprintf(&servers, "        server cp%d %s check\n", i+1, b)
	}
	haproxy := fmt.Sprintf(`
frontend control-plane
    bind *:%d
    mode tcp
    option tcplog
    default_backend apiservers

backend apiservers
    option httpchk GET /healthz
    http-check expect status 200
    mode tcp
    option ssl-hello-chk
    balance     roundrobin
%s`, p.Port, &servers)
	return errors.Join(n.WriteFile(recipeKeepalived, keepalived), n.WriteFile(recipeHAProxy, haproxy))
}

// Start runs keepalived and haproxy with the files as they are.
func (r recipe) Start(p *Plane, n *Node) (*Sidecar, error) {
	if err := r.write(p, n); err != nil {
		return nil, err
	}
	keeper, missing := lab.FindProgram("keepalived")
	balancer, missing2 := lab.FindProgram("haproxy")
	if err := errors.Join(missing, missing2); err != nil {
		return nil, err
	}
	b, err := n.Host.Start(lab.Command{Path: balancer, Args: []string{"-db", "-f", recipeHAProxy}})
	if err != nil {
		return nil, err
	}
	k, err := n.Host.Start(lab.Command{Path: keeper, Args: []string{"--dont-fork", "--log-console", "--no-syslog", "--vrrp", "--use-file", recipeKeepalived,
		"--pid", "/run/recipe.pid", "--vrrp_pid", "/run/recipe-vrrp.pid"}})
	if err != nil {
		return nil, errors.Join(err, b.Kill())
	}
	return &Sidecar{Keeper: k, Balancer: b}, nil
}

// converted is Harbinger with what harbinger convert makes of the files of one host, the same on every host.
type converted struct {
	Harbinger
	from int // the node whose files are converted
}

// Where a host has the configuration that is made of the files, and what was said of them.
const (
	convertedFile = "/run/harbinger.yaml"
	saidFile      = "/run/harbinger.said"
)

func (c converted) Start(p *Plane, n *Node) (*Sidecar, error) {
	source := p.Nodes[c.from]
	if err := (recipe{comma: true}).write(p, source); err != nil {
		return nil, err
	}
	convert := lab.Command{Path: "/bin/sh", Args: []string{"-c", fmt.Sprintf("%s convert --keepalived %s --haproxy %s >%s 2>%s",
		c.Binary, recipeKeepalived, recipeHAProxy, convertedFile, saidFile)}}
	process, err := source.Host.Start(convert)
	if err != nil {
		return nil, err
	}
	ended := process.Wait(commandTime)
	said, err := source.ReadFile(saidFile)
	if err := errors.Join(ended, err); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	config, err := source.ReadFile(convertedFile)
	if err != nil {
		return nil, err
	}
	if err := n.WriteFile(convertedFile, config); err != nil {
		return nil, err
	}
	return c.StartPod(n, "manifest", "--config", convertedFile, "--output", ManifestFile)
}

// mixed is the middle of a migration: the first node has moved, the others run the recipe still.
type mixed struct {
	ours   converted
	theirs recipe
}

func (mixed) Name() string { return "mixed" }

func (m mixed) Start(p *Plane, n *Node) (*Sidecar, error) {
	if n == p.Nodes[0] {
		return m.ours.Start(p, n)
	}
	return m.theirs.Start(p, n)
}

func (m mixed) Ready(n *Node) bool { return n.Sidecar.Balancer != nil || m.ours.Ready(n) }

// shown is what a control plane does in the story of play.
type shown struct {
	first, second, third string   // who holds the address at the start, after the holder stopped, and after it came back
	backends             []string // which API servers answer, while one is dead
}

// play starts a system on every node, and does to it what it must overcome.
func play(t *testing.T, system System) (s shown) {
	t.Helper()
	p := newPlane(t, Config{System: system, Interval: time.Second, Client: watch.ClientConfig{Interval: 50 * time.Millisecond, Timeout: time.Second,
		Try: watch.HTTPS(&tls.Config{InsecureSkipVerify: true}, "/readyz")}})
	for _, n := range p.Nodes { // of equal priorities the first that has it keeps it
		must(t, p.StartSidecar(n))
		must(t, p.Settle())
		until(t, p, settleTime, n.Name+" takes part", func() bool { return p.System.Ready(n) })
	}
	first := holder(t, p)
	s.first = first.Name
	for _, n := range p.Nodes {
		until(t, p, settleTime, n.Name+" serves its own address", func() bool {
			conn, err := p.ClientHost().Dial(t.Context(), "tcp", netip.AddrPortFrom(p.NodeAddress(n), p.Port).String())
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	stop(t, p.Nodes[1]) // of two that are equal, either may follow
	stop(t, first)
	must(t, p.Settle(first.Name))
	s.second = holder(t, p).Name
	must(t, p.StartSidecar(first))
	until(t, p, settleTime, "the first holder takes part again", func() bool { return p.System.Ready(first) })
	observeFor(4 * p.Interval) // it preempts, or it does not
	must(t, p.Settle())
	s.third = holder(t, p).Name

	must(t, p.Nodes[1].APIServer.Kill())
	until(t, p, 15*time.Second, "the dead API server is left out", func() bool { return p.Client.Served(2 * time.Second) })
	since := time.Now()
	observeFor(2 * time.Second)
	s.backends = slices.Sorted(maps.Keys(p.Client.Nodes(since)))
	return s
}

// The recipe as it is copied makes two holders, as two of its hosts do not hear each other. With the comma mended, and with what
// Harbinger makes of it as it is copied, whatever the host whose files are converted, and with both side by side, one host holds
// the address: the same one in the same circumstances, with the same port and the same API servers behind it.
func TestConvertedRecipe(t *testing.T) {
	t.Run("as it is copied", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, Config{System: recipe{comma: true}})
		must(t, p.StartSidecars())
		until(t, p, settleTime, "two hosts hold the address", func() bool { return len(p.Holders.Now()) == 2 })
	})
	systems := []System{recipe{}, converted{Harbinger: harbinger}, converted{Harbinger: harbinger, from: 2}, mixed{ours: converted{Harbinger: harbinger}}}
	played := make([]shown, len(systems))
	t.Run("stories", func(t *testing.T) {
		for i, system := range systems {
			t.Run(fmt.Sprint(i, " ", system.Name()), func(t *testing.T) {
				t.Parallel()
				played[i] = play(t, system)
				t.Logf("%+v", played[i])
			})
		}
	})
	for i := range played {
		if diff := cmp.Diff(played[0], played[i], cmp.AllowUnexported(shown{})); diff != "" {
			t.Errorf("%s (-keepalived and haproxy +%s):\n%s", systems[i].Name(), systems[i].Name(), diff)
		}
	}
}
