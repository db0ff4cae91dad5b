// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"cmp"
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

var (
	runningColumns = []column{
		{title: "CLIENT"}, {title: "CAME IN BY", spare: 4}, {title: "BACKEND"}, {title: "AGE", spare: 1}, {title: "IDLE", spare: 2},
		{title: "RECEIVED", spare: 3, right: true}, {title: "SENT", spare: 3, right: true}, {title: "RETRIED", spare: 5},
	}
	endedColumns = []column{
		{title: "CLIENT"}, {title: "CAME IN BY", spare: 4}, {title: "BACKEND", spare: 1}, {title: "REASON"}, {title: "ENDED", spare: 2}, {title: "LASTED", spare: 3},
		{title: "RECEIVED", spare: 3, right: true}, {title: "SENT", spare: 3, right: true}, {title: "RETRIED", spare: 5},
	}
	passedColumns = []column{{title: "CLIENT"}, {title: "CAME IN BY", spare: 4}, {title: "BACKEND", spare: 1}, {title: "STATE", spare: 2}}
)

// Connections returns the connections of a balancer as text: those that run, the oldest first, those that the kernel passes on, and the last
// that have ended. The status has the names of the nodes, which stand for the backends where the text is not wide.
func Connections(list v1alpha1.ConnectionList, s *v1alpha1.HarbingerStatus, o Options) string {
	c := newCanvas(o)
	c.gutter = 0
	names := view.NamesOf(s)
	if o.Wide {
		names = nil
	}
	n := len(list.Running) + list.LeftOut
	c.text(0, strong, view.Count(n, "connection runs", "connections run")+" through the balancer of this host.")
	var rows []row
	for _, x := range list.Running {
		r := connection(x, names)
		idle := x.Began
		if x.Active != nil {
			idle = *x.Active
		}
		r.cells = append(r.cells, cell{view.For(o.Now, x.Began), plain}, cell{view.For(o.Now, idle), plain})
		rows = append(rows, transferred(r, x))
	}
	c.table(runningColumns, rows)
	if list.LeftOut > 0 {
		c.text(0, faint, fmt.Sprintf("%s beside these, which are the oldest", view.Number(list.LeftOut)))
	}
	passed(c, list, names)
	if len(list.Ended) == 0 {
		return c.out.String()
	}
	c.out.WriteByte('\n')
	c.text(0, strong, "The last that have ended:")
	rows = nil
	for _, x := range list.Ended {
		ended, lasted := "", ""
		if x.Ended != nil {
			ended, lasted = view.Age(o.Now, *x.Ended), view.Duration(x.Ended.Sub(x.Began))
		}
		r := connection(x, names)
		r.cells = append(r.cells, cell{x.Reason, plain}, cell{ended, plain}, cell{lasted, plain})
		rows = append(rows, transferred(r, x))
	}
	c.table(endedColumns, rows)
	return c.out.String()
}

// passed lists the connections that the kernel passes on, if there are any.
func passed(c *canvas, list v1alpha1.ConnectionList, names view.Names) {
	n := len(list.Passed) + list.PassedLeftOut
	if n == 0 {
		return
	}
	c.out.WriteByte('\n')
	c.text(0, strong, view.Count(n, "connection is", "connections are")+" passed on by the kernel:")
	var rows []row
	for _, x := range list.Passed {
		rows = append(rows, row{cells: []cell{{x.Client, strong}, {x.Frontend, plain}, {names.Of(x.Backend), plain}, {x.State, plain}}})
	}
	c.table(passedColumns, rows)
	if list.PassedLeftOut > 0 {
		c.text(0, faint, view.Number(list.PassedLeftOut)+" beside these")
	}
}

// connection begins the row of a connection.
func connection(x v1alpha1.Connection, names view.Names) row {
	return row{cells: []cell{{x.Client, strong}, {x.Frontend, plain}, {cmp.Or(names.Of(x.Backend), "none"), plain}}}
}

// transferred ends it.
func transferred(r row, x v1alpha1.Connection) row {
	retried := map[bool]string{true: "yes"}[x.Retried]
	r.cells = append(r.cells, cell{view.Bytes(x.Received), plain}, cell{view.Bytes(x.Sent), plain}, cell{retried, doubt})
	return r
}
