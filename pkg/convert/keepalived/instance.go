// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// What keepalived takes where a file says nothing, or nothing that it understands, and the limits of the election.
const (
	defaultPriority = 100
	ownerPriority   = 255 // of the router that owns the address
	passLength      = 8   // bytes: keepalived cuts the rest off
	claimFrom       = 240
)

// hold keeps a statement until all of the instance is read. The last one counts.
func hold(k *keepalived, s convert.Statement) bool {
	if before, twice := k.said[s.Word(0)]; twice && before.Word(1) != s.Word(1) {
		k.Fault(name(before), "it is said again in line %d, which counts", s.Line)
	}
	k.said[s.Word(0)] = s
	return false
}

// readInstance reads the one instance.
func (k *keepalived) readInstance(s convert.Statement) bool {
	switch {
	case s.Word(1) == "":
		k.Fault(s, "it has no name: keepalived skips it")
		return false
	case k.instance != nil && k.instance.Word(1) == s.Word(1):
		k.Fault(s, "there is one of this name already, in line %d: keepalived skips it", k.instance.Line)
		return false
	case k.instance != nil:
		k.Refuse(s, "there is a %s %s already: one pod has one virtual router, whose addresses move together; keep the one of the control plane in the file that is converted, and leave the others to keepalived",
			instanceBlock, k.instance.Word(1))
		return false
	}
	k.instance, k.before = &s, len(k.defined)
	k.each(instanceBlock, s.Block)
	return true
}

func (k *keepalived) readGlobalVersion(s convert.Statement) bool {
	n, ok := number(s.Word(1), 2, 3)
	if !ok {
		k.Fault(s, "want 2 or 3: keepalived takes %d", k.version)
		return false
	}
	k.version = n
	return true
}

func (k *keepalived) readChecksum(s convert.Statement) bool {
	if !on(s) {
		return false
	}
	k.cfg.Election.VRRP.Checksum = string(vrrp.ChecksumRFC9568)
	return true
}

func (k *keepalived) readStrict(s convert.Statement) bool {
	if k.strict = on(s); k.strict {
		k.Drop(s, "%s", strictly)
	}
	return false
}

// on reads a word that is true if nothing follows it.
func on(s convert.Statement) bool {
	v := s.Word(1)
	return v == "" || v == "on" || v == "true" || v == "yes"
}

// readGroup reads a multicast group: only that of the RFC is known.
func (k *keepalived) readGroup(s convert.Statement) bool {
	if addr, err := netip.ParseAddr(s.Word(1)); err == nil && (addr == netip.MustParseAddr("224.0.0.18") || addr == netip.MustParseAddr("ff02::12")) {
		k.Build(s, "it is the group of the RFC")
		return false
	}
	k.groups[s.Word(0)] = s
	return false
}

func (k *keepalived) readRouterID(s convert.Statement) bool {
	n, ok := number(s.Word(1), 1, 255)
	if !ok {
		k.Refuse(s, "want a whole number from 1 to 255, as keepalived does, which ends otherwise")
	}
	k.cfg.Election.VRRP.VirtualRouterID = new(n)
	return ok
}

// readState keeps the state: MASTER wins over a later BACKUP.
func (k *keepalived) readState(s convert.Statement) bool {
	switch before := k.said["state"]; {
	case s.Word(1) != "MASTER" && s.Word(1) != "BACKUP":
		k.Fault(s, "keepalived knows MASTER and BACKUP, and takes BACKUP")
	case before.Word(1) == "MASTER" && s.Word(1) == "BACKUP":
		k.Fault(s, "the state is MASTER already: keepalived ignores the line")
		return false
	default:
		k.Build(s, "the election decides: the file is the same on every host")
	}
	return hold(k, s)
}

func (k *keepalived) readPreempt(convert.Statement) bool {
	delete(k.said, "nopreempt")
	k.cfg.Election.VRRP.Preempt = new(true)
	return true
}

// finishInterface checks that there is one: keepalived ends without it.
func (k *keepalived) finishInterface() {
	if s, ok := k.said["interface"]; ok {
		k.cfg.Interface = s.Word(1)
		k.Take(s, "interface")
	}
	for _, dev := range k.addresses {
		switch {
		case k.cfg.Interface == "":
			k.cfg.Interface = dev.Word(len(dev.Words) - 1)
			k.Take(dev, "interface")
		case dev.Word(len(dev.Words)-1) != k.cfg.Interface:
			k.Refuse(dev, "the address must be on the interface of the instance, %q", k.cfg.Interface)
		}
	}
	if k.cfg.Interface == "" && !k.broken["interface"] {
		k.Refuse(k.shown(), "interface is missing: keepalived ends without it; add interface NAME, where the address shall be")
	}
}

// shown is the instance in a finding that no line of it has.
func (k *keepalived) shown() convert.Statement {
	return convert.Statement{File: k.instance.File, Line: k.instance.Line, Words: k.instance.Words}
}

// sixth reports whether the first address, which decides the family, is IPv6.
func (k *keepalived) sixth() bool {
	return len(k.cfg.VirtualAddresses) > 0 && strings.Contains(k.cfg.VirtualAddresses[0], ":")
}

func (k *keepalived) finishVersion() {
	v := &k.cfg.Election.VRRP
	v.Version = k.version
	s, said := k.said["version"]
	if n, ok := number(s.Word(1), 2, 3); ok {
		k.Take(s, "election.vrrp.version")
		v.Version = n
	} else if said {
		k.Fault(s, "want 2 or 3: keepalived takes %d", v.Version)
		said = false
	}
	switch {
	case k.sixth() && said && v.Version == 2:
		k.Refuse(s, "IPv6 needs version 3: set it on every host, as keepalived does where no version is said")
	case k.sixth() && v.Version == 2:
		k.Build(k.shown(), "version 3, which keepalived takes for IPv6")
		v.Version = 3
	}
	if v.VirtualRouterID == nil && !k.broken["virtual_router_id"] {
		k.Refuse(k.shown(), "virtual_router_id is missing: keepalived ends without it; add the number that the other hosts have")
	}
	if v.Version == 2 {
		v.Checksum = ""
	}
}

// finishPriority takes the priority, which keepalived derives from the state where there is none.
func (k *keepalived) finishPriority() {
	s, said := k.said["priority"]
	n, ok := number(s.Word(1), 1, 255)
	switch {
	case k.broken["priority"]:
		n = defaultPriority
	case !said && k.said["state"].Word(1) == "MASTER":
		s, n = k.said["state"], ownerPriority
	case !said:
		s, n = k.shown(), defaultPriority
	case !ok:
		k.Fault(s, "want a whole number from 1 to 255: keepalived takes %d", defaultPriority)
		n = defaultPriority
	}
	k.cfg.Election.VRRP.Priority = &n
	switch {
	case k.broken["priority"]:
	case n == ownerPriority && !said:
		k.Refuse(s, "priority is missing: with state MASTER keepalived takes %d, which is for the owner of the address; add priority 254, or less, and have less than that on the other hosts", ownerPriority)
	case n == ownerPriority:
		k.Refuse(s, "%d is for the owner of the address: give 254, or less, and have less than that on the other hosts", ownerPriority)
	case n < 11 || n >= claimFrom:
		k.Drop(s, "mode Hybrid, once keepalived is gone, wants 11 to 239 on every host")
	case n == defaultPriority:
		k.Take(s, "election.vrrp.priority: 100, the default of keepalived; where every host has it, the higher address wins")
	default:
		k.Take(s, "election.vrrp.priority: that of this host; give the others theirs (--priority) while some hosts run keepalived")
	}
}

// master reports whether keepalived starts as master. With strict mode only the owner of the address does.
func (k *keepalived) master() bool { return !k.strict && k.said["state"].Word(1) == "MASTER" }

// finishPreempt says what keepalived clears: nopreempt and preempt_delay are for hosts that start as backup.
func (k *keepalived) finishPreempt() {
	v := &k.cfg.Election.VRRP
	no, said := k.said["nopreempt"]
	switch {
	case said && k.master():
		k.Fault(no, "keepalived clears it with state MASTER, so that this host preempts, and so does the result; set election.vrrp.preempt: false if no host shall")
	case said:
		k.Take(no, "election.vrrp.preempt: false")
		v.Preempt = new(false)
	}
	delay, waits := k.said["preempt_delay"]
	if !waits {
		return
	}
	d, ok := seconds(delay.Word(1), 0, 1000)
	switch {
	case !ok:
		k.Fault(delay, "want 0 to 1000 seconds: keepalived ignores the line")
	case k.master():
		k.Fault(delay, "keepalived clears it with state MASTER: it counts on the other hosts only; set election.vrrp.preemptDelay if it shall count")
	case k.strict:
		k.Fault(delay, "keepalived clears it in strict mode")
	case v.Preempt != nil && !*v.Preempt:
		k.Fault(delay, "keepalived clears it beside nopreempt")
	default:
		k.Take(delay, "election.vrrp.preemptDelay")
		v.PreemptDelay = d
	}
}

// defaultInterval is keepalived's.
const defaultInterval = time.Second

// finishInterval rounds the interval as keepalived does: to seconds in version 2, and to hundredths of them in version 3. That of a
// file without one is written out: the default of this program is another.
func (k *keepalived) finishInterval() {
	interval := &k.cfg.Election.VRRP.AdvertisementInterval.Duration
	*interval = defaultInterval
	s, said := k.said["advert_int"]
	if !said {
		k.Take(k.shown(), "election.vrrp.advertisementInterval: %v, the default of keepalived; less on every host, once keepalived is gone, makes a takeover faster", defaultInterval)
		return
	}
	d, ok := seconds(s.Word(1), 0.01, 255)
	if !ok {
		k.Fault(s, "want 0.01 to 255 seconds: keepalived takes 1 s")
		return
	}
	unit, most := time.Second, 255*time.Second
	if k.cfg.Election.VRRP.Version == 3 {
		unit, most = 10*time.Millisecond, 40950*time.Millisecond
	}
	rounded := min(most, max(unit, d.Round(unit)))
	*interval = rounded
	if rounded != d.Duration {
		k.Fault(s, "version %d has no such interval: keepalived takes %v, and so does the result; version 3 on every host has hundredths of a second, up to 40.95", k.cfg.Election.VRRP.Version, rounded)
		return
	}
	k.Take(s, "election.vrrp.advertisementInterval")
}

func (k *keepalived) readAuthentication(s convert.Statement) bool {
	k.each(authenticationBlock, s.Block)
	return false
}

// finishAuthentication takes the password that keepalived sends.
func (k *keepalived) finishAuthentication() {
	if k.signed != nil {
		k.finishHMAC()
	}
	kind, typed := k.said["auth_type"]
	pass, given := k.said["auth_pass"]
	v, password := &k.cfg.Election.VRRP, pass.Word(1)
	switch {
	case kind.Word(1) == "AH":
		k.Refuse(kind, "only PASS is there: set it on every host, or remove the block on every host")
	case given && password == "":
		k.Refuse(name(pass), "a password is missing: keepalived ends here")
	case typed && kind.Word(1) != "PASS":
		k.Fault(kind, "keepalived knows PASS and AH: no password is sent")
	case given && !typed:
		k.Fault(name(pass), "auth_type is missing: keepalived sends no password")
	case typed && !given:
		k.Fault(kind, "auth_pass is missing: keepalived sends no password")
	case !given:
	case k.signed != nil:
		k.Drop(*k.signed, "the password is left out, as keepalived does beside it")
	case k.strict:
		k.Fault(name(pass), "keepalived has no authentication in strict mode: no password is sent")
	case v.Version == 3:
		k.Drop(k.shown(), "version 3 has no authentication: the password is left out, as keepalived does")
	default:
		k.Take(kind, "election.vrrp.authentication.type: Password")
		k.takePassword(pass, password)
	}
}

// takePassword cuts a password as keepalived does.
func (k *keepalived) takePassword(s convert.Statement, password string) {
	shown := name(s)
	if k.cut[place{s.File, s.Line}] {
		k.Fault(shown, "the password ends before # or !, where a comment begins, as for keepalived: %d bytes of it count; in double quotes it would be whole", min(passLength, len(password)))
	}
	if len(password) > passLength {
		k.Fault(shown, "only the first %d bytes count, as for keepalived", passLength)
		password = password[:passLength]
	}
	k.Take(shown, "election.vrrp.authentication: a file with the password")
	k.cfg.Election.VRRP.Authentication = v1alpha1.Authentication{Type: string(vrrp.AuthenticationPassword), Password: password}
}

// number reads a whole number as keepalived does.
func number(text string, low, high int32) (int32, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil && int32(n) >= low && int32(n) <= high
}

// seconds reads a number of seconds as keepalived does.
func seconds(text string, low, high float64) (metav1.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.") != "" || n < low || n > high {
		return metav1.Duration{}, false
	}
	return metav1.Duration{Duration: time.Duration(math.Round(n*1e6)) * time.Microsecond}, true
}
