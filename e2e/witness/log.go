// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A log writes lines, each whole.
type log struct {
	mu  sync.Mutex
	out *json.Encoder
}

// write adds a line. One that cannot be written is missing, which the reader of the log notices.
func (l *log) write(line observe.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.out.Encode(line)
}

// answer makes a request and writes its line.
func (l *log) answer(timeout time.Duration, line *observe.Line, do func(context.Context) error) error {
	err := l.measure(timeout, line, do)
	l.write(*line)
	return err
}

var errSilent = errors.New("no answer in time")

// measure makes a request, and completes its line.
func (l *log) measure(timeout time.Duration, line *observe.Line, do func(context.Context) error) error {
	ctx := logr.NewContext(context.Background(), logr.Discard()) // what client-go would log is in the errors
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSilent)
	defer cancel()
	line.Start = time.Now()
	err := do(ctx)
	line.Took = time.Since(line.Start)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	line.OK, line.Err = err == nil, text(err)
	return err
}

// text returns an error without the URL, which is the same in all lines.
func text(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// about returns the line with what it says about an object.
func about(line observe.Line, object corev1.ConfigMap) observe.Line {
	line.Key, line.Value, line.RV = object.Name, object.Data[valueKey], object.ResourceVersion
	return line
}
