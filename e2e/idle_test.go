// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
)

// quietPod says a word at a signal, and nothing else.
const quietPod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "quiet"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
  "name": "quiet", "image": "%s", "imagePullPolicy": "Never",
  "command": ["bash", "-c", "trap 'echo woken' USR1; while :; do sleep 10 & wait; done"]}]}}`

var idleFor = flag.Duration("idle", 30*time.Minute, "how long streams through the balancer are without a byte")

// idle opens the streams of `kubectl get --watch` and `kubectl logs -f`, leaves them without a byte for a while, and wants to
// see one more word in each. It counts what the checks of the apiservers make these complain of meanwhile.
func (s *story) idle(t *testing.T) {
	ctx, idle := t.Context(), *idleFor
	kubectl := filepath.Join(s.Binaries, "kubectl")
	must(t, s.Workers[0].Import(ctx, s.ClassicTar))
	file := "/root/quiet.json"
	must(t, s.ControlPlane[0].Put(ctx, file, 0o644, fmt.Appendf(nil, quietPod, cluster.ClassicImage)))
	_, err := s.ControlPlane[0].Run(ctx, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "apply", "-f", file)
	must(t, err)
	_, err = s.Kubectl(ctx, "wait", "--for=condition=Ready", "pod/quiet", "--timeout=60s")
	must(t, err)
	_, err = s.Kubectl(ctx, "create", "configmap", "idle", "--from-literal=word=first")
	must(t, err)

	watch, err := s.Client(ctx, "kubectl-watch", kubectl, "get", "configmap", "idle", "--watch", "--output", "jsonpath={.data.word}{\"\\n\"}")
	must(t, err)
	logs, err := s.Client(ctx, "kubectl-logs", kubectl, "logs", "--follow", "quiet")
	must(t, err)
	s.says(t, watch, "first", time.Minute)

	began := time.Now()
	wait(t, began.Add(idle))
	_, err = s.Kubectl(ctx, "patch", "configmap", "idle", "--patch", `{"data": {"word": "second"}}`)
	must(t, err)
	_, err = s.Kubectl(ctx, "exec", "quiet", "--", "bash", "-c", "kill -USR1 1")
	must(t, err)
	s.says(t, watch, "second", 10*time.Second)
	s.says(t, logs, "woken", 20*time.Second) // bash ends its sleep first
	reached(t, "kubectl get --watch and kubectl logs -f still alive after "+seconds(idle)+" without a byte", "both spoke")
	s.handshakes(t, began)
}

// says waits until an observer has written a word.
func (s *story) says(t *testing.T, o *cluster.Observer, word string, timeout time.Duration) {
	t.Helper()
	must(t, cluster.Until(t.Context(), timeout, fmt.Sprintf("%s says %q", o.Name, word), func(ctx context.Context) error {
		text, err := o.Log(ctx, time.Time{})
		if err == nil && !strings.Contains(text, word) {
			err = fmt.Errorf("it has said %q", text)
		}
		return err
	}))
}

// handshakes counts what the apiservers have logged of broken TLS handshakes since a time.
func (s *story) handshakes(t *testing.T, since time.Time) {
	t.Helper()
	for _, h := range s.ControlPlane {
		out, err := h.Shell(t.Context(), fmt.Sprintf(`crictl logs --since %s "$(crictl ps -q --name '^kube-apiserver$')" 2>&1 | grep 'TLS handshake error' || true`,
			since.UTC().Format(time.RFC3339)))
		must(t, err)
		errors := strings.Count(out, "TLS handshake error")
		check(t, errors == 0, fmt.Sprintf("%s: TLS handshake errors in %s", h.Name, seconds(time.Since(since))), fmt.Sprint(errors), "0")
		if errors > 0 {
			t.Log(out)
		}
	}
}
