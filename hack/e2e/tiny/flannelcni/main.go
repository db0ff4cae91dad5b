// Copyright The Harbinger Authors.
// SPDX-License-Identifier: Apache-2.0

// Command flannelcni stands in for flannel's CNI plugin and for the script that installs it: the plugin comes as no Go
// module. For each pod that plugin reads the subnet that flanneld has left on the host, and calls the plugin bridge with
// it. Here the subnet is written into the configuration of bridge once, and again whenever flanneld has another one.
//
//	flannelcni wait       until kube-proxy translates the address of the API's service on this host
//	flannelcni configure  from the subnet of flanneld; does not end
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	subnetFile   = "/run/flannel/subnet.env"
	conflistFile = "/etc/cni/net.d/10-flannel.conflist"
	interval     = 500 * time.Millisecond
)

func main() {
	log.SetFlags(0)
	switch strings.Join(os.Args[1:], " ") {
	case "wait":
		wait(os.Getenv("KUBERNETES_SERVICE_HOST"))
	case "configure":
		configure()
	default:
		log.Fatal("usage: flannelcni wait|configure")
	}
}

// wait returns when the packet filter of the host knows a service address: what is sent there before leaves by the
// default route. The health endpoint of kube-proxy says too early that all is well.
func wait(service string) {
	if service == "" {
		log.Fatal("KUBERNETES_SERVICE_HOST is not set: this runs in a pod")
	}
	var last string
	for ; ; time.Sleep(interval) {
		ruleset, err := exec.Command("nft", "list", "ruleset").Output()
		if err == nil && known(ruleset, service) {
			return
		}
		if state := fmt.Sprintf("no rule for %s yet (error of nft: %v)", service, err); state != last {
			log.Print(state)
			last = state
		}
	}
}

// known reports whether a ruleset names an address, and not just one that begins like it.
func known(ruleset []byte, address string) bool {
	word := func(r rune) bool { return !strings.ContainsRune("0123456789abcdef.:", r) }
	for _, field := range bytes.FieldsFunc(ruleset, word) {
		if string(field) == address {
			return true
		}
	}
	return false
}

func configure() {
	var written, last string
	for ; ; time.Sleep(interval) {
		err := func() error {
			env, err := os.ReadFile(subnetFile)
			if err != nil || string(env) == written {
				return err
			}
			content, err := conflist(string(env))
			if err != nil {
				return err
			}
			if err := replace(conflistFile, content); err != nil {
				return err
			}
			written = string(env)
			log.Printf("wrote %s for %q", conflistFile, written)
			return nil
		}()
		if err != nil && !errors.Is(err, fs.ErrNotExist) && err.Error() != last {
			last = err.Error()
			log.Print(last)
		}
	}
}

// replace writes a file that its readers see whole or not at all.
func replace(file string, content []byte) error {
	partial := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)) // containerd reads no hidden files
	if err := os.WriteFile(partial, content, 0o644); err != nil {
		return err
	}
	return os.Rename(partial, file)
}

type (
	destination struct {
		Dst netip.Prefix `json:"dst"`
	}
	subnet struct {
		Subnet netip.Prefix `json:"subnet"`
	}
	ipam struct {
		Type   string        `json:"type"`
		Ranges [][]subnet    `json:"ranges"`
		Routes []destination `json:"routes"`
	}
)

// conflist makes what flannel's plugin would call bridge with, for the subnets of either family.
func conflist(env string) ([]byte, error) {
	values := make(map[string]string)
	for line := range strings.Lines(env) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	addresses := ipam{Type: "host-local"}
	for _, family := range []string{"FLANNEL_", "FLANNEL_IPV6_"} {
		if values[family+"SUBNET"] == "" {
			continue
		}
		own, err := netip.ParsePrefix(values[family+"SUBNET"]) // of the first address: 10.244.1.1/24
		if err != nil {
			return nil, fmt.Errorf("%sSUBNET: %w", family, err)
		}
		all, err := netip.ParsePrefix(values[family+"NETWORK"])
		if err != nil {
			return nil, fmt.Errorf("%sNETWORK: %w", family, err)
		}
		addresses.Ranges = append(addresses.Ranges, []subnet{{own.Masked()}})
		addresses.Routes = append(addresses.Routes, destination{all})
	}
	if addresses.Ranges == nil {
		return nil, errors.New("flanneld has written no subnet")
	}
	var mtu int
	if _, err := fmt.Sscan(values["FLANNEL_MTU"], &mtu); err != nil {
		return nil, fmt.Errorf("FLANNEL_MTU: %w", err)
	}
	return json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "cbr0",
		"plugins": []any{
			map[string]any{"type": "bridge", "bridge": "cni0", "mtu": mtu, "hairpinMode": true, "isDefaultGateway": true,
				"ipMasq": values["FLANNEL_IPMASQ"] != "true", "ipam": addresses}, // one of the two translates
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}, "", "  ")
}
