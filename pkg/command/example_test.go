// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// A node in Backup refers whoever asks to the holder that the Lease names.
func ExampleCheckHandover() {
	backup := election.Status{State: election.Backup, Lease: election.Lease{Node: "cp-2"}}
	fmt.Println(command.CheckHandover(backup, "cp-1", ""))
	fmt.Println(command.CheckHandover(election.Status{State: election.Active}, "cp-2", ""))
	// Output:
	// this node is in state Backup and holds nothing to hand over: ask the holder, cp-2
	// <nil>
}
