// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// TestWalk follows README on three hosts and a worker, word by word: the recipe's addresses, port 4300 in front of 6443,
// flannel for the pods.
func TestWalk(t *testing.T) {
	ctx := t.Context()
	walk := readWalk(t)
	without := initWithoutVIP(t, walk["first host"])

	c := &cluster.Cluster{Environment: environment, VIP: cluster.VIP, Port: 4300}
	s := begin(t, c)
	for _, name := range []string{"n1", "n2", "n3"} {
		h, err := environment.StartHost(ctx, name)
		must(t, err)
		c.ControlPlane = append(c.ControlPlane, h)
	}
	worker, err := environment.StartHost(ctx, "w1")
	must(t, err)
	c.Workers = append(c.Workers, worker)
	s.watch()
	first := c.ControlPlane[0]

	sums := make(map[string]bool)
	for _, h := range c.ControlPlane {
		_, err := h.Shell(ctx, walk["every control-plane host"])
		must(t, err)
		sum, err := h.Sum(ctx, cluster.ManifestPath)
		must(t, err)
		sums[sum] = true
	}
	check(t, len(sums) == 1, "ha.yaml of the three hosts", fmt.Sprintf("%d versions", len(sums)), "1")

	began := time.Now()
	printed, err := first.Shell(ctx, walk["first host"])
	must(t, err)
	with := time.Since(began)
	reached(t, "kubeadm init; without a virtual IP "+seconds(without), "exit 0 after "+seconds(with))
	s.announced(t, first, began)
	s.imageWritesTheSame(t, first, walk["every control-plane host"])

	_, err = first.Shell(ctx, "export KUBECONFIG=/etc/kubernetes/admin.conf; cd /kind/harbinger; "+walk["pod network"])
	must(t, err)
	for _, h := range c.ControlPlane[1:] {
		began := time.Now()
		_, err := h.Shell(ctx, fill(t, walk["other control-plane hosts"], printed))
		must(t, err)
		reached(t, h.Name+": kubeadm join --control-plane", "exit 0 after "+seconds(time.Since(began)))
	}
	_, err = worker.Shell(ctx, fill(t, walk["worker"], printed))
	must(t, err)
	reached(t, "worker: kubeadm join", "exit 0")
	must(t, s.Ready(ctx, 5*time.Minute))
	s.untouched(t)
	s.declared(t)
	for _, h := range c.ControlPlane {
		_, err := h.Shell(ctx, walk["each control-plane host, once"])
		must(t, err)
	}
	s.settle(t)

	for _, h := range c.ControlPlane {
		sum, err := h.Sum(ctx, cluster.ManifestPath)
		must(t, err)
		check(t, sums[sum], h.Name+": ha.yaml after all of it", "sha256 "+sum[:min(12, len(sum))], "unchanged")
	}
	s.tableOfTheRecipe(t)
	s.startWitness(t)
	s.fault(t, fault.HostFreezes)
	s.nothingLost(t)
}

// announced checks how soon after its start the container of the first host, alone, has the virtual IP and says so.
func (s *story) announced(t *testing.T, h *cluster.Host, began time.Time) {
	t.Helper()
	pid, err := s.PID(t.Context(), h)
	must(t, err)
	started, err := h.StartTime(t.Context(), pid)
	must(t, err)
	for what, timeline := range map[string]observe.Timeline{"the VIP on the interface": s.held(t, began, time.Now()), "the first announcement": s.claimed(t, began, time.Now())} {
		first := slices.IndexFunc(timeline, func(s observe.Span) bool { return len(s.Hosts) > 0 })
		if first < 0 {
			t.Errorf("nobody has seen %s", what)
			continue
		}
		checkTime(t, "container start to "+what+", alone", timeline[first].From.Sub(started), limits(promise.Alone).Outage)
	}
}

// imageWritesTheSame checks that the program in the image, started by containerd alone as on a host without the program,
// writes the file that is there.
func (s *story) imageWritesTheSame(t *testing.T, h *cluster.Host, command string) {
	t.Helper()
	arguments := strings.Join(strings.Fields(strings.ReplaceAll(command, "\\\n", " ")), " ")
	_, err := h.Shell(t.Context(), fmt.Sprintf("ctr -n k8s.io run --rm --net-host %s manifest /%s --output - 2>/dev/null | cmp - %s",
		s.Image, arguments, cluster.ManifestPath))
	check(t, err == nil, "ha.yaml written from inside the image", "by containerd alone", "same bytes")
	if err != nil {
		t.Log(err)
	}
}

var walkBlock = regexp.MustCompile("(?s)<!-- walk: ([^>]*) -->\n```sh\n(.*?)```")

// readWalk returns the commands of README by the host that runs them.
func readWalk(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	must(t, err)
	walk := make(map[string]string)
	for _, block := range walkBlock.FindAllStringSubmatch(string(readme), -1) {
		walk[block[1]] = block[2]
	}
	for _, place := range []string{"every control-plane host", "first host", "pod network", "other control-plane hosts", "worker", "each control-plane host, once"} {
		if walk[place] == "" {
			t.Fatalf("README has no commands marked <!-- walk: %s -->", place)
		}
	}
	return walk
}

// fill puts what kubeadm init has printed where README has an ellipsis after a flag.
func fill(t *testing.T, command, printed string) string {
	t.Helper()
	return regexp.MustCompile(`(--[a-z-]+) …`).ReplaceAllStringFunc(command, func(gap string) string {
		flag, _, _ := strings.Cut(gap, " ")
		value := regexp.MustCompile(flag + ` (\S+)`).FindStringSubmatch(printed)
		if value == nil {
			t.Fatalf("kubeadm init has printed no %s", flag)
		}
		return flag + " " + value[1]
	})
}

// initWithoutVIP runs kubeadm init on a host of its own whose endpoint is its own address, and returns how long it took.
func initWithoutVIP(t *testing.T, command string) time.Duration {
	t.Helper()
	h, err := environment.StartHost(t.Context(), "n1")
	must(t, err)
	began := time.Now()
	_, err = h.Shell(t.Context(), strings.ReplaceAll(command, "192.168.238.100:4300", h.Address.String()+":6443"))
	took := time.Since(began)
	must(t, err)
	must(t, environment.Remove(t.Context()))
	return took
}
