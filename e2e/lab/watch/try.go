// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// A Try is what an attempt of a client does on its new connection, which has a deadline. It returns the name of the host
// that answered, if the answer has it.
type Try func(net.Conn) (host string, err error)

// PlainHTTP asks in plain HTTP. That an API server refuses it proves as well that it is reached, at a tenth of the cost of
// HTTPS.
func PlainHTTP(conn net.Conn) (host string, err error) { return ask(conn, "/") }

// HTTPS makes a whole HTTPS request for a path.
func HTTPS(cfg *tls.Config, path string) Try {
	return func(conn net.Conn) (string, error) {
		secure := tls.Client(conn, cfg)
		if _, err := ask(secure, path); err != nil {
			return "", err
		}
		return guest.HostOf(secure.ConnectionState().PeerCertificates[0]), nil
	}
}

// Ask makes a request on a connection, which stays open, and returns the name of the host that answered, if the answer has it.
func Ask(conn net.Conn) (host string, err error) { return ask(conn, "/") }

func ask(conn net.Conn, path string) (host string, err error) {
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: kubernetes\r\n\r\n", path); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get(guest.NodeHeader), err
}

// serverHello is the type of the message that begins the answer to a ClientHello (RFC 8446, section 4), and serverHelloAt
// its place in the record.
const (
	serverHello   = 2
	serverHelloAt = 5
)

// Hello begins a TLS handshake with a ClientHello, and ends it with the begin of the answer: all that an API server can lose
// of a new connection, at a part of the cost of HTTPS.
func Hello(hello []byte) Try {
	return func(conn net.Conn) (string, error) {
		if _, err := conn.Write(hello); err != nil {
			return "", err
		}
		var answer [serverHelloAt + 1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil {
			return "", err
		}
		if answer[serverHelloAt] != serverHello {
			return "", fmt.Errorf("answered with % x instead of a ServerHello", answer)
		}
		return "", nil
	}
}

// ClientHello returns the first record that a TLS client sends.
func ClientHello(cfg *tls.Config) ([]byte, error) {
	client, server := net.Pipe()
	var handshake sync.WaitGroup
	handshake.Go(func() { _ = tls.Client(client, cfg).Handshake() }) // fails when it is cut off
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
