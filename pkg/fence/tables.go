// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Tables returns the names of the tables that this package, in whatever process, has left in the network namespace of the calling
// thread, with those that are in use.
func Tables() (names []string, err error) {
	conn, err := nftables.New()
	if errors.Is(err, unix.EPROTONOSUPPORT) { // a kernel without netfilter
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) { // a kernel without nf_tables
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the tables of nf_tables: %w", err)
	}
	for _, t := range tables {
		if strings.HasPrefix(t.Name, Prefix) {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

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
