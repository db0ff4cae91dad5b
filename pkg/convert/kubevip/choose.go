// SPDX-License-Identifier: Apache-2.0

package kubevip

import (
	"strconv"
)

// is reports whether a variable of a container is set to true.
func (c container) is(name string) bool {
	on := false
	for _, v := range c.variables {
		if v.name == name {
			on, _ = strconv.ParseBool(v.value)
		}
	}
	return on
}

// choose finds the one container that holds the address of a control plane. One for Services alone stays where it is.
func (k *kubevip) choose(all []container) (chosen container, ok bool) {
	var services []container
	for _, c := range all {
		switch {
		case c.is("svc_enable") && !c.is("cp_enable") && len(all) > 1:
			services = append(services, c)
		case ok:
			k.Refuse(c.statement(), "there is a container of kube-vip in line %d already: give the file of one", chosen.line)
			return chosen, false
		default:
			chosen, ok = c, true
		}
	}
	for _, c := range services {
		if ok {
			k.Build(c.statement(), "it serves Services alone: it stays as it is")
			continue
		}
		k.Refuse(c.statement(), "it serves Services alone, and holds no address of a control plane: it stays as it is")
	}
	return chosen, ok
}

// count returns the variables of a container that count, and notes the others: of two of one name the last counts, and a variable wins
// over a flag.
func (k *kubevip) count(c container) (counting []variable) {
	last := map[string]int{}
	for i, v := range c.variables {
		if before, again := last[v.name]; !again || !v.flag || c.variables[before].flag {
			last[v.name] = i
		}
	}
	for i, v := range c.variables {
		if winner := c.variables[last[v.name]]; last[v.name] != i {
			k.Fault(v.statement(), "it is set again in line %d, which counts", winner.line)
			continue
		}
		counting = append(counting, v)
	}
	for _, reference := range c.references {
		k.Refuse(reference.statement(), "variables of it are elsewhere: put the %s into the file, or the variables into the container", reference.elsewhere)
	}
	return counting
}
