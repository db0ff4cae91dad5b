// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// probe asks for a table, which the kernel may refuse whether there is one or not.
func (c *conn) probe(name string) error {
	b := &batch{}
	b.message("read the table", unix.NFT_MSG_GETTABLE, 0, table{name: name}.named)
	_, err := c.has(b)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return &Unavailable{"this process may not use nf_tables (CAP_NET_ADMIN)", err}
	}
	return &Unavailable{"the kernel has no nf_tables, or not for the family netdev", err}
}

// has reports whether there is what a question is about.
func (c *conn) has(question *batch) (bool, error) {
	_, err := c.ask(question)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// install puts the table in place, and notes what its chains look like then.
func (f *Fence) install() error {
	err := f.conn.do(f.table.install(f.links, f.plain))
	if !f.plain && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)) {
		err = f.conn.do(f.table.install(f.links, true))
		f.plain = err == nil
	}
	if errors.Is(err, unix.ENOENT) { // before Linux 6.16 every link must exist
		if there := slices.DeleteFunc(slices.Clone(f.links), func(l link) bool { return l.index == 0 }); len(there) > 0 {
			err = f.conn.do(f.table.install(there, f.plain))
		}
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("table netdev %s: %w (%w)", f.table.name, ErrOwned, err)
	case err != nil:
		return &Unavailable{"the kernel does not take the table, which needs the egress hook (Linux 5.16) and sets with timeouts", err}
	}
	f.image, err = f.chains()
	return err
}

// chains returns what the kernel says of the chains: their handles, hooks, links and how many rules they have.
func (f *Fence) chains() ([]byte, error) {
	answers, err := f.conn.ask(f.table.ask())
	if err != nil {
		return nil, fmt.Errorf("read table netdev %s: %w", f.table.name, err)
	}
	var image []byte
	for _, a := range answers {
		image = append(image, a[min(len(a), 4):]...) // struct nfgenmsg has the generation of the whole ruleset
	}
	return image, nil
}

// intact reports whether the chains are those that were made.
func (f *Fence) intact() bool {
	image, err := f.chains()
	return err == nil && slices.Equal(image, f.image)
}
