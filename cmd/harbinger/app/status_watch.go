// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// usualWidth is the width of what is no terminal.
const usualWidth = 80

// descriptor returns the terminal behind a writer.
func descriptor(w io.Writer) (fd int, ok bool) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	return int(file.Fd()), true
}

func isTerminal(w io.Writer) bool {
	_, ok := descriptor(w)
	return ok
}

// size returns how wide and how high a terminal is; height 0: it is none, and takes every line.
func size(w io.Writer) (width, height int) {
	fd, ok := descriptor(w)
	if !ok {
		return usualWidth, 0
	}
	width, height, err := term.GetSize(fd)
	if err != nil || width <= 0 || height <= 0 { // for instance a serial line, which does not say
		return usualWidth, 0
	}
	return width, height
}

// The sequences that take over a screen and give it back, and that draw over what is on it.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	cursorHome  = "\x1b[H"
	clearLine   = "\x1b[K\n"
	clearRest   = "\x1b[J"
)

// follow shows the status every second until it is interrupted. While the sidecar does not answer it says so, and goes on.
func (o *statusOptions) follow(ctx context.Context, s streams) error {
	redraw := isTerminal(s.out) && (o.output == outputTable || o.output == outputWide)
	if redraw {
		if _, err := io.WriteString(s.out, enterScreen); err != nil {
			return err
		}
		defer io.WriteString(s.out, leaveScreen) //nolint:errcheck // a terminal that is gone needs nothing
	}
	for {
		found, err := o.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case isUsage(err):
			return err
		case redraw:
			err = o.redraw(s.out, found, err)
		case err != nil:
			_, err = fmt.Fprintln(s.err, "error:", err)
		default:
			err = o.show(s.out, found)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(statusInterval):
		}
	}
}

// redraw draws over the screen. What does not fit is left out, which the last line says.
func (o *statusOptions) redraw(w io.Writer, found seen, failure error) error {
	width, height := size(w)
	var text string
	if failure != nil {
		text = terminal.Headline(view.Headline{Severity: v1alpha1.SeverityCritical, Text: failure.Error()}, o.terminal(w, width))
	} else {
		text = found.text(o.terminal(w, width))
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height {
		rest := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("… %s", view.Count(rest, "line more", "lines more")))
	}
	_, err := io.WriteString(w, cursorHome+strings.Join(lines, clearLine)+clearRest)
	return err
}
