// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"crypto/tls"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

func TestHello(t *testing.T) {
	hello, err := watch.ClientHello(&tls.Config{ServerName: "kubernetes"})
	if err != nil {
		t.Fatal(err)
	}
	change := func(i int, to byte) []byte {
		changed := append([]byte(nil), hello...)
		changed[i] = to
		return changed
	}
	for name, c := range map[string]struct {
		sent       []byte
		part, over bool
	}{
		"nothing":                  {nil, true, false},
		"a part of a header":       {hello[:3], true, false},
		"a header":                 {hello[:5], true, false},
		"a part of a ClientHello":  {hello[:len(hello)-1], true, false},
		"a ClientHello":            {hello, false, false},
		"a ClientHello and a byte": {append(change(0, hello[0]), 23), false, true},
		"an alert":                 {change(0, 21), false, true},
		"another version":          {change(1, 2), false, true},
		"a record beyond TLS":      {change(3, 0x40), false, true},
		"another message":          {change(5, 2), false, true},
		"HTTP":                     {[]byte("GET / HTTP/1.1\r\n\r\n"), false, true},
	} {
		if part, over := session.Hello(c.sent); part != c.part || over != c.over {
			t.Errorf("%s: part %t, over %t, want %t, %t", name, part, over, c.part, c.over)
		}
	}
}
