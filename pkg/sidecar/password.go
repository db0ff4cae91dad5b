// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// withPassword returns a configuration with the password of its file, if it names one.
func withPassword(cfg *config.HarbingerConfiguration) (*config.HarbingerConfiguration, error) {
	file := cfg.Election.VRRP.PasswordFile
	if file == "" {
		return cfg, nil
	}
	content, err := hostfile.ReadPrivate(file)
	if err != nil {
		return nil, fmt.Errorf("election.vrrp.authentication.passwordFile: %w", err)
	}
	password, err := config.ParsePassword(content)
	if err != nil {
		return nil, fmt.Errorf("election.vrrp.authentication.passwordFile: %s: %w", file, err)
	}
	return cfg.WithPassword(password), nil
}

// awaitPassword waits until the password can be read: at the first start it may come after the pod.
func (s *sidecar) awaitPassword(ctx context.Context) error {
	for last := ""; ; {
		cfg, err := withPassword(s.cfg)
		if err == nil {
			s.cfg = cfg
			return nil
		}
		if err.Error() != last {
			last = err.Error()
			s.Log.Info(logging.MsgPasswordMissing, logging.KeyReason, last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(filesEvery):
		}
	}
}

// followPassword notices a password that is another one than the sockets were opened with.
func (s *sidecar) followPassword() {
	file := s.cfg.Election.VRRP.PasswordFile
	if file == "" {
		return
	}
	now, err := withPassword(s.cfg)
	if err == nil && now.Election.VRRP.Authentication != s.cfg.Election.VRRP.Authentication {
		err = errors.New("it has another password than this process was started with: restart the pod")
	}
	s.files.used(file, err)
}
