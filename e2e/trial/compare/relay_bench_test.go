// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/load"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// benchVariable names the environment variable with the program whose balancer is measured; not set, it is this tree's.
const benchVariable = "HARBINGER_BENCH"

// BenchmarkRelay measures the balancer alone, in the form that benchstat compares. The processor time is that of its process.
func BenchmarkRelay(b *testing.B) {
	binary := os.Getenv(benchVariable)
	if binary == "" {
		built, err := trial.Build(filepath.Join(b.TempDir(), "harbinger"))
		labtest.Must(b, err)
		binary = built.Binary
	}
	r := ours{Binary: binary}.relay("relay")
	g, err := newGround(false, []*relay{r})
	labtest.Must(b, err)
	defer g.close()
	for _, job := range []struct {
		kind     load.Kind
		parallel int
		size     int64 // of what is done once, where that is no connection and no request, in bytes
	}{
		{load.Connections, 1, 0}, {load.Connections, 64, 0}, {load.PingPong, 64, 0}, {load.Download, 1, 1 << 20}, {load.Download, 8, 1 << 20},
	} {
		b.Run(fmt.Sprintf("%s/parallel=%d", job.kind, job.parallel), func(b *testing.B) {
			b.SetBytes(job.size)
			parallel := min(job.parallel, b.N)
			result, err := g.run(r, load.Job{Kind: job.kind, Parallel: parallel, Length: time.Minute, Limit: int64(b.N) * cmp.Or(job.size, 1)})
			labtest.Must(b, err)
			if result.Failed > 0 {
				b.Fatalf("%d failed, the last one: %s", result.Failed, result.Error)
			}
			b.ReportMetric(float64(result.Took.Nanoseconds())/float64(b.N), "ns/op")
			b.ReportMetric(float64(result.Groups[relayGroup].Microseconds())/float64(b.N), "cpu-us/op")
			if job.size == 0 {
				b.ReportMetric(float64(result.Latencies.P99.Microseconds()), "p99-us")
			}
		})
	}
}
