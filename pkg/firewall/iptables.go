// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// readLegacy reads the rules of iptables-legacy by its own program, where this network namespace has any. The files name its tables.
func (r *Ruleset) readLegacy() {
	for _, f := range []struct{ tables, family, program string }{
		{"/proc/thread-self/net/ip_tables_names", "ip", "iptables"}, {"/proc/thread-self/net/ip6_tables_names", "ip6", "ip6tables"},
	} {
		tables, err := os.ReadFile(f.tables)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(tables) == 0 {
			continue
		}
		var rules string
		if err == nil {
			rules, err = save(f.program)
		}
		if err != nil {
			r.Unread = append(r.Unread, fmt.Sprintf("the rules of %s-legacy: %v", f.program, err))
			continue
		}
		r.parse(f.family, rules)
	}
}

// save returns the rules of a program of iptables that keeps its own.
func save(program string) (string, error) {
	for _, name := range []string{program + "-legacy-save", program + "-save"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if name == program+"-save" {
			if version, err := exec.Command(program, "--version").Output(); err != nil || strings.Contains(string(version), "nf_tables") {
				continue
			}
		}
		out, err := exec.Command(path).Output()
		return string(out), err
	}
	return "", fmt.Errorf("there is no %s-legacy-save here to ask for them", program)
}

// The hooks and priorities of the tables of iptables that filter what arrives or is passed on.
var legacyBases = map[string]map[string]chain{
	"raw":      {"PREROUTING": {hook: hookPrerouting, priority: -300}},
	"mangle":   {"PREROUTING": {hook: hookPrerouting, priority: -150}, "INPUT": {hook: hookInput, priority: -150}, "FORWARD": {hook: hookForward, priority: -150}},
	"filter":   {"INPUT": {hook: hookInput}, "FORWARD": {hook: hookForward}},
	"security": {"INPUT": {hook: hookInput, priority: 50}, "FORWARD": {hook: hookForward, priority: 50}},
}

// parse reads what iptables-save prints.
func (r *Ruleset) parse(family, rules string) {
	ufw := strings.Contains(rules, "\n:ufw")
	table := ""
	for line := range strings.Lines(rules) {
		words := split(strings.TrimSpace(line))
		switch {
		case len(words) == 0:
		case words[0][0] == '*':
			table = words[0][1:]
		case words[0][0] == ':' && len(words) > 1:
			c := &chain{key: chainKey{IPTablesLegacy, family, table, words[0][1:]}, tool: IPTablesLegacy, drops: words[1] == "DROP"}
			if ufw {
				c.tool = UFW
			}
			r.chains[c.key] = c
			if base, ok := legacyBases[table][c.key.name]; ok {
				c.hook, c.priority = base.hook, base.priority
				r.bases = append(r.bases, c)
			}
		case words[0] == "-A" && len(words) > 1:
			if c := r.chains[chainKey{IPTablesLegacy, family, table, words[1]}]; c != nil {
				c.rules = append(c.rules, parseRule(fmt.Sprintf("rule %d", len(c.rules)+1), words[2:]))
			}
		}
	}
}

// split takes a line apart at its spaces, but for those between quotes.
func split(line string) (words []string) {
	quoted := false
	parts := strings.FieldsFunc(line, func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return c == ' ' && !quoted
	})
	for _, part := range parts {
		words = append(words, strings.ReplaceAll(part, `"`, ""))
	}
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// condition is an option of a rule that a packet meets or not.
type condition struct {
	option   string
	values   []string
	inverted bool
}

// parseRule reads the options of a rule. What follows its target belongs to that.
func parseRule(name string, words []string) rule {
	var conditions []condition
	end := verdict{}
	for i := 0; i < len(words); i++ {
		inverted := words[i] == "!"
		if inverted {
			i++
		}
		if i+1 < len(words) && (words[i] == "-j" || words[i] == "-g") {
			end = target(words[i+1], words[i] == "-g")
			break
		}
		c := condition{option: word(words, i), inverted: inverted}
		for i+1 < len(words) && words[i+1] != "!" && !strings.HasPrefix(words[i+1], "-") {
			i++
			c.values = append(c.values, words[i])
		}
		conditions = append(conditions, c)
	}
	return rule{name, func(p *image) []alternative {
		holds := yes
		for _, c := range conditions {
			holds = min(holds, c.met(p).unless(c.inverted))
		}
		return []alternative{{holds, end}}
	}}
}

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

// target is what a rule does: some targets go on with the next rule.
func target(name string, forGood bool) verdict {
	switch name {
	case "ACCEPT":
		return verdict{kind: accept}
	case "DROP", "REJECT":
		return verdict{kind: drop}
	case "RETURN":
		return verdict{kind: back}
	case "NFQUEUE", "QUEUE", "TPROXY", "SYNPROXY":
		return verdict{kind: elsewhere}
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "AUDIT", "CLASSIFY", "TCPMSS", "TOS", "DSCP", "TTL", "HL", "SECMARK",
		"CONNSECMARK", "CHECKSUM", "SET", "RATEEST", "TEE", "LED":
		return verdict{kind: goOn}
	}
	if forGood {
		return verdict{jumpForGood, name}
	}
	return verdict{jump, name}
}

// met answers for an option, by its name in what iptables-save prints.
func (c condition) met(p *image) truth {
	value := word(c.values, 0)
	switch c.option {
	case "-m", "--comment":
		return yes
	case "-i":
		return named(value, p.Interface)
	case "-o":
		return named(value, p.out().Name)
	case "-s", "-d":
		prefix, err := netip.ParsePrefix(value)
		if err != nil {
			return maybe
		}
		if c.option == "-s" {
			return p.from(prefix)
		}
		return is(prefix.Contains(p.To))
	case "-p":
		return is(protocol(value, p.Protocol))
	case "--dport", "--dports":
		return is(p.Protocol == TCP && slices.ContainsFunc(strings.Split(value, ","), func(ports string) bool { return within(ports, p.Port) }))
	case "--ctstate", "--state":
		return is(slices.Contains(strings.Split(value, ","), "NEW"))
	case "--icmp-type", "--icmpv6-type":
		kind, _, code := strings.Cut(value, "/")
		return is((p.Protocol == ICMP || p.Protocol == ICMPv6) && kind == fmt.Sprint(p.transport.value[0]) && (!code || strings.HasSuffix(value, "/0")))
	case "--dst-type":
		return is(slices.Contains(strings.Split(value, ","), map[uint32]string{addressLocal: "LOCAL", addressMulticast: "MULTICAST", addressUnicast: "UNICAST"}[p.addressType()]))
	}
	return maybe
}

// named reports whether a word stands for an interface: eth0, or all whose names begin so where it ends with a plus.
func named(value, name string) truth {
	if prefix, cut := strings.CutSuffix(value, "+"); cut {
		return is(strings.HasPrefix(name, prefix))
	}
	return is(value == name)
}

// protocol reports whether a word stands for a protocol.
func protocol(value string, number uint8) bool {
	known := map[string]uint8{"tcp": TCP, "icmp": ICMP, "ipv6-icmp": ICMPv6, "icmpv6": ICMPv6, "icmp6": ICMPv6, "vrrp": VRRP}
	return value == "all" || known[value] == number || value == fmt.Sprint(number)
}

// within reports whether a port is one of a range such as 30000:32767.
func within(ports string, port uint16) bool {
	first, last, ranged := strings.Cut(ports, ":")
	if !ranged {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	return err == nil && errTo == nil && uint16(from) <= port && port <= uint16(to)
}
