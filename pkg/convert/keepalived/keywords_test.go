// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// files have a statement in each of the blocks whose statements are read.
var files = map[string]func(line string) string{
	"":              func(line string) string { return line + "\n" + instance("") },
	"global_defs":   func(line string) string { return "global_defs {\n" + line + "\n}\n" + instance("") },
	"vrrp_instance": func(line string) string { return instance(line) },
	"vrrp_script": func(line string) string {
		return "vrrp_script a {\n" + line + "\n}\n" + instance("track_script {\na\n}")
	},
	"vrrp_track_process": func(line string) string {
		return "vrrp_track_process a {\n" + line + "\n}\n" + instance("track_process {\na\n}")
	},
	"track_file": func(line string) string {
		return "track_file a {\n" + line + "\n}\n" + instance("track_file {\na weight 0\n}")
	},
	"bfd_instance": func(line string) string { return "bfd_instance a {\n" + line + "\n}\n" + instance("track_bfd {\na\n}") },
	"vrrp_sync_group": func(line string) string {
		return "vrrp_sync_group a {\ngroup {\nVI_1\n}\n" + line + "\n}\n" + instance("")
	},
}

// Each word that is not taken over gets the class and the text of its row, whatever follows it: only what is refused may end the
// conversion.
func TestKeywordsAreSaid(t *testing.T) {
	read := 0
	for _, word := range keepalived.Keywords() {
		file, ok := files[word.Block]
		if !ok || word.Class == convert.Taken || slices.Contains([]string{"track_script", "track_interface", "track_file", "vrrp_track_file", "track_process", "track_bfd", "vrrp_track_process", "bfd_instance", "vrrp_sync_group", "group",
			"state", "strict_mode", "vrrp_mcast_group6"}, word.Name) {
			continue
		}
		read++
		found := keepalived.Convert(convert.File{Name: "file", Content: []byte(file(word.Name + ` {{ x }} ${y} "{ @a $B" 'c ~SEQ( "`))}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
		if !slices.ContainsFunc(found.Of(word.Class), func(f convert.Finding) bool { return strings.HasPrefix(f.Directive, word.Name) }) {
			t.Errorf("%s %s: nothing of class %q: %v", word.Block, word.Name, word.Class, found.All())
		}
		if err := found.Err(); err != nil && word.Class != convert.Refused {
			t.Errorf("%s %s: %v", word.Block, word.Name, err)
		}
	}
	if read < 150 {
		t.Errorf("only %d words were read", read)
	}
}

func TestKeywordsAreOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, word := range keepalived.Keywords() {
		key := word.Block + " " + word.Name
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if word.Text == "" || word.Class == "" || strings.HasSuffix(word.Text, ".") {
			t.Errorf("%s: class %q, text %q", key, word.Class, word.Text)
		}
	}
}

// The real keepalived of version 2.2 or later knows the words of the table: each is in its program, unless it is of version 2.3 or
// later, or of an option that a build may leave out.
func TestKeywordsAreKeepaliveds(t *testing.T) {
	program, err := lab.FindProgram("keepalived")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := exec.Command("cat", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Fields(`auth_hmac key active_key anti_replay time_window mode use_symlink_paths set_supplementary_groups vrrp_delay_after_boot snmp_vs_stats_update_interval
		snmp_rs_stats_update_interval dbus_no_interface_name json_version state_file_location stats_file_location json_file_location iproute_usr_dir iproute_etc_dir v3_checksum_as_v2
		timer_expired_backup no_virtual_ipaddress tls_compliant include includer includem includew includeb includea config_save_dir
		vrrp_ipsets`)
	for _, word := range keepalived.Keywords() {
		// The compiler stores a short word, or the end of a longer one, in another one.
		if known := strings.Contains(string(raw), word.Name+"\x00"); !known && len(word.Name) > 7 && !slices.Contains(later, word.Name) {
			t.Errorf("%s %s is not a word of %s", word.Block, word.Name, program)
		}
	}
}

func ExampleKeywords() {
	for _, word := range keepalived.Keywords() {
		if word.Block == "vrrp_instance" && strings.HasPrefix(word.Name, "virtual_r") {
			fmt.Printf("%s (%s): %s\n", word.Name, word.Class, word.Text)
		}
	}
	// Output:
	// virtual_router_id (taken): election.vrrp.virtualRouterID
	// virtual_routes (refused): Harbinger adds no routes: give them to the network configuration of the host and remove the block
	// virtual_rules (refused): Harbinger adds no rules: give them to the network configuration of the host and remove the block
}
