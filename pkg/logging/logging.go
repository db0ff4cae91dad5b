// SPDX-License-Identifier: Apache-2.0

// Package logging makes the one logger that the program hands down: structured lines through logr, JSON for machines
// or text for a terminal. It keeps no global logger and never ends the process.
package logging

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

// Format names the encoding of a line.
type Format string

// The encodings of a line.
const (
	FormatJSON Format = "JSON"
	FormatText Format = "Text"
)

// New returns a logger that writes to w. Lines of V(1) and above, one per packet or connection, are written only up to
// verbosity.
func New(w io.Writer, format Format, verbosity int) logr.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(-verbosity)}
	if format == FormatText {
		return logr.FromSlogHandler(slog.NewTextHandler(w, options))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, options))
}

// levelWarn is the level of lines of which somebody should know, as the sink of a logger counts: slog's WARN. [logr.Logger.V] has
// none below that of Info.
const levelWarn = -int(slog.LevelWarn)

// Warn writes a line of level WARN: what somebody should look at, where nothing is broken yet.
func Warn(log logr.Logger, msg string, keysAndValues ...any) {
	sink := log.GetSink()
	if sink == nil || log.GetV() > 0 || !sink.Enabled(levelWarn) {
		return // discarded, or a logger of details
	}
	sink.Info(levelWarn, msg, keysAndValues...)
}
