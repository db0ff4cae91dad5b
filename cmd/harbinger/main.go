// SPDX-License-Identifier: Apache-2.0

// Command harbinger gives a kubeadm control plane a virtual IP and a load balancer.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
