// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

func TestConnections(t *testing.T) {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	list := v1alpha1.ConnectionList{
		Running: []v1alpha1.Connection{
			{Client: "192.0.2.200:40000", Frontend: "192.0.2.100:6443", Backend: "192.0.2.2:6443", Began: ago(50 * time.Hour), Active: new(ago(3 * time.Second)), Received: 1200, Sent: 3_400_000, Retried: true},
			{Client: "[2001:db8::200]:40001", Frontend: "[2001:db8::100]:6443", Began: ago(7 * time.Second)},
		},
		LeftOut: 1234,
		Ended: []v1alpha1.Connection{
			{Client: "192.0.2.201:40002", Backend: "192.0.2.2:6443", Began: ago(time.Minute), Ended: new(ago(40 * time.Second)), Reason: "BackendDown", Sent: 12},
			{Client: "evil\x1b[2J", Reason: "NoBackend"},
		},
		Passed:        []v1alpha1.PassedConnection{{Client: "192.0.2.202:40003", Frontend: "192.0.2.100:6443", Backend: "192.0.2.2:6443", State: "Established"}},
		PassedLeftOut: 2,
	}
	status := &v1alpha1.HarbingerStatus{Hosts: []v1alpha1.HostSummary{{Node: "node2", Address: "192.0.2.2"}}}
	text := terminal.Connections(list, status, terminal.Options{Now: now, Width: 120})
	want := `1,236 connections run through the balancer of this host.
CLIENT                 CAME IN BY            BACKEND  AGE  IDLE  RECEIVED    SENT  RETRIED
192.0.2.200:40000      192.0.2.100:6443      node2    2d   3s      1.2 kB  3.4 MB  yes
[2001:db8::200]:40001  [2001:db8::100]:6443  none     7s   7s         0 B     0 B
1,234 beside these, which are the oldest

3 connections are passed on by the kernel:
CLIENT             CAME IN BY        BACKEND  STATE
192.0.2.202:40003  192.0.2.100:6443  node2    Established
2 beside these

The last that have ended:
CLIENT             BACKEND  REASON       ENDED    LASTED  RECEIVED  SENT
192.0.2.201:40002  node2    BackendDown  40s ago  20s          0 B  12 B
`
	if !strings.HasPrefix(text, want) {
		t.Errorf("the text is\n%swant\n%s", text, want)
	}
	if wide := terminal.Connections(list, status, terminal.Options{Now: now, Width: 120, Wide: true}); !strings.Contains(wide, "192.0.2.2:6443") {
		t.Errorf("the wide text has no addresses of backends:\n%s", wide)
	}
	for _, width := range []int{20, 40, 80, 300} {
		fits(t, fmt.Sprintf("at %d", width), terminal.Connections(list, status, terminal.Options{Now: now, Width: width}), min(width, 160))
	}
	if none := terminal.Connections(v1alpha1.ConnectionList{}, status, terminal.Options{Now: now, Width: 80}); none != "0 connections run through the balancer of this host.\n" {
		t.Errorf("of none it says %q", none)
	}
}
