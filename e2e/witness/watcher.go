// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A watcher follows what becomes of the objects. When its stream ends it goes on from where it was, or from a list if the
// apiserver no longer knows what was there.
type watcher struct {
	api     *configMaps
	log     *log
	timeout time.Duration // until a stream is there

	seq int // of the last event

	mu      sync.Mutex
	streams bool
	shown   map[string]string // the last version of each object
}

// run watches until the context ends.
func (w *watcher) run(ctx context.Context) {
	pause := time.NewTicker(retryPause)
	defer pause.Stop()
	for after := ""; ctx.Err() == nil; {
		if after == "" {
			after = w.relist()
		}
		if after != "" {
			after = w.follow(ctx, after)
		}
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// relist begins from what is there, and returns its version, or nothing if there was no answer.
func (w *watcher) relist() (version string) {
	var list *corev1.ConfigMapList
	line := observe.Line{Op: observe.Relist}
	err := w.log.answer(w.timeout, &line, func(ctx context.Context) (err error) {
		list, err = w.api.list(ctx)
		line.RV = list.ResourceVersion
		return err
	})
	if err != nil {
		return ""
	}
	for _, object := range list.Items {
		w.show(object)
	}
	return list.ResourceVersion
}

// follow writes down what happens after a version until the stream ends. It returns the version to go on from, or nothing if
// the apiserver no longer knows it.
func (w *watcher) follow(ctx context.Context, after string) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.begin(ctx, cancel, after)
	if err != nil {
		return remembered(after, err)
	}
	defer stream.Close()
	w.streaming(true)
	defer w.streaming(false)
	events := json.NewDecoder(stream)
	for {
		object, err := next(events)
		if err == nil {
			w.show(object)
			after = object.ResourceVersion
			continue
		}
		if ctx.Err() == nil {
			w.seq++
			w.log.write(observe.Line{Start: time.Now(), Op: observe.Watch, Err: text(err), RV: after, Seq: w.seq})
		}
		return remembered(after, err)
	}
}

// begin opens a stream, which lives until the context is cancelled.
func (w *watcher) begin(ctx context.Context, cancel context.CancelFunc, after string) (stream io.ReadCloser, err error) {
	line := observe.Line{Op: observe.Stream, RV: after}
	err = w.log.answer(w.timeout, &line, func(opening context.Context) (err error) {
		keep := context.AfterFunc(opening, cancel)
		if stream, err = w.api.watch(ctx, after); err == nil && !keep() {
			stream.Close()
			err = errSilent
		}
		return err
	})
	return stream, err
}

// errEnded says that an apiserver has ended a stream, as it does with each after half an hour or more.
var errEnded = errors.New("the server ended the stream")

// next reads an event. The error is that of the stream, or one that the apiserver has sent as an event.
func next(events *json.Decoder) (object corev1.ConfigMap, err error) {
	var event struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := events.Decode(&event); err == io.EOF {
		return object, errEnded
	} else if err != nil {
		return object, err
	}
	if event.Type == "ERROR" {
		status := apierrors.StatusError{}
		if err := json.Unmarshal(event.Object, &status.ErrStatus); err != nil {
			return object, err
		}
		return object, &status
	}
	return object, json.Unmarshal(event.Object, &object)
}

// remembered returns the version to go on from after an error.
func remembered(after string, err error) string {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return ""
	}
	return after
}

// show writes down how an object is now.
func (w *watcher) show(object corev1.ConfigMap) {
	w.seq++
	w.log.write(about(observe.Line{Start: time.Now(), Op: observe.Watch, OK: true, Seq: w.seq}, object))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown == nil {
		w.shown = make(map[string]string)
	}
	w.shown[object.Name] = object.ResourceVersion
}

func (w *watcher) streaming(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams = yes
}

// open reports whether there is a stream.
func (w *watcher) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streams
}

// await waits until the watch has shown objects as they are, or for as long as the patience lasts.
func (w *watcher) await(objects []corev1.ConfigMap, patience time.Duration) {
	for begin := time.Now(); !w.shows(objects) && time.Since(begin) < patience; {
		time.Sleep(retryPause)
	}
}

func (w *watcher) shows(objects []corev1.ConfigMap) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, object := range objects {
		if w.shown[object.Name] != object.ResourceVersion {
			return false
		}
	}
	return true
}
