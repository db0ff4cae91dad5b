// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

func TestUnreachable(t *testing.T) {
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	request := func(err error) error { return &url.Error{Op: "Get", URL: "https://192.0.2.1:6443/readyz", Err: err} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{dial(syscall.ECONNREFUSED), true},
		{dial(syscall.ETIMEDOUT), true},
		{dial(syscall.EHOSTUNREACH), true},
		{request(context.DeadlineExceeded), true},
		{request(io.EOF), true},
		{request(dial(syscall.ECONNRESET)), true},
		{fmt.Errorf("read the answer: %w", io.ErrUnexpectedEOF), true},
		{errors.New("GET https://192.0.2.1:6443/readyz: 500 Internal Server Error"), false},
		{request(&net.OpError{Op: "remote error", Err: tls.AlertError(42)}), false},
		{dial(syscall.EMFILE), false},
		{dial(syscall.EADDRNOTAVAIL), false},
		{context.Canceled, false},
	} {
		if got := unreachable(test.err); got != test.want {
			t.Errorf("%v: unreachable is %t", test.err, got)
		}
	}
}

// BenchmarkConnect makes connections through a balancer to a backend in this process, one after the other in each of
// several goroutines. What it counts includes client and backend.
func BenchmarkConnect(b *testing.B) {
	a := newGreeter(b, "a")
	v := &verdicts{}
	v.set(a.address, nil)
	balancer := newBalancer(b, v, testSettings(balance.Backend{Address: a.address}))
	balancer.untilStates(b, "Healthy")
	for name, address := range map[string]func() error{
		"direct":   func() error { return connect(a.address) },
		"balancer": func() error { return connect(balancer.address) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := address(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
