// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// A fault in a question is neither an answer nor the failure of an apiserver: it is the caller's.
func TestPanicOfAQuestionIsTheCallers(t *testing.T) {
	err := guard.Run(func() error {
		_, _, err := hedge(t.Context(), time.Now, []*backend{{}, {}}, func(error) bool { return false },
			func(context.Context, *backend) (int, error) { panic("here") })
		t.Errorf("it goes on with %v", err)
		return err
	})
	if !strings.Contains(guard.Stack(err), "TestPanicOfAQuestionIsTheCallers") {
		t.Errorf("got %v with stack %q, want the panic and where it was", err, guard.Stack(err))
	}
}
