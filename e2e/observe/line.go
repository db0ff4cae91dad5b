// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// An Op is what a line of a witness is about.
type Op string

// The requests of a witness, each with one line when it has ended.
const (
	Version Op = "version" // GET /version on a new connection
	List    Op = "list"    // ConfigMaps, over a kept connection
	Write   Op = "write"   // of one ConfigMap, over a kept connection
)

// Connect is a request of a client in a lab: one on a new connection.
const Connect Op = "connect"

// What else a witness writes down.
const (
	Watch     Op = "watch"     // OK: an event, with key, value and version; not OK: the stream broke
	Stream    Op = "stream"    // OK: a stream of events began, after the version that it names; not OK: none was available
	Relist    Op = "relist"    // the watch starts again from a list, whose version it names; a watch line for each object follows
	Heartbeat Op = "heartbeat" // of an idle witness. OK: it has a stream
	Final     Op = "final"     // OK with a key: an object when the witness ended; without: that were all, at that version
)

// A Line is what a witness writes down about one thing that happened.
type Line struct {
	Start time.Time     // to the microsecond, as Took
	Took  time.Duration // until the answer came or was given up
	Op    Op
	OK    bool
	Err   string
	Host  string // name of the host that answered, where it is known; not written
	Key   string // name of an object
	Value string // what is in it
	// RV is the resourceVersion of the object: of a write that succeeded, the one it made.
	RV string
	// Base is the resourceVersion that a write replaced or would have: an apiserver refuses a write whose base is not what is
	// there. Empty: it was to create the object.
	Base string
	// Undone says that a write was certainly not done: it was refused, or never sent. One that is neither OK nor Undone may
	// have been done.
	Undone bool
	Seq    int // counts the requests, or the events of the watch
}

// End returns when the answer came.
func (l Line) End() time.Time { return l.Start.Add(l.Took) }

// written is a Line as JSON.
type written struct {
	Start  seconds `json:"t"`
	Took   seconds `json:"took"`
	Op     Op      `json:"op"`
	OK     bool    `json:"ok"`
	Err    string  `json:"err,omitempty"`
	Key    string  `json:"key,omitempty"`
	Value  string  `json:"value,omitempty"`
	RV     string  `json:"rv,omitempty"`
	Base   string  `json:"base,omitempty"`
	Undone bool    `json:"undone,omitempty"`
	Seq    int     `json:"seq"`
}

// seconds is a time in microseconds, written as seconds.
type seconds int64

// maxSeconds keeps microseconds exact in a float64.
const maxSeconds = 9e9

func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%06d", s/1e6, s%1e6), nil
}

func (s *seconds) UnmarshalJSON(b []byte) (err error) {
	*s, err = parseSeconds(string(b))
	return err
}

func parseSeconds(text string) (seconds, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= maxSeconds) {
		return 0, fmt.Errorf("%q is no time in seconds", text)
	}
	return seconds(math.Round(f * 1e6)), nil
}

// parseTime reads seconds since 1970.
func parseTime(text string) (time.Time, error) {
	s, err := parseSeconds(text)
	return time.UnixMicro(int64(s)).UTC(), err
}

// MarshalJSON writes the line as a witness does.
func (l Line) MarshalJSON() ([]byte, error) {
	return json.Marshal(written{
		Start: seconds(l.Start.UnixMicro()), Took: seconds(l.Took.Microseconds()), Op: l.Op, OK: l.OK, Err: l.Err,
		Key: l.Key, Value: l.Value, RV: l.RV, Base: l.Base, Undone: l.Undone, Seq: l.Seq,
	})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (l *Line) UnmarshalJSON(b []byte) error {
	var w written
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if w.Start == 0 || w.Op == "" {
		return errors.New("it has no time, or no op")
	}
	*l = Line{
		Start: time.UnixMicro(int64(w.Start)).UTC(), Took: time.Duration(w.Took) * time.Microsecond, Op: w.Op, OK: w.OK, Err: w.Err,
		Key: w.Key, Value: w.Value, RV: w.RV, Base: w.Base, Undone: w.Undone, Seq: w.Seq,
	}
	return nil
}
