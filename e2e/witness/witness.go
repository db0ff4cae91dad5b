// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// How long the end may take: the answer to a last list, and what the watch has yet to show. A witness has 20 s
// to end: both, and the requests that are on their way.
const (
	listPatience = 8 * time.Second
	tailPatience = 5 * time.Second
)

// retryPause is between two attempts of what is repeated until it succeeds.
const retryPause = 100 * time.Millisecond

// A witness asks, watches, and writes down what it sees.
type witness struct {
	opts    options
	log     *log
	version *versionAsker
	lister  *configMaps
	writer  *writer
	watcher *watcher
}

// newWitness returns a witness, which has not asked anything yet.
func newWitness(o options, out io.Writer) (*witness, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("-kubeconfig: %w", err)
	}
	w := &witness{opts: o, log: &log{out: json.NewEncoder(out)}}
	return w, w.connect(config)
}

// connect gives each kind of request connections of its own.
func (w *witness) connect(config *rest.Config) (err error) {
	if w.version, err = newVersionAsker(config, w.opts.timeout); err != nil {
		return err
	}
	if w.lister, err = newConfigMaps(config, w.opts); err != nil {
		return err
	}
	written, err := newConfigMaps(config, w.opts)
	if err != nil {
		return err
	}
	w.writer = newWriter(written, w.opts)
	watched, err := newConfigMaps(config, w.opts)
	w.watcher = &watcher{api: watched, log: w.log, timeout: w.opts.timeout}
	return err
}

// run does all that a witness does until the context ends.
func (w *witness) run(ctx context.Context) {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { w.watcher.run(watching) })
	if w.opts.idle {
		w.beat(ctx)
	} else {
		w.ask(ctx)
		w.watcher.await(w.last(), tailPatience)
	}
	stop()
	watch.Wait()
}

// beat says again and again whether the watch has a stream.
func (w *witness) beat(ctx context.Context) {
	ticker := time.NewTicker(w.opts.heartbeat)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			line := observe.Line{Start: now, Op: observe.Heartbeat, OK: w.watcher.open(), Seq: n}
			if !line.OK {
				line.Err = "no stream"
			}
			w.log.write(line)
		}
	}
}

// ask makes requests at the pace of the witness until the context ends, and waits for the last answers.
func (w *witness) ask(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	ticker := time.NewTicker(time.Duration(float64(time.Second) / w.opts.rate))
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			requests.Go(func() { w.request(n) })
		}
	}
}

// request makes the nth request.
func (w *witness) request(n int) {
	line := observe.Line{Op: observe.Version, Seq: n}
	do := func(ctx context.Context) error { return w.version.ask(ctx) }
	switch n % 4 {
	case 1:
		line.Op = observe.List
		do = func(ctx context.Context) error {
			list, err := w.lister.list(ctx)
			line.RV = list.ResourceVersion
			return err
		}
	case 3:
		line.Op = observe.Write
		do = func(ctx context.Context) error { return w.writer.write(ctx, &line) }
	}
	_ = w.log.answer(w.opts.timeout, &line, do) // the line says what failed
}

// last lists the objects for the last time, and returns them.
func (w *witness) last() []corev1.ConfigMap {
	begin := time.Now()
	for {
		var list *corev1.ConfigMapList
		line := observe.Line{Op: observe.Final}
		err := w.log.measure(w.opts.timeout, &line, func(ctx context.Context) (err error) {
			list, err = w.lister.list(ctx)
			return err
		})
		if err == nil {
			return w.finish(line, list)
		}
		if time.Since(begin) > listPatience {
			w.log.write(line)
			return nil
		}
		time.Sleep(retryPause)
	}
}

// finish writes down what a witness leaves behind.
func (w *witness) finish(line observe.Line, list *corev1.ConfigMapList) (left []corev1.ConfigMap) {
	for _, object := range list.Items {
		if strings.HasPrefix(object.Name, w.opts.prefix+"-") {
			left = append(left, object)
			w.log.write(about(line, object))
		}
	}
	line.RV = list.ResourceVersion
	w.log.write(line)
	return left
}
