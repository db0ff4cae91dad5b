// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/net/bpf"

// Where the kernel shows a system call to a filter (struct seccomp_data, seccomp(2)): its number, the processor's convention, and the
// lower half of each argument on the processors that have a list here.
const (
	callAt = 0
	archAt = 4
	argsAt = 16
	word   = 4
)

func argumentAt(n uint32) uint32 { return argsAt + 2*word*n }

// A verdict is what a filter returns, see seccomp(2).
type verdict uint32

// otherConvention begins the numbers of the calls that the kernel of amd64 takes by another convention (x32): nothing makes them.
const otherConvention = 0x40000000

// A program is a filter as it is made.
type program []bpf.Instruction

// returns ends the program.
func (p *program) returns(v verdict) { *p = append(*p, bpf.RetConstant{Val: uint32(v)}) }

// load takes a word of the system call.
func (p *program) load(at uint32) { *p = append(*p, bpf.LoadAbsolute{Off: at, Size: word}) }

// when returns a verdict where the word that was loaded passes a test.
func (p *program) when(test bpf.JumpTest, value uint32, v verdict) {
	*p = append(*p, bpf.JumpIf{Cond: test, Val: value, SkipFalse: 1})
	p.returns(v)
}

// A rule judges a call by its arguments. It returns for those that it allows, and goes on for the others.
type rule struct {
	call  uint32
	judge func(*program)
}

// arguments appends rules. What one of them does not allow is denied.
func (p *program) arguments(rules []rule, denied verdict) {
	for _, r := range rules {
		var body program
		r.judge(&body)
		body.returns(denied)
		*p = append(*p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: r.call, SkipFalse: uint8(len(body))})
		*p = append(*p, body...)
	}
}

// A list is what a filter is made from: calls by their numbers.
type list struct {
	arch   uint32   // of the processor
	allow  []uint32 // whatever their arguments are: the kernel remembers that, and runs no filter for them
	rules  []rule
	absent []uint32 // look as if the kernel had none
	kill   []uint32
}

// compile makes the filter of a list. A call that it does not name has the verdict otherwise.
func (l list) compile(otherwise verdict) []bpf.Instruction {
	var p program
	p.load(archAt)
	p.when(bpf.JumpNotEqual, l.arch, killed)
	p.load(callAt)
	for _, call := range l.allow {
		p.when(bpf.JumpEqual, call, allowed)
	}
	p.when(bpf.JumpGreaterOrEqual, otherConvention, killed)
	p.arguments(l.rules, otherwise)
	for _, call := range l.absent {
		p.when(bpf.JumpEqual, call, unknown)
	}
	for _, call := range l.kill {
		p.when(bpf.JumpEqual, call, killed)
	}
	p.returns(otherwise)
	return p
}
