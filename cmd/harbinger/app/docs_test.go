// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

const pages = "../docs/"

// shown is a command of harbinger in a page: between backquotes, or a line of a block.
var shown = regexp.MustCompile("(?m)`harbinger ([a-z][^`]*)`|^harbinger ([a-z].*)$")

// Each command that README or a page shows is one that there is, with its flags.
func TestDocumentedCommands(t *testing.T) {
	known := 0
	for _, file := range userPages(t) {
		for _, found := range shown.FindAllStringSubmatch(strings.ReplaceAll(readFile(t, file), "\\\n", ""), -1) {
			line, _, _ := strings.Cut(found[1]+found[2], " #")
			line, _, _ = strings.Cut(line, " > ")
			if r := harbinger("", append(strings.Fields(line), "--help")...); r.code != 0 {
				t.Errorf("%s shows `harbinger %s`: %s", filepath.Base(file), line, r.stderr)
			}
			known++
		}
	}
	if known < 20 {
		t.Errorf("only %d commands found in the pages", known)
	}
}

// What the pages name of the configuration exists.
func TestDocumentedFields(t *testing.T) {
	reference := readFile(t, pages+"configuration.md")
	named := regexp.MustCompile("`((?:election|loadBalancer|healthCheck|status|logging|controlPlane)\\.[.\\w\\[\\]]*)[:`]")
	for _, page := range userPages(t) {
		if strings.HasSuffix(page, "/status.md") { // whose fields are those of another API
			continue
		}
		for _, found := range named.FindAllStringSubmatch(readFile(t, page), -1) {
			if !strings.Contains(reference, "| `"+found[1]) {
				t.Errorf("%s names %s, which the configuration does not have", filepath.Base(page), found[1])
			}
		}
	}
}

// The page of signed advertisements shows a configuration that is valid, names each reason there is, and makes a key that is one.
func TestDocumentedSigning(t *testing.T) {
	page := readFile(t, pages+"signing.md")
	block := func(language string) string {
		_, rest, _ := strings.Cut(page, "```"+language+"\n")
		text, _, _ := strings.Cut(rest, "```")
		return text
	}
	harbinger("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nvirtualAddresses: [192.168.238.100/24]\n"+block("yaml"), "config", "validate", "-").want(t, 0)
	for _, reason := range vrrp.Reasons() {
		if strings.HasPrefix(reason, "hmac_") && !strings.Contains(page, "`"+reason+"`") {
			t.Errorf("signing.md does not name the reason %s", reason)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "-c", strings.ReplaceAll(block("sh"), config.Directory, dir)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := hostfile.ReadPrivate(dir + "/vrrp-keys/1")
	if err == nil {
		_, err = keyed.ParseKey(1, secret)
	}
	if err != nil {
		t.Errorf("the command makes no key: %v", err)
	}
}

// The page of the failure modes explains every alarm.
func TestEveryAlarmIsExplained(t *testing.T) {
	page := readFile(t, pages+"failure-modes.md")
	for kind := election.Filtered; kind <= election.ClaimIgnored; kind++ {
		if !strings.Contains(page, "| `"+kind.String()+"` |") {
			t.Errorf("failure-modes.md does not explain the alarm %s", kind)
		}
	}
}

// What the page says of the reasons of a move are words of the election.
func TestExplainedReasonsExist(t *testing.T) {
	sources, err := filepath.Glob("../../../pkg/election/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range sources {
		source.WriteString(readFile(t, file))
	}
	_, table, _ := strings.Cut(readFile(t, pages+"failure-modes.md"), "\n## Reading a takeover\n")
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1)
	if len(rows) < 5 {
		t.Fatalf("%d reasons found", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(source.String(), strings.ReplaceAll(row[1], "…", "%s")) {
			t.Errorf("no move has the reason %q", row[1])
		}
	}
}

// The configuration that the page points to is one: every default is spelled out, and it is valid.
func TestDefaultConfigurationIsValid(t *testing.T) {
	r := harbinger("", "config", "default")
	r.want(t, 0)
	var cfg v1alpha1.HarbingerConfiguration
	if err := yaml.UnmarshalStrict([]byte(r.stdout), &cfg); err != nil {
		t.Fatal(err)
	}
	harbinger(r.stdout, "config", "validate", "-").want(t, 0)
}
