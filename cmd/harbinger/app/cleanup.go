// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/dnat"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

const cleanupLong = `Remove what the pod has left on this host, for instance after kubeadm reset, or before another program gets the virtual address: the
virtual addresses, the fence, the rules of loadBalancer.mode Kernel, routes of a rehearsal and its files below ` + config.StateDirectory + ` and ` + config.RuntimeDirectory + `.

It needs no configuration: what is Harbinger's is recognised by how it was added. An address that another program has added stays. It is refused
while the pod runs on this host, or has its manifest there. The configuration and the credentials in ` + config.Directory + ` stay.`

const cleanupExample = `  # show what would be removed
  harbinger cleanup --dry-run

  # remove it, after the manifest of the pod
  harbinger cleanup`

func newCleanupCommand(s streams) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:     "cleanup",
		Short:   "Remove everything of Harbinger's from this host, after its pod",
		Long:    cleanupLong,
		Example: cleanupExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cleanup(cmd.Context(), s, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be removed, one on a line, but remove nothing")
	return cmd
}

// cleanup removes what it finds, or shows it. What cannot be removed keeps nothing else from being removed.
func cleanup(ctx context.Context, s streams, dryRun bool) error {
	used := inUse(ctx)
	if used != nil && !dryRun {
		return fmt.Errorf("nothing was removed: %w", used)
	}
	found, err := leftovers()
	errs := []error{err}
	for _, l := range found {
		done := "Would remove"
		if !dryRun {
			done = "Removed"
			if err := l.Remove(); err != nil {
				errs = append(errs, fmt.Errorf("remove %s: %w", l.What, err))
				continue
			}
		}
		fmt.Fprintln(s.out, done, l.What)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(found) == 0 {
		fmt.Fprintln(s.out, "This host has nothing to remove.")
	}
	if used != nil {
		fmt.Fprintln(s.err, "warning: without --dry-run nothing is removed now:", used)
	}
	if exists(config.Directory) {
		fmt.Fprintf(s.err, "%s has the configuration and the credentials, and stays. If it is of no more use: rm -r %s\n", config.Directory, config.Directory)
	}
	return nil
}

// inUse says why what this host has of Harbinger is not left over, and what to do.
func inUse(ctx context.Context) error {
	running, err := command.Instances(ctx)
	if err != nil {
		return err
	}
	manifests, err := ownManifests(filepath.Dir(manifest.DefaultPath))
	if err != nil {
		return err
	}
	stop := "end what has started it, and repeat this command"
	if len(manifests) > 0 {
		stop = fmt.Sprintf("rm %s, and repeat this command when the kubelet has stopped the pod, which takes up to a minute", strings.Join(manifests, " "))
	}
	switch {
	case len(running) > 0:
		return fmt.Errorf("the sidecar runs (%s): %s", strings.Join(running, "; "), stop)
	case len(manifests) > 0:
		return fmt.Errorf("the kubelet starts the pod of %s: %s", strings.Join(manifests, " and "), stop)
	}
	return nil
}

// ownManifests returns the manifests of Harbinger in the directory of the kubelet, which skips names that begin with a dot.
func ownManifests(dir string) (own []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		content, err := hostfile.Read(path)
		if err != nil {
			return nil, err
		}
		if manifest.Own(content) {
			own = append(own, path)
		}
	}
	return own, nil
}

// leftovers returns what the pod has left, in the order in which it is to be removed: the fence goes when the addresses are gone.
// Steering ends with its process: its BPF link is a file descriptor, its nftables table has an owner.
func leftovers() ([]address.Leftover, error) {
	found, err := address.Leftovers()
	errs := []error{err}
	fences, err := fence.Tables()
	errs = append(errs, err)
	for _, name := range fences {
		found = append(found, address.Leftover{What: "fence: table netdev " + name, Remove: func() error { return fence.Remove(name) }})
	}
	balancers, err := dnat.Tables()
	errs = append(errs, err)
	for _, name := range balancers {
		found = append(found, address.Leftover{What: "rules of the balancer: table inet " + name, Remove: func() error { return dnat.Remove(name) }})
	}
	for _, dir := range []string{config.RuntimeDirectory, config.StateDirectory} {
		files, err := ownFiles(dir)
		found, errs = append(found, files...), append(errs, err)
	}
	return found, errors.Join(errs...)
}

// ownFiles returns what is in a directory that is Harbinger's alone, and then the directory.
func ownFiles(dir string) (found []address.Leftover, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		found = append(found, address.Leftover{What: path, Remove: func() error { return os.RemoveAll(path) }})
	}
	return append(found, address.Leftover{What: dir, Remove: func() error { return os.Remove(dir) }}), err
}
