// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The priorities of a healthy node. In Hybrid mode 1 to 10 say that a node has no healthy backend and 240 to 254 that it
// holds the Lease.
const (
	minPriorityHybrid = 11
	maxPriorityHybrid = 239
	minPriorityVRRP   = 1
	maxPriorityVRRP   = 254
)

// The field on the wire is 8 bits of seconds in version 2, 12 bits of centiseconds in version 3.
const (
	minInterval2 = time.Second
	maxInterval2 = 255 * time.Second
	minInterval3 = 10 * time.Millisecond
	maxInterval3 = 4095 * 10 * time.Millisecond
)

// highestTTL is that of a packet that has passed no router.
const highestTTL = 255

// maxPreemptDelay is keepalived's.
const maxPreemptDelay = 1000 * time.Second

func validateElection(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	e := &cfg.Election
	errs := validateMode(fldPath.Child("mode"), e.Mode)
	vrrpPath := fldPath.Child("vrrp")
	errs = append(errs, validateVRRP(vrrpPath, e)...)
	errs = append(errs, validateVersion(vrrpPath, cfg)...)
	errs = append(errs, validateAuthentication(vrrpPath.Child("authentication"), &e.VRRP)...)
	errs = append(errs, validatePeers(vrrpPath.Child("peers"), cfg)...)
	errs = append(errs, validateSourceAddress(vrrpPath.Child("sourceAddress"), cfg)...)
	errs = append(errs, validateLease(fldPath.Child("lease"), &e.Lease)...)
	return append(errs, validatePredecessor(fldPath.Child("lease", "predecessor"), e)...)
}

func validateMode(fldPath *field.Path, mode election.Mode) field.ErrorList {
	return oneOf(fldPath, mode, election.Hybrid, election.VRRP, election.LeaseOnly)
}

func validateVRRP(fldPath *field.Path, e *config.Election) field.ErrorList {
	v := &e.VRRP
	errs := oneOf(fldPath.Child("checksum"), v.Checksum, vrrp.ChecksumAuto, vrrp.ChecksumKeepalived, vrrp.ChecksumRFC9568)
	switch {
	case v.MinimumTTL == 0:
		errs = append(errs, field.Invalid(fldPath.Child("minimumTTL"), v.MinimumTTL, "must be 1 to 255"))
	case v.MinimumTTL < highestTTL && v.Peers == nil:
		errs = append(errs, field.Invalid(fldPath.Child("minimumTTL"), v.MinimumTTL,
			"must be 255 without peers: no router forwards multicast advertisements; name the nodes in election.vrrp.peers, or leave it out"))
	}
	if v.VirtualRouterID == 0 {
		errs = append(errs, field.Invalid(fldPath.Child("virtualRouterID"), v.VirtualRouterID, "must be 1 to 255"))
	}
	lowest, highest := uint8(minPriorityVRRP), uint8(maxPriorityVRRP)
	if e.Mode != election.VRRP {
		lowest, highest = minPriorityHybrid, maxPriorityHybrid
	}
	if v.Priority < lowest || v.Priority > highest {
		errs = append(errs, field.Invalid(fldPath.Child("priority"), v.Priority, fmt.Sprintf("must be %d to %d in %s mode", lowest, highest, e.Mode)))
	}
	errs = append(errs, within(fldPath.Child("preemptDelay"), v.PreemptDelay, 0, maxPreemptDelay)...)
	if v.PreemptDelay > 0 && !v.Preempt {
		errs = append(errs, field.Invalid(fldPath.Child("preemptDelay"), v.PreemptDelay.String(), "must be 0s where preempt is false: the node never preempts"))
	}
	return errs
}

// validateVersion checks what differs between the versions of the protocol.
func validateVersion(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	v := &cfg.Election.VRRP
	interval := fldPath.Child("advertisementInterval")
	switch v.Version {
	case 2:
		var errs field.ErrorList
		if v.AdvertisementInterval%time.Second != 0 {
			errs = append(errs, field.Invalid(interval, v.AdvertisementInterval.String(), "must be whole seconds in version 2: use version 3 for faster advertisements"))
		} else {
			errs = append(errs, within(interval, v.AdvertisementInterval, minInterval2, maxInterval2)...)
		}
		for i, prefix := range cfg.VirtualAddresses {
			if prefix.IsValid() && !prefix.Addr().Is4() {
				errs = append(errs, field.Invalid(field.NewPath("virtualAddresses").Index(i), prefix.String(), "must be IPv4 in version 2: use version 3 for IPv6"))
			}
		}
		return errs
	case 3:
		if v.AdvertisementInterval%(10*time.Millisecond) != 0 {
			return field.ErrorList{field.Invalid(interval, v.AdvertisementInterval.String(), "must be a multiple of 10ms, from 10ms to 40.95s: version 3 counts in hundredths of a second")}
		}
		return within(interval, v.AdvertisementInterval, minInterval3, maxInterval3)
	default:
		return field.ErrorList{field.Invalid(fldPath.Child("version"), v.Version, "must be 2 or 3")}
	}
}

func validateAuthentication(fldPath *field.Path, v *config.VRRP) field.ErrorList {
	if v.Signed() {
		return validateHMAC(fldPath, v)
	}
	if errs := withoutHMAC(fldPath, v); len(errs) > 0 {
		return errs
	}
	auth := &v.Authentication
	password, file := fldPath.Child("password"), fldPath.Child("passwordFile")
	switch auth.Type {
	case vrrp.AuthenticationNone:
		const remedy = "is used with type Password only: set the type, or remove "
		if auth.Password != "" {
			return field.ErrorList{field.Forbidden(password, remedy+"the password")}
		}
		if v.PasswordFile != "" {
			return field.ErrorList{field.Forbidden(file, remedy+"the file")}
		}
	case vrrp.AuthenticationPassword:
		if v.Version != 2 {
			return field.ErrorList{field.Invalid(fldPath.Child("type"), auth.Type, "must be None or HMAC in version 3, which has no password")}
		}
		if v.PasswordFile != "" {
			return validatePasswordFile(fldPath, v)
		}
		if auth.Password == "" {
			return field.ErrorList{field.Required(password, "type Password needs a password of 1 to 8 bytes")}
		}
		if len(auth.Password) > config.MaxPassword {
			return field.ErrorList{field.TooLong(password, "", config.MaxPassword)}
		}
	default:
		return oneOf(fldPath.Child("type"), auth.Type, vrrp.AuthenticationNone, vrrp.AuthenticationPassword, vrrp.AuthenticationHMAC)
	}
	return nil
}

func validatePasswordFile(fldPath *field.Path, v *config.VRRP) field.ErrorList {
	if v.Authentication.Password != "" {
		return field.ErrorList{field.Forbidden(fldPath.Child("password"), "the password is in passwordFile: remove one of the two")}
	}
	return inDirectory(fldPath.Child("passwordFile"), v.PasswordFile)
}

// inDirectory checks the path of a file in the directory that the pod sees.
func inDirectory(fldPath *field.Path, file string) field.ErrorList {
	errs := absoluteFile(fldPath, file)
	if len(errs) == 0 && path.Dir(file) != config.Directory {
		errs = append(errs, field.Invalid(fldPath, file, "must be a file in "+config.Directory+", the directory that the pod sees"))
	}
	return errs
}

// minPeers are a node and another: without another, advertisements would go to nobody.
const minPeers = 2

func countFamily(addrs []netip.Addr, family netip.Addr) (n int) {
	for _, a := range addrs {
		if a.Is4() == family.Is4() {
			n++
		}
	}
	return n
}

func validatePeers(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	peers := cfg.Election.VRRP.Peers
	if peers == nil {
		return nil
	}
	if len(peers) == 0 {
		return field.ErrorList{field.Invalid(fldPath, "[]", "must name the nodes: leave it out for multicast")}
	}
	var errs field.ErrorList
	for i, peer := range peers {
		errs = append(errs, validateNode(fldPath.Index(i), peer, cfg.VirtualAddresses)...)
		if slices.Contains(peers[:i], peer) {
			errs = append(errs, field.Duplicate(fldPath.Index(i), peer.String()))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	for _, vip := range cfg.VirtualAddresses {
		if vip.IsValid() && countFamily(peers, vip.Addr()) < minPeers {
			errs = append(errs, field.Invalid(fldPath, texts(peers), fmt.Sprintf(
				"must have every node, this one and at least one other, by an address of the family of %s: leave it out for multicast", vip)))
		}
	}
	return errs
}

// validateNode checks an address of a node, which must differ from the virtual addresses.
func validateNode(fldPath *field.Path, addr netip.Addr, vips []netip.Prefix) field.ErrorList {
	if errs := validateUnicast(fldPath, addr, addr.String()); len(errs) > 0 {
		return errs
	}
	if isVirtual(addr, vips) {
		return field.ErrorList{field.Invalid(fldPath, addr.String(), "must be the address of a node, not a virtual address")}
	}
	if len(vips) > 0 && !slices.ContainsFunc(vips, func(vip netip.Prefix) bool { return !vip.IsValid() || vip.Addr().Is4() == addr.Is4() }) {
		return field.ErrorList{field.Invalid(fldPath, addr.String(), "must be of the family of a virtual address")}
	}
	return nil
}

func isVirtual(addr netip.Addr, vips []netip.Prefix) bool {
	return slices.ContainsFunc(vips, func(vip netip.Prefix) bool { return vip.Addr() == addr })
}

func validateSourceAddress(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	source := cfg.Election.VRRP.SourceAddress
	if !source.IsValid() {
		return nil
	}
	return validateNode(fldPath, source, cfg.VirtualAddresses)
}

func validateLease(fldPath *field.Path, lease *config.Arbitration) field.ErrorList {
	errs := inDirectory(fldPath.Child("kubeconfig"), lease.Kubeconfig)
	for _, detail := range validation.IsDNS1123Label(lease.Namespace) {
		errs = append(errs, field.Invalid(fldPath.Child("namespace"), lease.Namespace, detail))
	}
	for _, detail := range validation.IsDNS1123Subdomain(lease.Name) {
		errs = append(errs, field.Invalid(fldPath.Child("name"), lease.Name, detail))
	}
	if lease.RenewInterval <= 0 {
		errs = append(errs, field.Invalid(fldPath.Child("renewInterval"), lease.RenewInterval.String(), "must be positive"))
	}
	if lease.StaleAfter < 2*lease.RenewInterval {
		errs = append(errs, field.Invalid(fldPath.Child("staleAfter"), lease.StaleAfter.String(), "must be at least twice renewInterval"))
	}
	if lease.Duration%time.Second != 0 || lease.Duration <= lease.StaleAfter {
		errs = append(errs, field.Invalid(fldPath.Child("duration"), lease.Duration.String(), "must be whole seconds and more than staleAfter"))
	}
	return errs
}

// IsLease reports whether a text is the namespace and the name of a Lease, with a slash between them.
func IsLease(text string) bool {
	namespace, name, found := strings.Cut(text, "/")
	return found && len(validation.IsDNS1123Label(namespace))+len(validation.IsDNS1123Subdomain(name)) == 0
}

// validatePredecessor checks the name of kube-vip's Lease.
func validatePredecessor(fldPath *field.Path, e *config.Election) field.ErrorList {
	predecessor := e.Lease.Predecessor
	if predecessor == "" {
		return nil
	}
	if e.Mode == election.VRRP {
		return field.ErrorList{field.Forbidden(fldPath, "no Lease is read in VRRP mode: use mode Hybrid for the move")}
	}
	if !IsLease(predecessor) {
		return field.ErrorList{field.Invalid(fldPath, predecessor, "must be the namespace and the name of kube-vip's Lease, such as kube-system/plndr-cp-lock")}
	}
	if predecessor == e.Lease.Namespace+"/"+e.Lease.Name {
		return field.ErrorList{field.Invalid(fldPath, predecessor, "must be another Lease than Harbinger's own")}
	}
	return nil
}
