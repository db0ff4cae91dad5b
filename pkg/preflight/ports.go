// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// A PortRange are the ports from its first to its last.
type PortRange struct{ First, Last uint16 }

// has reports whether a port is in the range.
func (r PortRange) has(port uint16) bool { return r.First <= port && port <= r.Last }

// LocalPorts are the ports that the kernel gives to outgoing connections: those of a range that are not reserved.
type LocalPorts struct {
	Range    PortRange
	Reserved []PortRange
}

// The settings of the kernel, in its own name and as files.
const (
	rangeSetting    = "net.ipv4.ip_local_port_range"
	reservedSetting = "net.ipv4.ip_local_reserved_ports"
)

// localPorts reads the settings of the network namespace of the calling thread.
func localPorts() (LocalPorts, error) {
	inUse, err := readSetting(rangeSetting)
	if err != nil {
		return LocalPorts{}, err
	}
	reserved, err := readSetting(reservedSetting)
	if err != nil {
		return LocalPorts{}, err
	}
	return parseLocalPorts(inUse, reserved)
}

func readSetting(name string) (string, error) {
	content, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // a kernel without it gives such ports to nobody, or reserves none
	}
	return strings.TrimSpace(string(content)), err
}

// parseLocalPorts reads both settings as the kernel prints them: "32768 60999" and "4300,10443-10444".
func parseLocalPorts(inUse, reserved string) (ports LocalPorts, err error) {
	if fields := strings.Fields(inUse); len(fields) > 0 {
		if ports.Range, err = parseRange(strings.Join(fields, "-")); err != nil {
			return ports, fmt.Errorf("%s: %w", rangeSetting, err)
		}
	}
	for _, text := range strings.FieldsFunc(reserved, func(r rune) bool { return r == ',' }) {
		r, err := parseRange(text)
		if err != nil {
			return ports, fmt.Errorf("%s: %w", reservedSetting, err)
		}
		ports.Reserved = append(ports.Reserved, r)
	}
	return ports, nil
}

func parseRange(text string) (PortRange, error) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	return PortRange{uint16(from), uint16(to)}, errors.Join(err, errTo)
}

// String returns the range as the kernel reads it.
func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// given reports whether an outgoing connection may get a port.
func (p LocalPorts) given(port uint16) bool {
	return p.Range.has(port) && !slices.ContainsFunc(p.Reserved, func(r PortRange) bool { return r.has(port) })
}

// checkLocalPorts warns of ports of Harbinger's own that an outgoing connection may have when it starts: it then waits for the end of
// that connection, and until then this node does not serve.
func checkLocalPorts(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	ports := facts.LocalPorts
	wanted := texts(ports.Reserved)
	var given []ownPort
	for _, own := range ownPorts(cfg) {
		if port := own.address.Port(); ports.given(port) {
			given = append(given, own)
			wanted = append(wanted, fmt.Sprint(port))
		}
	}
	var results []Result
	for _, own := range given {
		results = append(results, fault(Warn, own.path, own.address.Port(), fmt.Sprintf(
			"lies in %s (%d %d) and is not reserved: an outgoing connection of this host may have the port when Harbinger starts",
			rangeSetting, ports.Range.First, ports.Range.Last),
			setting(reservedSetting, strings.Join(wanted, ","))))
	}
	return orFine(results, "%s is %d %d, without a port of Harbinger's that is not reserved", rangeSetting, ports.Range.First, ports.Range.Last)
}

// settingsFile is where the commands of the remedies put settings of the kernel.
const settingsFile = "/etc/sysctl.d/90-harbinger.conf"

// setting is the command that changes a setting of the kernel now and at each start of the host.
func setting(name, value string) string {
	return fmt.Sprintf("echo '%s = %s' >> %s && sysctl -p %s", name, value, settingsFile, settingsFile)
}
