// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Save keeps what is needed to find out why a story failed: journals, logs of pods and observers, networks, statuses.
// It goes on after an error, which may have the same cause as the failure.
func (c *Cluster) Save(ctx context.Context, directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	var errs []error
	keep := func(name, content string, err error) {
		errs = append(errs, err, os.WriteFile(filepath.Join(directory, name), []byte(content), 0o644))
	}
	for _, h := range c.Hosts() {
		_ = h.Unpause(ctx) // it fails for those that run
		for name, script := range map[string]string{
			"journal.log":   "journalctl --no-pager -o short-precise",
			"network.txt":   "ip address; ip route; ip neigh; nft list ruleset",
			"pods.txt":      "crictl ps -a; crictl pods",
			"harbinger.log": `for id in $(crictl ps -aq --name '^harbinger$'); do echo "== $id"; crictl logs "$id" 2>&1; done`,
		} {
			out, err := h.Shell(ctx, script)
			keep(h.Name+"-"+name, out, err)
		}
		out, err := h.Harbinger(ctx, "status")
		keep(h.Name+"-status.txt", out, err)
		out, err = c.Local(ctx, h, "get", "nodes,pods", "-A", "-o", "wide")
		keep(h.Name+"-kubectl.txt", out, err)
		_, err = docker(ctx, nil, "cp", h.container+":/var/log/pods/.", filepath.Join(directory, h.Name+"-pods"))
		errs = append(errs, err)
	}
	observers, err := docker(ctx, nil, "ps", "--all", "--format", "{{.Names}}", "--filter", "label="+Label)
	errs = append(errs, err)
	for container := range strings.FieldsSeq(observers) {
		if !slices.ContainsFunc(c.Hosts(), func(h *Host) bool { return h.container == container }) {
			out, err := docker(ctx, nil, "logs", container)
			keep(strings.TrimPrefix(container, prefix)+".log", out, err)
		}
	}
	return errors.Join(errs...)
}

// Remove ends every machine and observer, those of a run that was killed too. A machine is unplugged first: one that is
// killed must not send packets that its rules no longer translate.
func (e Environment) Remove(ctx context.Context) error {
	containers, err := e.containers(ctx)
	if err != nil || len(containers) == 0 {
		return err
	}
	for _, id := range containers {
		_, _ = docker(ctx, nil, "network", "disconnect", "--force", e.Network, id) // it fails for those that are on none
		_, _ = docker(ctx, nil, "unpause", id)                                     // a paused one cannot be removed
	}
	_, err = docker(ctx, nil, append([]string{"rm", "--force", "--volumes"}, containers...)...)
	return err
}

func (e Environment) containers(ctx context.Context) ([]string, error) {
	var ids []string
	for _, label := range []string{Label, "io.x-k8s.kind.cluster=" + KindName} {
		out, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+label)
		if err != nil {
			return nil, err
		}
		ids = append(ids, strings.Fields(out)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
