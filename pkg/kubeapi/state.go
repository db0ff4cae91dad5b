// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// state is the content of the state file.
type state struct {
	Backends []netip.AddrPort `json:"backends"`
}

// loadEndpoints returns the apiservers that were there when the list was saved, none if there is no such file or if it is
// damaged.
func (c *Client) loadEndpoints(d Discovery) []netip.AddrPort {
	if d.StateFile == "" {
		return nil
	}
	raw, err := os.ReadFile(d.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		logging.Warn(c.log, logging.MsgKnownNotRead, logging.KeyFile, d.StateFile, logging.KeyReason, fault.Words(err))
		return nil
	}
	return d.Take(s.Backends)
}

// saveEndpoints keeps the apiservers for the next start. What cannot be kept is logged: this start does not need it.
func (c *Client) saveEndpoints(d Discovery, endpoints []netip.AddrPort) {
	if d.StateFile == "" {
		return
	}
	raw, err := json.MarshalIndent(state{endpoints}, "", "  ")
	if err == nil {
		err = d.WriteFile(d.StateFile, append(raw, '\n'))
	}
	if err != nil {
		c.log.Error(err, logging.MsgKnownNotSaved, logging.KeyFile, d.StateFile)
	}
}
