// SPDX-License-Identifier: Apache-2.0

//go:build linux

package watch

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
)

// ClientHello returns the first record that a TLS client sends.
func ClientHello(cfg *tls.Config) ([]byte, error) {
	client, server := net.Pipe()
	var handshake sync.WaitGroup
	handshake.Go(func() { tls.Client(client, cfg).Handshake() }) // fails when it is cut off
	defer handshake.Wait()
	defer client.Close()
	defer server.Close()
	record := make([]byte, 1<<14)
	n, err := server.Read(record)
	if err != nil {
		return nil, fmt.Errorf("ask a TLS client for its ClientHello: %w", err)
	}
	return record[:n], nil
}
