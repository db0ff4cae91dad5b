// SPDX-License-Identifier: Apache-2.0

// Package fault says errors of the network and of files in words for people: "192.0.2.1:6443 refuses connections" instead of
// "dial tcp 192.0.2.1:6443: connect: connection refused".
package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// longest bounds the words: an error may repeat what another host has sent.
const longest = 512

// Words says what went wrong, and with whom where the error has that. Nil: nothing.
func Words(err error) string { return clip(words(err, true)) }

// Brief is Words without the address, for where that stands beside it: "refuses connections".
func Brief(err error) string { return clip(words(err, false)) }

// Of is Words for a host that the caller knows: an error may have another name of it, or none.
func Of(who string, err error) string {
	found := cause(err)
	if found.what == "" {
		return clip(who + ": " + words(err, false))
	}
	return clip(who + " " + found.what)
}

func words(err error, named bool) string {
	if err == nil {
		return ""
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") { // errors.Join
		var parts []string
		for _, e := range all.Unwrap() {
			if part := words(e, named); !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, "; ")
	}
	found := cause(err)
	if asked, ok := errors.AsType[*url.Error](err); ok && found.what == "" {
		if found.who == "" || !named {
			return plain(asked.Err)
		}
		return found.who + ": " + plain(asked.Err)
	}
	if found.what == "" {
		return plain(err)
	}
	said := found.what
	switch {
	case named && found.who != "":
		said = found.who + " " + said
	case named && found.lone != "":
		said = found.lone
	}
	// What a caller has put before the error stays, where it does not name the same host.
	before, ok := strings.CutSuffix(err.Error(), found.of.Error())
	if !ok || !named && found.who != "" && strings.Contains(before, found.who) {
		return said
	}
	return before + said
}

// A known error: what it says of whom.
type known struct {
	of   error  // the error that the words stand for
	who  string // host and port, or file. Empty: the error does not say
	what string // predicate. Empty: the error is not known
	lone string // what is said where nobody is named, if it is something else
}

// cause finds the part of an error that has words.
func cause(err error) known {
	outer := err
	who := ""
	if asked, ok := errors.AsType[*url.Error](err); ok {
		outer, who = asked, host(asked.URL)
	}
	operation, ok := errors.AsType[*net.OpError](err)
	if ok {
		if who == "" {
			outer = operation
		}
		if operation.Addr != nil {
			who = operation.Addr.String()
		}
	}
	found := known{of: outer, who: who}
	if who == "" { // the words stand for the innermost error alone
		found.of = innermost(err)
	}
	switch {
	case certificate(err) != "":
		found.what = certificate(err)
	case ok && operation.Op == "listen":
		found.what = listening(err)
	case isTimeout(err):
		found.what, found.lone = "does not answer in time", "no answer in time"
	default:
		found.what = connection(err)
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok && found.what == "" {
		found.of, found.who, found.what = file, file.Path, reading(file)
	}
	return found
}

// innermost returns the error that all others wrap.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// host returns host and port of a URL.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// connections are the errors of a connection and their words.
var connections = []struct {
	err  error
	what string
}{
	{syscall.ECONNREFUSED, "refuses connections"},
	{syscall.ECONNRESET, "resets the connection"},
	{syscall.EPIPE, "has closed the connection"},
	{syscall.EHOSTUNREACH, "cannot be reached: no answer to ARP or neighbour discovery, or a router or firewall rejects it"},
	{syscall.EHOSTDOWN, "cannot be reached: the host is down"},
	{syscall.ENETUNREACH, "cannot be reached: this host has no route to it"},
	{io.ErrUnexpectedEOF, "closes the connection before its answer is complete"},
	{io.EOF, "closes the connection without an answer"},
	{context.Canceled, "was not waited for"},
}

// connection returns the words for an error of a connection. Empty: it is none.
func connection(err error) string {
	for _, c := range connections {
		if errors.Is(err, c.err) {
			return c.what
		}
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return "cannot be reached: no address is known for " + name.Name
	}
	operation, ok := errors.AsType[*net.OpError](err)
	if ok && operation.Op == "dial" && errors.Is(err, syscall.EPERM) {
		return "cannot be reached: a firewall of this host does not let it out (operation not permitted)"
	}
	return ""
}

// certificate returns the words for an error of TLS. Empty: it is none.
func certificate(err error) string {
	if over, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if over.Reason == x509.Expired && over.Cert != nil {
			return fmt.Sprintf("has a certificate that is not valid now: it is from %s to %s", day(over.Cert.NotBefore), day(over.Cert.NotAfter))
		}
		return "has a certificate that is not valid: " + plain(over)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "has a certificate that the cluster's CA did not sign"
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return "has a certificate that is not for " + name.Host
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "does not speak TLS"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "refuses the TLS connection: " + strings.TrimPrefix(alert.Error(), "tls: ")
	}
	return ""
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// listening returns the words for a port that cannot be listened on.
func listening(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is in use by another program"
	case errors.Is(err, syscall.EACCES):
		return "cannot be listened on: the capability NET_BIND_SERVICE is missing"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "cannot be listened on: the address is not on this host"
	}
	return ""
}

// reading returns the words for a file that cannot be used.
func reading(err *fs.PathError) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be used by this process (permission denied)"
	}
	return "cannot be used: " + plain(err.Err)
}

// plain is the text of an error that has no words of its own, on one line.
func plain(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func clip(text string) string {
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
