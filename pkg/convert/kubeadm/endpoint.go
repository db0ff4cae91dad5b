// SPDX-License-Identifier: Apache-2.0

package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// readEndpoint reads HOST or HOST:PORT.
func (k *Configuration) readEndpoint(path, endpoint string) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%s: Invalid value: %q: %w", path, endpoint, fmt.Errorf(format, args...))
	}
	if found := convert.Placeholder(endpoint); found != "" {
		return invalid("%q is neither an address nor a DNS name: %w", found, errTemplate)
	}
	if _, rest, ok := strings.Cut(endpoint, "//"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		return invalid("must be HOST or HOST:PORT, not a URL: write %s", rest)
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		host, port = endpoint, ""
	}
	if reason := checkHost(host); reason != "" {
		return invalid("%s", reason)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if port != "" && (err != nil || n == 0) {
		return invalid("the port must be 1 to 65535")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	if k.Host != "" && (k.Host != host || k.Port != int32(n)) {
		return invalid("another document of the file has the endpoint %s", net.JoinHostPort(k.Host, strconv.Itoa(int(k.Port))))
	}
	k.Host, k.Port = host, int32(n)
	return nil
}

var (
	// digits is what looks like an IPv4 address, whatever its numbers are.
	digits = regexp.MustCompile(`^[0-9.]+$`)
	// bracketed is an IPv6 address in brackets, without the port that these are for.
	bracketed = regexp.MustCompile(`^\[([^]]*)\]$`)
	// swallowed is an IPv6 address with a port behind it that was meant to be none of its groups.
	swallowed = regexp.MustCompile(`^(.*[^:]):([1-9][0-9]{3})$`)
)

// checkHost returns why kubeadm does not take a host, or nothing.
func checkHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return ""
	}
	inner := bracketed.FindStringSubmatch(host)
	switch {
	case inner != nil && checkHost(inner[1]) == "":
		return fmt.Sprintf("brackets are for an address with a port: write %s, or [%s]:PORT", inner[1], inner[1])
	case host == "":
		return "the host is missing: want HOST or HOST:PORT"
	case strings.Contains(host, "/"):
		return "must be HOST or HOST:PORT, without a prefix length or a path"
	case !digits.MatchString(host) && len(validation.IsDNS1123Subdomain(host)) == 0:
		return ""
	case len(validation.IsDNS1123Subdomain(strings.ToLower(strings.TrimSuffix(host, ".")))) == 0 && !digits.MatchString(host):
		return fmt.Sprintf("kubeadm takes DNS names in lower case and without a dot at the end: write %s", strings.ToLower(strings.TrimSuffix(host, ".")))
	}
	return fmt.Sprintf("%q is neither an address nor a DNS name: want HOST or HOST:PORT, such as 192.168.238.100:4300 or [fd00::100]:4300", host)
}

// Resolver finds the addresses of a name. A net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Warnings returns what kubeadm takes and what will not work all the same, given the virtual addresses. Without a resolver names are
// not looked up, as this host is not the one that the configuration is for.
func (k Configuration) Warnings(ctx context.Context, r Resolver, vips []netip.Addr) []string {
	var warnings []string
	if k.Worker {
		warnings = append(warnings, "the JoinConfiguration has no controlPlane: kubeadm makes the node a worker, which needs no virtual address")
	}
	if hint := k.bracketHint(); hint != "" {
		warnings = append(warnings, "kubeadm's control plane endpoint "+hint)
	}
	if name := k.name(); name != "" && len(vips) > 0 {
		warnings = append(warnings, checkName(ctx, r, name, vips)...)
	}
	return warnings
}

// bracketHint says how to write an IPv6 address with a port, where the last group of the host looks like one. Empty: it does not.
func (k Configuration) bracketHint() string {
	parts := swallowed.FindStringSubmatch(k.Host)
	if k.Port != 0 || parts == nil {
		return ""
	}
	addr, err := netip.ParseAddr(parts[1])
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s is an address without a port: for port %s of %s write [%s]:%s", k.Host, parts[2], addr, addr, parts[2])
}

// name returns the host of the endpoint where it is a name, or nothing.
func (k Configuration) name() string {
	if _, err := netip.ParseAddr(k.Host); err == nil {
		return ""
	}
	return k.Host
}

// checkName returns a warning where a name does not give the virtual addresses, or where nobody can say.
func checkName(ctx context.Context, r Resolver, name string, vips []netip.Addr) []string {
	remedy := fmt.Sprintf("it must give %s on every host before kubeadm runs, which fails late otherwise: where DNS does not, add this line to /etc/hosts: %s %s",
		vips[0], vips[0], name)
	if r == nil {
		return []string{fmt.Sprintf("the control plane endpoint %s is a name: %s", name, remedy)}
	}
	found, err := r.LookupNetIP(ctx, "ip", name)
	if err != nil {
		reason := err.Error()
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			reason = dns.Err // without the name server that was asked last
		}
		return []string{fmt.Sprintf("the control plane endpoint %s has no address here (%s): %s", name, reason, remedy)}
	}
	var others []string
	for _, addr := range found {
		if addr = addr.Unmap(); !slices.Contains(vips, addr) {
			others = append(others, addr.String())
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the control plane endpoint %s gives %s here: %s", name, strings.Join(others, ", "), remedy)}
}
