// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Ready reports whether the balancer of a node has found all API servers healthy.
func (Harbinger) Ready(n *Node) bool {
	s, err := n.Status()
	return err == nil && len(s.Balancer.Backends) > 0 &&
		!slices.ContainsFunc(s.Balancer.Backends, func(b statusv1alpha1.Backend) bool { return !b.Healthy })
}

// Status asks Harbinger on a node for its status.
func (n *Node) Status() (s statusv1alpha1.HarbingerStatus, err error) {
	client := http.Client{
		Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true},
		Timeout:   2 * time.Second,
	}
	response, err := client.Get("http://" + v1alpha1.DefaultStatusBindAddress + "/status")
	if err != nil {
		return s, fmt.Errorf("status of %s: %w", n.Name, err)
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&s)
	return s, err
}
