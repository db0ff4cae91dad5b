// SPDX-License-Identifier: Apache-2.0

// Package page renders the status of one node as a page for people: one banner with what is worst, then the hosts, who held the
// virtual addresses when, and everything else that the status has.
//
// The page is whole without JavaScript. With it the page asks for its content again every second and changes in place what is
// another, so that a selection, the focus and the place where somebody reads stay. Nothing is loaded from elsewhere, and the
// policy for the browser allows only the one style and the one script of this package. Every string of a status may come from
// another host: each is written as text. Only that style and that script are written as they are.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	g "maragu.dev/gomponents"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

//go:embed page.css
var style string

//go:embed page.js
var script string

// code names the style and the script, so that a page of another version is found.
var code = digest(style + script)

// Headers returns those that the page is served with.
func Headers() map[string]string {
	return map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src '" + digest(style) + "'; script-src '" + digest(script) +
			"'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
	}
}

// digest is how a policy names a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the page.
func Write(w io.Writer, s *v1alpha1.HarbingerStatus, now time.Time) error {
	return write(w, newDocument(s, now).page())
}

// WriteContent writes the part of the page that changes: what the script asks for.
func WriteContent(w io.Writer, s *v1alpha1.HarbingerStatus, now time.Time) error {
	return write(w, newDocument(s, now).content())
}

func write(w io.Writer, node g.Node) error {
	if err := node.Render(w); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
