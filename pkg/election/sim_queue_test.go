// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// happening is something that will happen.
type happening struct {
	at    time.Duration
	seq   int
	of    *host  // the oracle reads nothing else that it changes; nil: it may change anything
	do    func() // nil: the timer of the host ends
	timer int    // which one
}

func (x *happening) happen() {
	switch {
	case x.do != nil:
		x.do()
	case x.timer == x.of.timer: // not one that was set anew since
		x.of.wake()
	}
}

// queue is a heap of what will happen, by time and then in the order in which it was scheduled. It is not container/heap, which has an
// allocation for each.
type queue struct {
	all []happening
	seq int
}

func (x *happening) before(y *happening) bool { return x.at < y.at || x.at == y.at && x.seq < y.seq }

func (q *queue) push(x happening) {
	q.seq++
	x.seq = q.seq
	q.all = append(q.all, x)
	i := len(q.all) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !x.before(&q.all[up]) {
			break
		}
		q.all[i] = q.all[up]
		i = up
	}
	q.all[i] = x
}

func (q *queue) pop() happening {
	n := len(q.all) - 1
	top, x := q.all[0], q.all[n]
	q.all[n] = happening{}
	q.all = q.all[:n]
	for i := 0; n > 0; {
		down := 2*i + 1
		if down+1 < n && q.all[down+1].before(&q.all[down]) {
			down++
		}
		if down >= n || !q.all[down].before(&x) {
			q.all[i] = x
			break
		}
		q.all[i] = q.all[down]
		i = down
	}
	return top
}

// fifo are events that wait.
type fifo struct {
	all  []Event
	head int
}

func (f *fifo) empty() bool   { return f.head == len(f.all) }
func (f *fifo) push(ev Event) { f.all = append(f.all, ev) }
func (f *fifo) clear()        { f.all, f.head = f.all[:0], 0 }

func (f *fifo) pop() (ev Event) {
	ev = f.all[f.head]
	if f.head++; f.empty() {
		f.clear()
	}
	return ev
}
