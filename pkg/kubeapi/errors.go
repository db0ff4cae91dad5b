// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/fault"
)

// ErrRefused says that the Lease was not written because another version is stored, or none.
var ErrRefused = errors.New("another version of the lease is stored")

const (
	noAnswerInTime = "does not answer in time"
	longestReason  = 200
)

// short says what went wrong, without the method and the URL: the reader knows what was asked.
func short(err error) string {
	if s, ok := statusOf(err); ok {
		return clip(fmt.Sprintf("HTTP %d %s: %s", s.Code, http.StatusText(int(s.Code)), s.Message))
	}
	switch {
	case errors.Is(err, errOvertaken):
		return err.Error()
	case errors.Is(err, context.Canceled):
		return noAnswerInTime
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return clip(fault.Brief(err))
}

// shortOf is short with the apiserver that did not answer.
func shortOf(who netip.AddrPort, err error) string {
	if _, ok := statusOf(err); ok || errors.Is(err, errOvertaken) {
		return who.String() + ": " + short(err)
	}
	if errors.Is(err, context.Canceled) {
		err = context.DeadlineExceeded
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return clip(fault.Of(who.String(), err))
}

func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longestReason {
		s = strings.ToValidUTF8(s[:longestReason], "") + "…"
	}
	return s
}

// isAbsent reports whether an apiserver says that there is no such object. An apiserver that is starting answers 404 too, to
// everything, but not in the name of the object.
func isAbsent(err error, name string) bool {
	s, ok := statusOf(err)
	return ok && s.Reason == metav1.StatusReasonNotFound && s.Details != nil && s.Details.Name == name &&
		!apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// isRefusal reports whether an apiserver says that the stored version is not the one that a write was meant for. A write for
// an absent object that is there is refused as one that lacks the version.
func isRefusal(err error, name string) bool {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || isAbsent(err, name) {
		return true
	}
	s, ok := statusOf(err)
	return ok && s.Reason == metav1.StatusReasonInvalid && s.Details != nil &&
		slices.ContainsFunc(s.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.resourceVersion" })
}

// statusOf returns what an apiserver has said.
func statusOf(err error) (metav1.Status, bool) {
	if said, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return said.ErrStatus, true
	}
	return metav1.Status{}, false
}
