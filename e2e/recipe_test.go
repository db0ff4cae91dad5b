// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// tableOfTheRecipe asks as the end of the classic recipe does: every host by localhost, and everybody by the virtual IP.
func (s *story) tableOfTheRecipe(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	nodes, err := s.Kubectl(ctx, "get", "nodes", "-o", "wide")
	must(t, err)
	pods, err := s.Kubectl(ctx, "get", "pods", "--all-namespaces", "-o", "wide")
	must(t, err)
	t.Logf("\n%s\n%s", nodes, pods)
	ready := strings.Count(nodes, " Ready ")
	check(t, ready == len(s.Hosts()), "nodes Ready", fmt.Sprint(ready), fmt.Sprint(len(s.Hosts())))
	running := strings.Count(pods, " Running ")
	total := strings.Count(strings.TrimSpace(pods), "\n")
	check(t, running == total, "pods Running", fmt.Sprint(running), fmt.Sprint(total))

	outside, err := s.Outsider(ctx, "outside")
	must(t, err)
	for _, h := range append(s.Hosts(), outside) {
		urls := []string{"https://" + s.Endpoint() + "/"}
		if h != outside && h != s.Workers[0] {
			urls = append(urls, fmt.Sprintf("https://localhost:%d/", s.Port))
		}
		for _, url := range urls {
			answer, err := h.Run(ctx, "curl", "--silent", "--insecure", "--max-time", "5", url)
			check(t, err == nil && strings.Contains(answer, `"code": 403`) && strings.Contains(answer, `"kind": "Status"`),
				"curl "+url+" from "+h.Name, firstLineWith(answer, "code"), `"code": 403`)
		}
	}
	answer, err := outside.Run(ctx, "curl", "--silent", "--max-time", "5", "http://"+s.Endpoint()+"/")
	check(t, err == nil && strings.Contains(answer, "HTTP request to an HTTPS server"), "plain http", strings.TrimSpace(answer), "the apiserver's complaint")
}

// firstLineWith returns the line of an answer that has a word.
func firstLineWith(answer, word string) string {
	for line := range strings.Lines(answer) {
		if strings.Contains(line, word) {
			return strings.Trim(line, " ,\n")
		}
	}
	return "no " + word
}
