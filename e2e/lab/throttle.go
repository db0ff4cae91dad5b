// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// throttlePeriod is the time, in microseconds, within which a throttled process gets its share of a processor.
const throttlePeriod = 100_000

// Throttle gives a process so many percent of one processor, until the function it returns is called, which returns an error
// if the process never wanted more. It needs the right to make control groups, of version 1 or 2.
func Throttle(pid, percent int) (end func() error, err error) {
	quota := percent * throttlePeriod / 100
	group := fmt.Sprintf("harbinger-lab-%d", pid)
	files := map[string]string{"cpu.cfs_quota_us": fmt.Sprint(quota)}
	root := "/sys/fs/cgroup/cpu"
	if _, err := os.Stat(root); err != nil {
		root, files = "/sys/fs/cgroup", map[string]string{"cpu.max": fmt.Sprint(quota, throttlePeriod)}
		// An error shows below: then the file of the group is not there.
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu"), 0)
	}
	dir := filepath.Join(root, group)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	const members = "cgroup.procs"
	end = func() error {
		stat, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
		if strings.Contains(string(stat), "nr_throttled 0\n") {
			err = fmt.Errorf("process %d never wanted more than %d %% of a processor", pid, percent)
		}
		// One that has ended is in no group.
		_ = os.WriteFile(filepath.Join(root, members), fmt.Append(nil, pid), 0)
		return errors.Join(err, os.Remove(dir))
	}
	files[members] = fmt.Sprint(pid)
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0); err != nil {
			return nil, errors.Join(fmt.Errorf("throttle process %d: %w", pid, err), end())
		}
	}
	return end, nil
}
