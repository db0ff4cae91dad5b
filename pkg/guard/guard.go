// SPDX-License-Identifier: Apache-2.0

// Package guard makes an error of a panic, so that no fault in one goroutine ends the process before its holder of the virtual
// addresses has given them up. What Go cannot recover from (a data race in a map, no memory) is left to their finite lifetime.
package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A Panic is what a function panicked with, as an error.
type Panic struct {
	Value any
	Stack string // of the goroutine that panicked
}

// Error implements error. It leaves the stack out, which has many lines.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Run calls a function and returns its error, which is a Panic where it panicked.
func Run(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = newPanic(value)
		}
	}()
	return f()
}

// newPanic keeps the stack of a panic that went through another goroutine before.
func newPanic(value any) *Panic {
	if p, ok := value.(*Panic); ok {
		return p
	}
	return &Panic{Value: value, Stack: string(debug.Stack())}
}

// Stack returns the stack of the panic that an error is, or nothing.
func Stack(err error) string {
	if p := (*Panic)(nil); errors.As(err, &p) {
		return p.Stack
	}
	return ""
}

// A Group is an errgroup.Group for which a panic is the error of its function.
type Group struct{ group *errgroup.Group }

// WithContext returns a Group and a context that ends with the first error, as errgroup.WithContext does.
func WithContext(ctx context.Context) (Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	return Group{g}, ctx
}

// Go calls a function in a goroutine of its own.
func (g Group) Go(f func() error) { g.group.Go(func() error { return Run(f) }) }

// Wait waits for all functions and returns the first error.
func (g Group) Wait() error { return g.group.Wait() }

// Workers are goroutines whose panics are those of the one that waits for them.
type Workers struct {
	running sync.WaitGroup
	once    sync.Once
	failed  error
}

// Go calls a function in a goroutine of its own.
func (w *Workers) Go(f func()) {
	w.running.Go(func() {
		if err := Run(func() error { f(); return nil }); err != nil {
			w.once.Do(func() { w.failed = err })
		}
	})
}

// Wait waits for all functions, and panics with the first panic of theirs.
func (w *Workers) Wait() {
	w.running.Wait()
	if w.failed != nil {
		panic(w.failed)
	}
}
