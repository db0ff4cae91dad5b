// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// hedgeAfter is how long a request waits for one backend alone. A healthy apiserver answers in a tenth of it.
const hedgeAfter = 150 * time.Millisecond

var errNoBackends = errors.New("no apiserver to ask: the configuration has no backends, or none is healthy")

// errOvertaken ends a request that another backend has answered.
var errOvertaken = fmt.Errorf("no answer for %v: another apiserver was faster", hedgeAfter)

// backends returns the apiservers to ask now.
func (c *Client) backends() ([]*backend, error) {
	c.mu.Lock()
	s, problem := c.session, c.problem
	c.mu.Unlock()
	if s == nil {
		return nil, errors.New(problem)
	}
	backends, err := s.pick(c.opts.Backends())
	if err == nil && len(backends) == 0 {
		err = errNoBackends
	}
	return backends, err
}

// question is a request to one backend.
type question[T any] func(context.Context, *backend) (T, error)

type result[T any] struct {
	backend *backend
	value   T
	err     error
}

// hedge asks the first backend, and the next one whenever one has failed or has not answered for a while. The first answer is
// returned: a value, or an error that is one (a refusal, for instance). sent is how many were asked until then. If there is no
// answer the error says what became of each.
func hedge[T any](ctx context.Context, now func() time.Time, backends []*backend, isAnswer func(error) bool, ask question[T]) (value T, sent int, err error) {
	// What client-go would log is in the errors.
	ctx, cancel := context.WithCancelCause(logr.NewContext(ctx, logr.Discard()))
	defer cancel(errOvertaken)
	results := make(chan result[T], len(backends)) // each sends once, also after the caller has returned
	timer := time.NewTimer(hedgeAfter)
	defer timer.Stop()
	send := func() {
		if sent == len(backends) {
			return
		}
		// It ends with the context: at the latest when the caller has its answer.
		go askOne(ctx, now, backends[sent], isAnswer, ask, results)
		sent++
		timer.Reset(hedgeAfter)
	}
	failures := map[*backend]error{}
	for send(); len(failures) < len(backends); {
		select {
		case r := <-results:
			if guard.Stack(r.err) != "" {
				panic(r.err) // a fault of this program is no answer: the caller's owner ends as planned
			}
			if r.err == nil || isAnswer(r.err) {
				return r.value, sent, r.err
			}
			failures[r.backend] = r.err
			send()
		case <-timer.C:
			send()
		case <-ctx.Done():
			return value, sent, noAnswer(backends[:sent], failures)
		}
	}
	return value, sent, noAnswer(backends, failures)
}

func askOne[T any](ctx context.Context, now func() time.Time, b *backend, isAnswer func(error) bool, ask question[T], results chan<- result[T]) {
	start := now()
	var value T
	err := guard.Run(func() (err error) { value, err = ask(ctx, b); return err })
	failure := err
	switch cause := context.Cause(ctx); {
	case err == nil || isAnswer(err):
		failure = nil
	case errors.Is(cause, errOvertaken) && now().Sub(start) < hedgeAfter:
		failure = context.Canceled // it had no time to answer
	case cause != nil:
		failure = cause
	}
	b.record(now(), failure)
	results <- result[T]{b, value, err}
}

// noAnswer says why none of the backends has answered.
func noAnswer(asked []*backend, failures map[*backend]error) error {
	var parts []string
	for _, b := range asked {
		failure, ok := failures[b]
		if !ok {
			failure = context.DeadlineExceeded
		}
		parts = append(parts, shortOf(b.address, failure))
	}
	return errors.New(strings.Join(parts, "; "))
}
