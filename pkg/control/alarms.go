// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

const (
	// senderEvery is how often the sender of forged advertisements is looked for at most: there may be thousands a second.
	senderEvery = 100 * time.Millisecond
	// senderTime is for how long it is looked for after an alarm that could not name it.
	senderTime = 5 * time.Second
	// alarmEvery is how often a standing alarm of one kind is an Event, and how often the log has another host of it, at most; the
	// metric counts every one.
	alarmEvery = 10 * time.Second
	// alarmGone is after how long without its cause an alarm is over: one that comes and goes is one.
	alarmGone = 5 * time.Second
	// alarmQuiet is the same for alarms whose cause shows in nothing but the alarm.
	alarmQuiet = time.Minute
)

// broken are the alarms that say that clients are not served, or may reach another host. The others are to be looked at.
var broken = map[election.AlarmKind]bool{
	election.Filtered: true, election.ForeignHolder: true, election.AddressConflict: true, election.AddressUnkeepable: true, election.Unreachable: true,
}

// remedies say what to do about an alarm.
var remedies = map[election.AlarmKind]string{
	election.Filtered:          "let IP protocol 112 and the identity port through between the nodes: harbinger status names the place and the command",
	election.ForeignHolder:     "find the host by its hardware address and free the virtual address there",
	election.AddressConflict:   "find the host by its hardware address and free the virtual address there",
	election.IntervalClamped:   "correct the advertisement interval of that node",
	election.DuplicateAddress:  "give one of the two hosts another address",
	election.AddressUnkeepable: "see which action fails, and what uses the CPU of this host",
	election.ClaimIgnored:      "give hosts with keepalived a priority below 240",
	election.Forged:            "find the host by its hardware address; sign the advertisements",
	election.Unreachable:       "open the port of the control plane on this host; harbinger status says who does not reach it",
}

// standing is an alarm whose end has not been written.
type standing struct {
	since, seen time.Time // first and last
	logged      time.Time
	owner       string
	source      netip.Addr
}

// caused reports whether the cause of an alarm shows in the status. Known is false for one whose cause never does.
func caused(kind election.AlarmKind, e election.Status) (yes, known bool) {
	switch kind {
	case election.Filtered:
		return e.SplitSuspected, true
	case election.ForeignHolder, election.AddressConflict:
		return e.Conflict != "", true
	case election.Unreachable:
		return e.Unreachable, true
	case election.Forged:
		return e.Forged.IsValid(), true
	case election.IntervalClamped, election.DuplicateAddress, election.AddressUnkeepable, election.ClaimIgnored:
	}
	return false, false
}

// alarm takes an alarm of the election: the log has one line when it begins and when it is about another host, and one at its end.
func (l *Loop) alarm(a election.Alarm) {
	kind := a.Kind.String()
	l.cfg.Metrics.Alarm(kind)
	now := l.cfg.Now()
	named := a.Kind == election.Forged && l.forged(now, &a)
	s, known := l.standing[a.Kind]
	if !known {
		s = &standing{since: now}
		l.standing[a.Kind] = s
	}
	s.seen = now
	other := a.Owner != "" && a.Owner != s.owner || a.Source.IsValid() && a.Source != s.source
	if !known || named || other && now.Sub(s.logged) >= alarmEvery {
		l.writeAlarm(a, s)
	}
	if last, ok := l.alarmed[kind]; !ok || now.Sub(last) >= alarmEvery || named {
		l.alarmed[kind] = now
		l.cfg.Notice(kind, a.Detail, true)
	}
}

// writeAlarm writes an alarm that begins or has changed.
func (l *Loop) writeAlarm(a election.Alarm, s *standing) {
	s.logged, s.owner, s.source = l.cfg.Now(), a.Owner, a.Source
	log := l.cfg.Log.WithValues(logging.KeyKind, a.Kind.String(), logging.KeyHardwareAddress, a.Owner, logging.KeyReason, a.Detail, logging.KeyRemedy, remedies[a.Kind])
	if broken[a.Kind] {
		log.Error(nil, logging.MsgAlarmRaised)
	} else {
		logging.Warn(log, logging.MsgAlarmRaised)
	}
}

// endAlarms writes which alarms are over.
func (l *Loop) endAlarms(now time.Time, e election.Status) {
	for kind, s := range l.standing {
		yes, known := caused(kind, e)
		gone := alarmGone
		if !known {
			gone = alarmQuiet
		}
		switch {
		case yes:
			s.seen = now
		case now.Sub(s.seen) >= gone:
			delete(l.standing, kind)
			l.cfg.Log.Info(logging.MsgAlarmCleared, logging.KeyKind, kind.String(), logging.KeyHardwareAddress, s.owner, logging.KeyLasted, lasted(s.since, s.seen))
		}
	}
}

// lasted is the time between two moments, for people.
func lasted(from, to time.Time) string { return to.Sub(from).Round(time.Millisecond).String() }

// traceForger looks once more for the host that an alarm could not name, and raises the alarm again with its hardware address. Its
// next packet shows it, and the next alarm may come much later.
func (l *Loop) traceForger() {
	now := l.cfg.Now()
	if l.nameless == nil || now.Sub(l.forgery.looked) < senderEvery {
		return
	}
	a := *l.nameless
	s := l.standing[a.Kind]
	if s == nil || now.Sub(l.namelessAt) > senderTime {
		l.nameless = nil
	} else if l.forged(now, &a) {
		l.writeAlarm(a, s)
		l.cfg.Notice(a.Kind.String(), a.Detail, true)
	}
}

// forged notes a forged advertisement and adds the hardware address that it came from to the alarm. It reports whether that is
// news: an alarm before it has not named the host.
func (l *Loop) forged(now time.Time, a *election.Alarm) (news bool) {
	if !a.Source.IsValid() { // it is about no advertisement
		return false
	}
	before := l.forgery
	l.forgery = Forgery{Source: a.Source, HardwareAddress: before.HardwareAddress, At: now, looked: before.looked}
	if before.Source != a.Source || now.Sub(before.looked) >= senderEvery {
		l.forgery.HardwareAddress, l.forgery.looked = "", now
		for _, p := range l.cfg.Ports {
			if found := p.Conn.HardwareAddress(a.Source); found != "" {
				l.forgery.HardwareAddress = found
			}
		}
	}
	if a.Owner = l.forgery.HardwareAddress; a.Owner == "" {
		if l.nameless == nil || l.nameless.Source != a.Source {
			nameless := *a
			l.nameless, l.namelessAt = &nameless, now
		}
		return false
	}
	l.nameless = nil
	a.Detail += fmt.Sprintf(" (hardware address %s)", a.Owner)
	return before.Source == a.Source && before.HardwareAddress == ""
}
