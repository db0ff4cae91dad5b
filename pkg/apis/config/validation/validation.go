// SPDX-License-Identifier: Apache-2.0

// Package validation holds the rules of the configuration, each field's own and those between fields. It is pure: what
// depends on a host (its interfaces, addresses and ports) is checked by package preflight.
package validation

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// Validate returns every fault of a configuration, with its path and its remedy.
func Validate(cfg *config.HarbingerConfiguration) field.ErrorList {
	errs := validateVirtualAddresses(field.NewPath("virtualAddresses"), cfg.VirtualAddresses)
	errs = append(errs, validateInterface(field.NewPath("interface"), cfg.Interface)...)
	errs = append(errs, validateControlPlane(field.NewPath("controlPlane"), &cfg.ControlPlane)...)
	errs = append(errs, validateElection(field.NewPath("election"), cfg)...)
	errs = append(errs, validateLoadBalancer(field.NewPath("loadBalancer"), cfg)...)
	errs = append(errs, validateHealthCheck(field.NewPath("healthCheck"), cfg)...)
	errs = append(errs, validateStatus(field.NewPath("status"), &cfg.Status)...)
	errs = append(errs, validateLogging(field.NewPath("logging"), &cfg.Logging)...)
	errs = append(errs, validateMetricsAddress(field.NewPath("status", "metricsBindAddress"), cfg)...)
	return append(errs, validatePorts(cfg)...)
}

func validateVirtualAddresses(fldPath *field.Path, prefixes []netip.Prefix) field.ErrorList {
	var errs field.ErrorList
	switch len(prefixes) {
	case 0:
		errs = append(errs, field.Required(fldPath, "give the address that clients will use, such as 192.168.238.100/24"))
	case 1:
	case 2:
		if prefixes[0].IsValid() && prefixes[0].Addr().BitLen() == prefixes[1].Addr().BitLen() {
			errs = append(errs, field.Invalid(fldPath, texts(prefixes), "two addresses must be one IPv4 and one IPv6"))
		}
	default:
		errs = append(errs, field.TooMany(fldPath, len(prefixes), 2))
	}
	for i, prefix := range prefixes {
		errs = append(errs, validateVirtualAddress(fldPath.Index(i), prefix)...)
	}
	return errs
}

func validateVirtualAddress(fldPath *field.Path, prefix netip.Prefix) field.ErrorList {
	errs := validateUnicast(fldPath, prefix.Addr(), prefix.String())
	if len(errs) > 0 || prefix.IsSingleIP() {
		return errs
	}
	if prefix.Bits() == 0 {
		return field.ErrorList{field.Invalid(fldPath, prefix.String(), "must have the prefix length of the interface's subnet")}
	}
	if prefix.Addr().Is4() && prefix.Bits() < 31 && (prefix.Addr() == prefix.Masked().Addr() || prefix.Addr() == broadcast(prefix)) {
		return field.ErrorList{field.Invalid(fldPath, prefix.String(), "must be a host's address, not the first or last one of the subnet")}
	}
	return nil
}

// validateUnicast refuses addresses that cannot belong to one host of the segment.
func validateUnicast(fldPath *field.Path, addr netip.Addr, value string) field.ErrorList {
	for _, kind := range []struct {
		is   bool
		name string
	}{
		{!addr.IsValid(), "invalid"},
		{addr.IsUnspecified(), "unspecified"},
		{addr.IsMulticast(), "multicast"},
		{addr.IsLoopback(), "loopback"},
		{addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), "broadcast"},
	} {
		if kind.is {
			return field.ErrorList{field.Invalid(fldPath, value, "must be a host's address, not the "+kind.name+" one")}
		}
	}
	return nil
}

func broadcast(prefix netip.Prefix) netip.Addr {
	last := prefix.Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(last)
}

func validateInterface(fldPath *field.Path, name string) field.ErrorList {
	if name == "" {
		return nil
	}
	// The kernel's own rule, dev_valid_name.
	if len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r") {
		return field.ErrorList{field.Invalid(fldPath, name, "must be an interface name of at most 15 bytes without slash, colon and space")}
	}
	return nil
}

func validateControlPlane(fldPath *field.Path, cp *config.ControlPlane) field.ErrorList {
	if len(cp.ClusterName) > 63 || strings.ContainsFunc(cp.ClusterName, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return field.ErrorList{field.Invalid(fldPath.Child("clusterName"), cp.ClusterName, "must be at most 63 printable ASCII characters without space")}
	}
	return nil
}

func validateStatus(fldPath *field.Path, status *config.Endpoints) field.ErrorList {
	addr := status.BindAddress.Addr()
	if !addr.IsValid() || addr.IsMulticast() {
		return field.ErrorList{field.Invalid(fldPath.Child("bindAddress"), status.BindAddress.String(), "must be an address of the host, such as 127.0.0.1:10443")}
	}
	if status.BindAddress.Port() == 0 {
		return field.ErrorList{field.Invalid(fldPath.Child("bindAddress"), status.BindAddress.String(), "must have a port, 1 to 65535")}
	}
	return validateMetrics(fldPath, &status.Metrics)
}

// validateMetrics checks the endpoint of the metrics. What others than this host reach is for those who may ask.
func validateMetrics(fldPath *field.Path, m *config.Metrics) field.ErrorList {
	address, tls, token := fldPath.Child("metricsBindAddress"), fldPath.Child("metricsTLS"), fldPath.Child("metricsTokenFile")
	files := []struct {
		path *field.Path
		name string
	}{{tls.Child("certFile"), m.CertFile}, {tls.Child("keyFile"), m.KeyFile}, {tls.Child("clientCAFile"), m.ClientCAFile}, {token, m.TokenFile}}
	var errs field.ErrorList
	for _, file := range files {
		switch {
		case file.name == "":
		case !m.Served():
			errs = append(errs, field.Forbidden(file.path, "is used with metricsBindAddress only: give the address, such as node:10445, or remove the file"))
		default:
			errs = append(errs, belowDirectory(file.path, file.name)...)
		}
	}
	if !m.Served() {
		return errs
	}
	if m.Address.IsMulticast() {
		errs = append(errs, field.Invalid(address, m.BindAddress(), "must be an address of the host, such as node:10445"))
	}
	switch {
	case m.CertFile == "" && m.KeyFile != "":
		errs = append(errs, field.Required(tls.Child("certFile"), "give the certificate of keyFile"))
	case m.CertFile == "" && m.ClientCAFile != "":
		errs = append(errs, field.Required(tls.Child("certFile"), "certificates of clients need TLS: give certFile and keyFile"))
	case m.CertFile != "" && m.KeyFile == "":
		errs = append(errs, field.Required(tls.Child("keyFile"), "give the private key of certFile"))
	case m.CertFile == "" && m.TokenFile == "" && !m.Loopback():
		errs = append(errs, field.Invalid(address, m.BindAddress(), "other hosts reach it: give metricsTLS.certFile and keyFile, or metricsTokenFile, or choose an address on loopback, such as 127.0.0.1:10445"))
	}
	return errs
}

// validateMetricsAddress refuses the virtual addresses, at which another host would answer each scrape after a move.
func validateMetricsAddress(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	m := cfg.Status.Metrics
	if !slices.ContainsFunc(cfg.VirtualAddresses, func(p netip.Prefix) bool { return p.IsValid() && p.Addr() == m.Address }) {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, m.BindAddress(), "must not be a virtual address, behind which another host is after a move: use node:"+strconv.Itoa(int(m.Port)))}
}

func validateLogging(fldPath *field.Path, l *config.Logging) field.ErrorList {
	errs := oneOf(fldPath.Child("format"), l.Format, logging.FormatJSON, logging.FormatText)
	if l.Verbosity != 0 && l.Verbosity != 1 {
		errs = append(errs, field.Invalid(fldPath.Child("verbosity"), l.Verbosity, "must be 0 or 1"))
	}
	return errs
}

// validatePorts keeps the listening ports of a node apart. Only controlPlane.port and apiServerPort may be the same, and
// only with steering.
func validatePorts(cfg *config.HarbingerConfiguration) field.ErrorList {
	type use struct {
		path *field.Path
		port uint16
	}
	uses := []use{
		{field.NewPath("controlPlane", "apiServerPort"), cfg.ControlPlane.APIServerPort},
		{field.NewPath("status", "bindAddress"), cfg.Status.BindAddress.Port()},
		{field.NewPath("status", "identityPort"), cfg.Status.IdentityPort},
	}
	if cfg.ControlPlane.Port != cfg.ControlPlane.APIServerPort {
		uses = append(uses, use{field.NewPath("controlPlane", "port"), cfg.ControlPlane.Port})
	} else {
		uses = append(uses, use{field.NewPath("loadBalancer", "steering", "port"), cfg.LoadBalancer.Steering.Port})
	}
	if cfg.Status.Metrics.Served() {
		uses = append(uses, use{field.NewPath("status", "metricsBindAddress"), cfg.Status.Metrics.Port})
	}
	var errs field.ErrorList
	for i, u := range uses {
		for _, earlier := range uses[:i] {
			if u.port == earlier.port && u.port != 0 {
				errs = append(errs, field.Invalid(u.path, u.port, fmt.Sprintf("must differ from the port of %s", earlier.path)))
			}
		}
	}
	return errs
}

func oneOf[T ~string](fldPath *field.Path, value T, supported ...T) field.ErrorList {
	if slices.Contains(supported, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(fldPath, value, supported)}
}

// within checks a duration and names the bounds.
func within(fldPath *field.Path, d, lowest, highest time.Duration) field.ErrorList {
	if lowest <= d && d <= highest {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, d.String(), fmt.Sprintf("must be %v to %v", lowest, highest))}
}

func absoluteFile(fldPath *field.Path, file string) field.ErrorList {
	if path.IsAbs(file) && path.Clean(file) == file && file != "/" {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, file, "must be the absolute path of a file")}
}

func texts[T fmt.Stringer](values []T) []string {
	var out []string
	for _, value := range values {
		out = append(out, value.String())
	}
	return out
}
