// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// confined is the status of a balancer process as the kernel shows it, in part.
const confined = `Name:	harbinger
Uid:	65532	65532	65532	65532
Gid:	65532	65532	65532	65532
Groups:	 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	2
`

func TestKept(t *testing.T) {
	keeper, err := parse(strings.NewReplacer("65532", "0", "Seccomp_filters:	2", "Seccomp_filters:	1").Replace(confined))
	if err != nil {
		t.Fatal(err)
	}
	uncounted := strings.Replace(confined, "Seccomp_filters:	2\n", "", 1)
	for name, tt := range map[string]struct {
		status string
		want   []string
	}{
		"nothing":                {confined, nil},
		"the user":               {strings.Replace(confined, "Uid:	65532	65532	65532	65532", "Uid:	0	0	0	0", 1), []string{"user 0"}},
		"a saved user":           {strings.Replace(confined, "Uid:	65532	65532	65532", "Uid:	65532	65532	0", 1), []string{"user 65532"}},
		"groups":                 {strings.Replace(strings.Replace(confined, "Gid:	65532", "Gid:	7", 1), "Groups:	 ", "Groups:	0 10 ", 1), []string{"group 7", "supplementary groups 0 10"}},
		"capabilities":           {strings.NewReplacer("CapEff:	0000000000000000", "CapEff:	0000000000003000", "CapBnd:	0000000000000000", "CapBnd:	0000000000000020").Replace(confined), []string{"effective capabilities 0x3000", "bounding capabilities 0x20"}},
		"new privileges":         {strings.Replace(confined, "NoNewPrivs:	1", "NoNewPrivs:	0", 1), []string{"new privileges by programs"}},
		"the filter of the pod":  {strings.Replace(confined, "Seccomp_filters:	2", "Seccomp_filters:	1", 1), []string{"every system call that the keeper has"}},
		"no filter":              {strings.Replace(uncounted, "Seccomp:	2", "Seccomp:	0", 1), []string{"every system call that the keeper has"}},
		"filters without number": {uncounted, nil},
	} {
		p, err := parse(tt.status)
		if got := p.Kept(keeper); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: it keeps %q, want %q (%v)", name, got, tt.want, err)
		}
	}
}

func TestParseNamesTheField(t *testing.T) {
	for _, status := range []string{"CapEff:	x\n", "Seccomp_filters:	x\n"} {
		field, _, _ := strings.Cut(status, ":")
		if _, err := parse(status); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%q: %v", status, err)
		}
	}
}

func TestPrivilegesOf(t *testing.T) {
	own, err := PrivilegesOf(os.Getpid())
	if err != nil || first(own.user) != "0" || own.sets["CapEff"] == 0 {
		t.Errorf("this process has %+v, %v", own, err)
	}
	if _, err := PrivilegesOf(1 << 30); !os.IsNotExist(err) {
		t.Errorf("a process that there is not: %v", err)
	}
}
