// SPDX-License-Identifier: Apache-2.0

// Package ruleset finds what programs have left in the nf_tables of a host.
package ruleset

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/google/nftables"
)

// Tables returns the names of the tables of a family that begin with a prefix, in the network namespace of the calling thread. A kernel
// without nf_tables has none.
func Tables(family nftables.TableFamily, prefix string) (names []string, err error) {
	conn, err := nftables.New()
	if errors.Is(err, syscall.EPROTONOSUPPORT) { // a kernel without netfilter
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(family)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOPNOTSUPP) { // a kernel without nf_tables
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the tables of nf_tables: %w", err)
	}
	for _, t := range tables {
		if strings.HasPrefix(t.Name, prefix) {
			names = append(names, t.Name)
		}
	}
	return names, nil
}
