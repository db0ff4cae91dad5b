// SPDX-License-Identifier: Apache-2.0

// Package page renders the status of one node as a page for people: one banner with what is worst, then the hosts, who held the
// virtual addresses when, and everything else that the status has.
//
// The page is whole without JavaScript. With it the page asks for its content again every second and changes in place what is
// another, so that a selection, the focus and the place where somebody reads stay. Nothing is loaded from elsewhere, and the
// policy for the browser allows only the one style and the one script of this package. Every string of a status may come from
// another host: the template writes them as text.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

//go:embed page.js
var script string

var parsed = template.Must(template.New("").Funcs(template.FuncMap{
	"style":  func() template.HTML { return template.HTML("<style>" + style + "</style>") },
	"script": func() template.HTML { return template.HTML("<script>" + script + "</script>") },
	"code":   func() string { return digest(style + script) },
}).Parse(source))

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
	return write(w, "page", s, now)
}

// WriteContent writes the part of the page that changes: what the script asks for.
func WriteContent(w io.Writer, s *v1alpha1.HarbingerStatus, now time.Time) error {
	return write(w, "content", s, now)
}

func write(w io.Writer, name string, s *v1alpha1.HarbingerStatus, now time.Time) error {
	if err := parsed.ExecuteTemplate(w, name, newDocument(s, now)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
