// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// networkChecks ask what configures the network of the host.
var networkChecks = []Check{
	{Name: "NetworkFiles", Finds: "netplan, cloud-init, ifupdown, systemd-networkd or NetworkManager with the virtual address in their files: it would come with the host",
		Remedy: "the line to delete", run: checkNetworkFiles},
	{Name: "NetworkManagement", Finds: "systemd-networkd that takes addresses away when it starts; says what NetworkManager does", Remedy: "`KeepConfiguration=static` in the file of the interface", run: checkNetworkManagement},
}

// networkFiles are where the addresses of a host are written.
var networkFiles = []string{
	"/etc/netplan/*.yaml", "/etc/netplan/*.yml", "/etc/cloud/cloud.cfg.d/*", "/etc/network/interfaces", "/etc/network/interfaces.d/*",
	"/etc/systemd/network/*.network", "/etc/systemd/network/*.network.d/*", "/etc/NetworkManager/system-connections/*",
	"/etc/sysconfig/network-scripts/ifcfg-*", "/etc/sysconfig/network/ifcfg-*",
}

// Line is one of a file of the network that has a virtual address.
type Line struct {
	File   string
	Number int
	Text   string
}

// networkLines finds the lines with a virtual address that are no comments.
func networkLines(cfg *config.HarbingerConfiguration) (found []Line, err error) {
	for _, pattern := range networkFiles {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for i, text := range strings.Split(string(content), "\n") {
				if text = strings.TrimSpace(text); !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, ";") && len(named(cfg, text)) > 0 {
					found = append(found, Line{file, i + 1, text})
				}
			}
		}
	}
	return found, nil
}

// alone matches a line that has nothing but an address of the host, in the languages of these files.
var alone = regexp.MustCompile(`(?i)^(- *["']?|address(es)?\d* *[= ] *|ipaddr\d*[^=]*= *["']?)[0-9a-f.:]+(/\d+)?["',;]*(,[0-9a-f.:]*)?$`)

// checkNetworkFiles refuses a virtual address in the configuration of the host.
func checkNetworkFiles(_ *config.HarbingerConfiguration, facts Facts) []Result {
	if facts.NetworkLines.Err != nil {
		return unanswered(facts.NetworkLines.Err, "")
	}
	var results []Result
	for _, l := range facts.NetworkLines.Value {
		found := fmt.Sprintf("line %d of %s has a virtual address: %s", l.Number, l.File, l.Text)
		if alone.MatchString(l.Text) {
			results = append(results, Result{Status: Fail, Found: found, Remedy: fmt.Sprintf("sed -i %dd %s", l.Number, l.File)})
		} else {
			results = append(results, Result{Status: Warn, Found: found, Remedy: "take the address out of it, if it is one of the host"})
		}
	}
	return orFine(results, "no file of netplan, cloud-init, ifupdown, systemd-networkd or NetworkManager has a virtual address")
}

// Management is what configures an interface.
type Management struct {
	// Networkd is the file of systemd-networkd for the interface. Empty: it leaves it alone.
	Networkd string
	// Keeps says that systemd-networkd leaves the addresses there when it starts.
	Keeps bool
	// NetworkManager says that NetworkManager has the interface.
	NetworkManager bool
}

// management finds what configures an interface, by what both programs have written about it in /run.
func management(index int) Management {
	var m Management
	for _, line := range strings.Split(read(fmt.Sprintf("/run/systemd/netif/links/%d", index)), "\n") {
		if file, ok := strings.CutPrefix(line, "NETWORK_FILE="); ok && file != "" {
			m.Networkd = file
		}
	}
	if m.Networkd != "" {
		m.Keeps = keeps(m.Networkd)
	}
	m.NetworkManager = strings.Contains(read(fmt.Sprintf("/run/NetworkManager/devices/%d", index)), "managed=true")
	return m
}

// keeps reports whether a file of systemd-networkd, or what is put over it, has it leave addresses alone.
func keeps(file string) bool {
	files := []string{file}
	for _, dir := range []string{"/usr/lib", "/run", "/etc"} {
		over, _ := filepath.Glob(filepath.Join(dir, "systemd/network", filepath.Base(file)+".d", "*.conf"))
		files = append(files, over...)
	}
	value := ""
	for _, f := range files {
		for _, line := range strings.Split(read(f), "\n") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "KeepConfiguration="); ok {
				value = v
			}
		}
	}
	return slices.Contains([]string{"yes", "true", "1", "on", "static"}, value)
}

// checkNetworkManagement warns of a systemd-networkd that takes away what it has not added.
func checkNetworkManagement(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	link, err := link(cfg, facts)
	if err != nil {
		return nil // a fault of its own
	}
	m := facts.Management[link.Index]
	switch {
	case m.Networkd != "" && !m.Keeps:
		over := filepath.Join("/etc/systemd/network", filepath.Base(m.Networkd)+".d")
		r := fault(Warn, field.NewPath("interface"), link.Name, fmt.Sprintf("is configured by systemd-networkd (%s), which takes addresses away that it does not know "+
			"whenever it starts, the virtual one among them, until Harbinger adds it again", m.Networkd),
			fmt.Sprintf(`mkdir -p %s && printf '[Network]\nKeepConfiguration=static\n' > %s/harbinger.conf && networkctl reload`, over, over))
		return []Result{r}
	case m.Networkd != "":
		return fine("systemd-networkd configures %s, and leaves other addresses there alone", link.Name)
	case m.NetworkManager:
		return fine("NetworkManager configures %s: it leaves the virtual address alone, but for an activation of the connection, after which Harbinger adds it again", link.Name)
	}
	return fine("neither systemd-networkd nor NetworkManager configures %s", link.Name)
}

// managements are those of all interfaces.
func managements(links []address.Link) map[int]Management {
	all := map[int]Management{}
	for _, l := range links {
		all[l.Index] = management(l.Index)
	}
	return all
}
