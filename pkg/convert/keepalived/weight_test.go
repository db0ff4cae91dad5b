// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// alone gives keepalived a network of its own, with the interfaces of the files.
const alone = `ip link add eth0 type veth peer name eth7 && ip address add 10.0.0.1/24 dev eth0 && ip link set eth0 up && ip link set eth7 up &&
exec "$1" --dont-fork --log-console --no-syslog --log-detail --vrrp --use-file "$2" --pid "$2.pid" --vrrp_pid "$2.vrrp.pid"`

// effective is the line in which keepalived says what it advertises.
var effective = regexp.MustCompile(`effective priority from \d+ to (\d+)`)

// The sum that is said of the weights is the priority that a running keepalived advertises.
func TestWeightsOfARunningKeepalived(t *testing.T) {
	program, err := lab.FindProgram("keepalived")
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"a script":           scripted("weight 30", "chk"),
		"a line":             scripted("weight -30", "chk weight 3"),
		"a script, reversed": scripted("weight 30 reverse", "chk"),
		"an interface":       instance("priority 50\ntrack_interface {\n eth7 weight 15\n}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := keepalived.Convert(convert.File{Name: "file", Content: []byte(raw)}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
			sum := advertised(t, program, raw)
			if said := strings.Join(converttest.Warned(found), "\n"); !strings.Contains(said, fmt.Sprintf("keepalived advertises %s, ", sum)) {
				t.Errorf("it advertises %s, and is said to do otherwise:\n%s", sum, said)
			}
		})
	}
}

// advertised runs keepalived until it says which priority it advertises.
func advertised(t *testing.T, program, raw string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", alone, "sh", program, file)
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.WaitDelay = 10 * time.Second
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.Stderr = run.Stdout
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { _ = run.Cancel() })
	defer func() {
		late.Stop()
		_ = run.Cancel()
		_ = run.Wait()
	}()
	var all strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if sum := effective.FindStringSubmatch(lines.Text()); sum != nil {
			return sum[1]
		}
		fmt.Fprintln(&all, lines.Text())
	}
	t.Fatalf("keepalived did not say what it advertises:\n%s", &all)
	return ""
}
