// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A writer writes its objects in turn. Each write replaces the version that the writer knows, and no other: what an earlier
// one without an answer has done, or will do, cannot hide.
type writer struct {
	api  *configMaps
	free chan *object // those that no write is on its way to
}

// An object is what its writer knows of it.
type object struct {
	name    string
	known   bool   // version is up to date
	version string // empty: it is not there
}

// newWriter returns a writer with so many objects that one is free even if no request is answered.
func newWriter(api *configMaps, o options) *writer {
	objects := int(o.rate*o.timeout.Seconds()) + 1
	w := &writer{api: api, free: make(chan *object, objects)} // each object has its place
	for n := range objects {
		w.free <- &object{name: fmt.Sprintf("%s-%d", o.prefix, n)}
	}
	return w
}

// write makes the value of the next object the number of the request, and says in the line what it did.
func (w *writer) write(ctx context.Context, line *observe.Line) error {
	o := <-w.free
	defer func() { w.free <- o }()
	line.Key, line.Value = o.name, strconv.Itoa(line.Seq)
	if err := w.learn(ctx, o); err != nil {
		line.Undone = true
		return err
	}
	line.Base = o.version
	version, err := w.api.write(ctx, o.name, o.version, line.Value)
	o.known, o.version = err == nil, version
	line.RV, line.Undone = version, refused(err)
	return err
}

// learn finds out which version of an object is there, if that is not known.
func (w *writer) learn(ctx context.Context, o *object) (err error) {
	if o.known {
		return nil
	}
	o.version, err = w.api.version(ctx, o.name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// refused reports whether an error is the answer of an apiserver that it has not done what it was asked. One about itself is
// none: it may have done it.
func refused(err error) bool {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return false
	}
	code := answer.Status().Code
	return code >= 400 && code < 500
}
