// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// starts says what it costs that the pod starts anew, or does not.
var starts = map[manifest.Start]string{
	manifest.NoStart: "The running pod uses it within seconds. The virtual address stays.",
	manifest.Kubelet: fmt.Sprintf("The kubelet of this host starts the pod anew. A holder hands over first: no answer for about %.1f s, and the connections\n"+
		"through the virtual address end once. Where no other host can take over, there is none until the pod runs again.", manifest.HandoverOutage.Seconds()),
	manifest.Administrator: "The running pod goes on with the previous configuration until it is started anew, which hands over as well:\n" +
		"  crictl stop --timeout 30 $(crictl ps -q --name harbinger)",
}

// printCosts says what the change of the files costs that have been there before. It is silent where nothing runs from them.
func (e existing) printCosts(s streams, cfg *config.HarbingerConfiguration, files []file) error {
	pod := files[len(files)-1]
	was, ok := e[pod.path]
	if !ok {
		return nil
	}
	before, err := manifest.Read(was.content)
	if err != nil {
		return nil //nolint:nilerr // it was said when the file was compared: what another pod does is not known
	}
	if before.ConfigFile {
		if before.Config, err = scheme.Decode(e[config.File].content); err != nil {
			return nil //nolint:nilerr // the pod that is there has no configuration either
		}
	}
	after, _ := cfg.WithPasswordFile(config.PasswordFile)
	changes := manifest.Changes(before.Config, after)
	start := manifest.StartAfter(before.Config, after, !bytes.Equal(was.content, pod.content))
	if f := files[0]; f.secret && !bytes.Equal(e[f.path].content, f.content) {
		changes = append(changes, manifest.Change{Field: "election.vrrp.authentication.password", Cost: manifest.AllHosts,
			Means: "hosts with different passwords refuse each other's advertisements. The pod reads it when it starts"})
		if start == manifest.NoStart {
			start = manifest.Administrator
		}
	}
	if start == manifest.NoStart && len(changes) == 0 {
		return nil
	}
	return printChanges(s, changes, start)
}

// printChanges prints each change, and then what comes of the start of the pod.
func printChanges(s streams, changes []manifest.Change, start manifest.Start) error {
	var out strings.Builder
	out.WriteString("What it costs:\n")
	worst := manifest.Nothing
	for _, c := range changes {
		fmt.Fprintf(&out, "  [%s] %s: %s\n", c.Cost, c.Field, c.Means)
		worst = max(worst, c.Cost)
	}
	fmt.Fprintln(&out, starts[start])
	if worst == manifest.AllHosts {
		out.WriteString("Change all hosts at the same time: until then those that differ do not agree on a holder.\n")
	} else if start != manifest.NoStart {
		out.WriteString("Change one host after the other.\n")
	}
	_, err := fmt.Fprint(s.err, out.String())
	return err
}
