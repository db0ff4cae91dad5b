// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// A Load is the number of requests of the sidecars to the API servers in a time.
type Load struct {
	Writes, Reads int // of Leases
	Other         map[string]int
}

// An auditEvent is the part of an audit record that is counted.
type auditEvent struct {
	Stage                    string    `json:"stage"`
	Verb                     string    `json:"verb"`
	RequestURI               string    `json:"requestURI"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	ObjectRef                *struct {
		Resource string `json:"resource"`
		APIGroup string `json:"apiGroup"`
	} `json:"objectRef"`
}

// Load returns the requests of the sidecars since a time, from the audit records of the API servers, which have every
// request of an authenticated user but those of the administrator and the servers.
func (p *Plane) Load(since time.Time) (Load, error) {
	load := Load{Other: map[string]int{}}
	for _, n := range p.Nodes {
		records, err := n.ReadFile(guest.AuditFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return load, err
		}
		for line := range strings.Lines(records) {
			var event auditEvent
			if json.Unmarshal([]byte(line), &event) == nil && event.RequestReceivedTimestamp.After(since) {
				load.add(event)
			}
		}
	}
	return load, nil
}

// add counts a request once: at the stage that ends it, or that starts a watch.
func (l *Load) add(event auditEvent) {
	watch := event.Verb == "watch"
	if watch != (event.Stage == "ResponseStarted") {
		return
	}
	if event.ObjectRef == nil {
		l.Other[event.Verb+" "+event.RequestURI]++
		return
	}
	switch isLease := event.ObjectRef.APIGroup == "coordination.k8s.io" && event.ObjectRef.Resource == "leases"; {
	case !isLease:
		l.Other[event.Verb+" "+event.ObjectRef.Resource]++
	case event.Verb == "get" || event.Verb == "list" || watch:
		l.Reads++
	default:
		l.Writes++
	}
}
