// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"os"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// etcdCopy is where a host keeps a copy of its member's data.
const etcdCopy = "/var/lib/etcd.copy"

// CopyEtcd copies what a host's member has stored: a frozen one's data is like that of one that was killed.
func (k *Kubernetes) CopyEtcd(h *lab.Host) error {
	return h.Do(func() error {
		if err := os.RemoveAll(etcdCopy); err != nil {
			return err
		}
		return os.CopyFS(etcdCopy, os.DirFS(etcdDirectory))
	})
}

// RestoreEtcd replaces what a host's member has stored by the last copy. The member must not run.
func (k *Kubernetes) RestoreEtcd(h *lab.Host) error {
	return h.Do(func() error {
		if err := os.RemoveAll(etcdDirectory); err != nil {
			return err
		}
		return os.CopyFS(etcdDirectory, os.DirFS(etcdCopy))
	})
}
