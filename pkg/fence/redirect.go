// SPDX-License-Identifier: Apache-2.0

package fence

// filters reads what tc(8) does with the frames that come by a link.
type filters struct{}

func newFilters() (*filters, error) { return &filters{}, nil }

func (*filters) close() error { return nil }

// bypassed returns *Unavailable where frames of a link pass the fence by.
func (f *Fence) bypassed() error { return nil }
