// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// RunChanged is Run, with each part that runs beside the control loop changed.
func RunChanged(
	ctx context.Context, cfg *config.HarbingerConfiguration, options Options,
	change func(name string, run func(context.Context) error) func(context.Context) error,
) error {
	s := newSidecar(cfg, options)
	defer s.closeAll(s.Log)
	if err := s.open(ctx); err != nil {
		return err
	}
	for i, p := range s.running {
		s.running[i].run = change(p.name, p.run)
	}
	return s.run(ctx)
}
