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

// awaitSecrets waits until the password, or each key, can be read: at the first start they may come after the pod. Nothing is
// opened before.
func (s *sidecar) awaitSecrets(ctx context.Context) error {
	for last := ""; ; {
		err := s.readSecrets()
		if err == nil {
			return nil
		}
		if err.Error() != last {
			last = err.Error()
			if s.cfg.Election.VRRP.Signed() {
				logging.Warn(s.Log, logging.MsgKeysMissing, logging.KeyReason, last)
			} else {
				logging.Warn(s.Log, logging.MsgPasswordMissing, logging.KeyReason, last)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(filesEvery):
		}
	}
}

func (s *sidecar) readSecrets() error {
	cfg, err := withPassword(s.cfg)
	if err != nil {
		return err
	}
	keys, err := loadKeys(cfg.Election.VRRP)
	if err != nil {
		return err
	}
	s.cfg = cfg
	return s.signing.use(cfg.Election.VRRP, keys)
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
