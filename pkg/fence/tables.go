// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/ruleset"
)

// Tables returns the names of the tables that this package, in whatever process, has left in the network namespace of the calling
// thread, with those that are in use.
func Tables() ([]string, error) { return ruleset.Tables(nftables.TableFamilyNetdev, Prefix) }

// Remove removes one of Tables. The error is ErrOwned where a living process has it.
func Remove(name string) error {
	c, err := dial()
	if err != nil {
		return err
	}
	err = c.do(table{name: name}.remove())
	switch {
	case errors.Is(err, unix.ENOENT):
		err = nil
	case errors.Is(err, unix.EPERM):
		err = fmt.Errorf("table netdev %s: %w", name, ErrOwned)
	}
	return errors.Join(err, c.close())
}
