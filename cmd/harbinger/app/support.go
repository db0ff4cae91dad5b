// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/support"
)

const supportLong = `Pack what is known of this host into one archive for whoever you ask for help.

It has the status, the configuration, the metrics, the checks of preflight, routes,
neighbours, firewall, BPF, settings of the kernel and the last logs. No file of a
secret is read, and what looks like one is removed. CONTENTS in the archive names
what could not be had, and why. It needs no running pod; as root it has more
(CAP_NET_ADMIN for the firewall, CAP_BPF for BPF).`

func newSupportBundleCommand(s streams) *cobra.Command {
	output, address := "harbinger-support.tar.gz", defaultStatusAddress
	cmd := &cobra.Command{
		Use:     "support-bundle",
		Short:   "Pack what is known of this host for whoever you ask for help",
		Long:    supportLong,
		Example: "  harbinger support-bundle\n  harbinger support-bundle -o - > bundle.tar.gz",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return supportBundle(cmd.Context(), s, output, address)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "file to write, - for stdout")
	cmd.Flags().StringVar(&address, "address", address, "address at which the sidecar of this host serves its status (status.bindAddress)")
	complete(cmd, anyFile, "output")
	complete(cmd, examples(defaultStatusAddress), "address")
	return cmd
}

func supportBundle(ctx context.Context, s streams, output, address string) (err error) {
	if output == "-" {
		return support.Write(ctx, s.out, time.Now(), supportEntries(address))
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := support.Write(ctx, f, time.Now(), supportEntries(address)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "Wrote %s; CONTENTS in it says what is missing. Look through it before you send it.\n", output)
	return err
}

// supportEntries are what the archive has.
func supportEntries(address string) []support.Entry {
	const sys = "/proc/sys"
	return []support.Entry{
		itself("version.txt", "version"), itself("status.txt", "status", "--address", address), itself("status.json", "status", "-o", "json", "--address", address),
		asked("metrics.txt", "http://"+address+"/metrics"), itself("config.yaml", "config", "view"), support.File("ha.yaml", manifest.DefaultPath),
		itself("preflight.txt", "preflight"), support.Listing("manifests.txt", "/etc/kubernetes/manifests"), support.Listing("harbinger.txt", config.Directory),
		support.Command("links.txt", "ip", "-details", "-statistics", "link"), support.Command("addresses.txt", "ip", "address"),
		support.Command("routes.txt", "ip", "route", "show", "table", "all"), support.Command("routes6.txt", "ip", "-6", "route", "show", "table", "all"),
		support.Command("rules.txt", "ip", "rule"), support.Command("neighbours.txt", "ip", "neigh"),
		support.Command("listeners.txt", "ss", "-ltnup"), support.File("tcp.txt", "/proc/net/tcp"), support.File("tcp6.txt", "/proc/net/tcp6"),
		support.Command("nft.txt", "nft", "list", "ruleset"), support.Command("iptables.txt", "iptables-save"), support.Command("ip6tables.txt", "ip6tables-save"),
		support.Command("bpf-links.txt", "bpftool", "link"), support.Command("bpf-programs.txt", "bpftool", "prog"),
		support.Settings("sysctl.txt", sys, "net/ipv4/ip_*", "net/ipv4/conf/*/rp_filter", "net/ipv4/conf/*/arp_*", "net/ipv6/conf/*/disable_ipv6", "net/ipv6/conf/*/accept_dad", "kernel/unprivileged_bpf_disabled", "kernel/sched_rt_*"),
		support.Logs("bonds.txt", "/proc/net/bonding/*"), support.Logs("pod.log", "/var/log/pods/kube-system_*harbinger*/*/*.log"),
	}
}

// itself is what a command of this program prints.
func itself(name string, args ...string) support.Entry {
	return support.Entry{Name: name, Get: func(ctx context.Context) ([]byte, error) {
		var out, problems bytes.Buffer
		if code := Main(ctx, args, strings.NewReader(""), &out, &problems); code != exitDone {
			return out.Bytes(), fmt.Errorf("harbinger %s exits with %d: %s", strings.Join(args, " "), code, strings.TrimSpace(problems.String()))
		}
		return out.Bytes(), nil
	}}
}

// asked is what the pod answers.
func asked(name, url string) support.Entry {
	return support.Entry{Name: name, Get: func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		return io.ReadAll(io.LimitReader(response.Body, support.Longest))
	}}
}
