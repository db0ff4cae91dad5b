// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"testing"
	"time"
)

func TestDecisionOfASidecar(t *testing.T) {
	const output = `{"time":"2026-11-29T12:00:01.5Z","level":"INFO","msg":"State changed","from":"Backup","to":"Active"}
{"time":"2026-11-29T12:00:02Z","level":"INFO","msg":"State changed","from":"Active","to":"Backup"}
no line of a log
{"time":"2026-11-29T12:00:03.25Z","level":"INFO","msg":"Holder changed","from":"node2","to":"Active"}
{"time":"2026-11-29T12:00:04.125Z","level":"INFO","msg":"State changed","from":"Backup","to":"Active"}
`
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]time.Time{
		0: noon.Add(1500 * time.Millisecond), 2 * time.Second: noon.Add(4125 * time.Millisecond), 5 * time.Second: {},
	} {
		if got := decidedAt(output, noon.Add(after)); !got.Equal(want) {
			t.Errorf("decided %v after %v, want %v", got, after, want)
		}
	}
}
