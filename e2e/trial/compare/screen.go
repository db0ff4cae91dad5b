// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A screen shows the demo. On a terminal it says what is going on at the moment; elsewhere it writes plain lines only.
type screen struct {
	out      *os.File
	terminal bool
}

func newScreen(out *os.File) screen {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return screen{out: out, terminal: err == nil}
}

func (s screen) text(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

func (s screen) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.terminal {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.text("\n%s\n", text)
}

// progress says what is going on until the function it returns is called.
func (s screen) progress(format string, args ...any) (done func()) {
	if !s.terminal {
		return func() {}
	}
	s.text("… "+format, args...)
	return func() { s.text("\r\x1b[K") }
}
