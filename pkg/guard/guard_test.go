// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// A panic is an error like another one, and knows where it was.
func ExampleRun() {
	var unset map[string]int
	err := guard.Run(func() error { unset["answers"] = 42; return nil })
	fmt.Println(err)
	fmt.Println(strings.Contains(guard.Stack(err), "ExampleRun"))
	// Output:
	// panic: assignment to entry in nil map
	// true
}

func explode() { panic("here") }

func wantPanic(t *testing.T, err error) {
	t.Helper()
	if p := (*guard.Panic)(nil); !errors.As(err, &p) || p.Value != "here" || !strings.Contains(guard.Stack(err), "explode") {
		t.Errorf("got %v with stack %q, want the panic and where it was", err, guard.Stack(err))
	}
}

func TestRunReturnsTheErrorOfItsFunction(t *testing.T) {
	want := errors.New("of the function")
	if err := guard.Run(func() error { return want }); !errors.Is(err, want) || guard.Stack(err) != "" {
		t.Errorf("got %v with stack %q, want %v", err, guard.Stack(err), want)
	}
	if err := guard.Run(func() error { return nil }); err != nil || guard.Stack(err) != "" {
		t.Errorf("got %v, want nothing", err)
	}
}

func TestPanicOfAGroupEndsTheOthers(t *testing.T) {
	g, ctx := guard.WithContext(t.Context())
	g.Go(func() error { <-ctx.Done(); return nil })
	g.Go(func() error { explode(); return nil })
	wantPanic(t, g.Wait())
	if !errors.As(context.Cause(ctx), new(*guard.Panic)) {
		t.Errorf("the context ended with %v", context.Cause(ctx))
	}
}

// Through any number of goroutines the stack is that of the place of the panic.
func TestPanicOfAWorkerIsThatOfItsOwner(t *testing.T) {
	done := 0
	wantPanic(t, guard.Run(func() error {
		var outer guard.Workers
		outer.Go(func() {
			var inner guard.Workers
			inner.Go(explode)
			inner.Wait()
			t.Error("the owner went on")
		})
		outer.Wait()
		return nil
	}))
	var workers guard.Workers
	workers.Go(func() { done++ })
	workers.Wait()
	if done != 1 {
		t.Error("a worker was not waited for")
	}
}
