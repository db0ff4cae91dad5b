// SPDX-License-Identifier: Apache-2.0

// Command witness is a client of a cluster that writes down what it sees of it: a JSON object per line for each request and
// each event, as package observe reads them.
//
// Until SIGTERM it asks at a fixed pace, whether the request before was answered or not: a request that hangs delays no other.
// Half of the requests are for the version, on a new connection each time; a quarter lists ConfigMaps, and a quarter writes
// one, each over a connection that is kept. It also watches the ConfigMaps. At its end it lists them once more, with their
// values: what was acknowledged must be there.
//
// An idle witness only watches, and writes heartbeats.
//
// It writes to the server that the kubeconfig names, never asks a proxy of the environment, and makes no namespace.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	kubeconfig string
	rate       float64 // requests per second
	namespace  string  // of the ConfigMaps
	prefix     string  // of the names of those that are written
	timeout    time.Duration
	idle       bool
	heartbeat  time.Duration
}

func run(args []string, stdout, stderr io.Writer) (code int) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "witness:", err)
		return 2
	}
	w, err := newWitness(o, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "witness:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	w.run(ctx)
	return 0
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("witness", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "file with the credentials and the server to ask")
	flags.Float64Var(&o.rate, "rate", 20, "requests per second, all in all")
	writes := flags.String("writes", "default/witness", "namespace/prefix of the ConfigMaps to write; all of the namespace are listed and watched")
	flags.DurationVar(&o.timeout, "timeout", time.Second, "patience with one request")
	flags.BoolVar(&o.idle, "idle", false, "only watch")
	flags.DurationVar(&o.heartbeat, "heartbeat", 10*time.Second, "time between two lines that say that an idle witness is there")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var ok bool
	o.namespace, o.prefix, ok = strings.Cut(*writes, "/")
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.kubeconfig == "":
		err = errors.New("-kubeconfig is missing: it names the server and the credentials")
	case !ok || o.namespace == "" || o.prefix == "":
		err = fmt.Errorf("-writes %q is not of the form namespace/prefix", *writes)
	case !(o.rate > 0 && o.rate <= 1000):
		err = fmt.Errorf("-rate %v is not within 0 and 1000 requests per second", o.rate)
	case o.timeout <= 0 || o.heartbeat <= 0:
		err = errors.New("-timeout and -heartbeat must be longer than nothing")
	}
	return o, err
}
