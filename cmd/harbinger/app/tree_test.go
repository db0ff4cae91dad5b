// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

// commandsOfTree returns every command, hidden ones too.
func commandsOfTree() (all []*cobra.Command) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(app.Tree())
	return all
}

// wordsOf are those that call a command.
func wordsOf(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// The example of each command is run, on the host that the pages describe: with a configuration, a CA, the files of keepalived and
// haproxy, and a pod that answers.
func TestEveryCommandHasExamplesThatRun(t *testing.T) {
	ca := t.TempDir()
	makeCA(t, ca)
	for _, c := range commandsOfTree() {
		switch {
		case c.Hidden:
		case !c.HasExample():
			t.Errorf("%s has no example: set Example", c.CommandPath())
		case !strings.Contains(c.Example, c.CommandPath()) && c.HasParent():
			t.Errorf("the example of %s does not call it:\n%s", c.CommandPath(), c.Example)
		default:
			t.Run(c.CommandPath(), func(t *testing.T) { runExample(t, c, ca) })
		}
	}
}

func runExample(t *testing.T, c *cobra.Command, ca string) {
	host := newDocumentedHost(t, "example", ca)
	configuration := harbinger("", "config", "default").stdout
	for _, path := range []string{config.File, filepath.Join(host.dir, "config.yaml")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(configuration), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("/etc/bash_completion.d", 0o755); err != nil {
		t.Fatal(err)
	}
	if c.Name() != "run" {
		for _, paragraph := range strings.Split(c.Example, "\n\n") {
			host.run(t, &block{page: c.CommandPath() + " --help", language: "sh", text: paragraph + "\n"})
		}
		return
	}
	for _, line := range commandLines(c.Example) { // which ends with a signal
		host.runUntilItServes(t, line, configuration)
	}
}

// runUntilItServes runs a command that goes on until it is ended, and ends it when its status is served.
func (h *documentedHost) runUntilItServes(t *testing.T, line, configuration string) {
	t.Helper()
	var out strings.Builder
	cmd := h.shell(t, &block{text: "exec " + line})
	cmd.Env = append(cmd.Env, config.Variable+"="+configuration)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get("http://127.0.0.1:10443/status"); err == nil {
			response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			<-ended
			t.Fatalf("%s serves no status:\n%s", line, out.String())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("%s: %v\n%s", line, err, out.String())
	}
}

// Every help text fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	for _, c := range commandsOfTree() {
		r := harbinger("", append(wordsOf(c), "--help")...)
		r.want(t, 0)
		fits80(t, c.CommandPath()+" --help", r.stdout)
		if c.HasAvailableSubCommands() || c.Hidden {
			continue
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || !strings.Contains(r.stdout, "Usage:\n  "+c.CommandPath()) || !strings.Contains(r.stdout, "\nExamples:\n  ") {
			t.Errorf("%s: a help text has a Short without a full stop, Usage and Examples:\n%s", c.CommandPath(), r.stdout)
		}
	}
}

func fits80(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%s: %d characters: %s", name, n, line)
		}
	}
}

// Each command is in a group of the help of the program, and each flag of the large commands below a heading.
func TestHelpIsGrouped(t *testing.T) {
	for _, c := range app.Tree().Commands() {
		if c.GroupID == "" {
			t.Errorf("%s is in no group", c.CommandPath())
		}
	}
	for _, c := range commandsOfTree() {
		if !slices.Contains([]string{"manifest", "convert", "preflight", "kubeconfig"}, c.Name()) {
			continue
		}
		help := harbinger("", c.Name(), "--help").stdout
		c.Flags().VisitAll(func(f *pflag.Flag) {
			heading := app.Heading(f)
			if _, after, found := strings.Cut(help, "\n"+heading+":\n"); heading == "" || !found || !strings.Contains(after, "--"+f.Name) {
				t.Errorf("%s --%s has the heading %q in\n%s", c.Name(), f.Name, heading, help)
			}
		})
	}
	root := harbinger("").stdout
	for _, line := range []string{"\nSet up a control plane:\n", "\nOperate it:\n", "\nIn the pod:\n", "\n  completion  ", "\n  explain  "} {
		if !strings.Contains(root, line) {
			t.Errorf("no %q in\n%s", line, root)
		}
	}
	if strings.Contains(root, "\n  balancer ") {
		t.Errorf("a hidden command is shown:\n%s", root)
	}
}

// completions returns what the shell is offered, without what is said of it, and the directive.
func completions(t *testing.T, words ...string) (values []string, directive string) {
	t.Helper()
	r := harbinger("", append([]string{"__complete"}, words...)...)
	r.want(t, 0)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, line := range lines[:len(lines)-1] {
		value, _, _ := strings.Cut(line, "\t")
		values = append(values, value)
	}
	return values, lines[len(lines)-1]
}

// listed are values in a usage, as "table, json or yaml".
var listedValues = regexp.MustCompile(`^\w+(, \w+)* or \w+$|: \w+(, \w+)* or \w+$`)

// A flag that takes a text has a completion: its values, files, interfaces, or the word that only the user knows it.
func TestEveryFlagIsCompleted(t *testing.T) {
	enumerations := 0
	for _, c := range commandsOfTree() {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if slices.Contains([]string{"bool", "int", "int32", "duration"}, f.Value.Type()) {
				return
			}
			name := c.CommandPath() + " --" + f.Name
			if _, ok := c.GetFlagCompletionFunc(f.Name); !ok {
				t.Errorf("%s has no completion: add it as a choice, or call complete for it", name)
				return
			}
			want := app.Choices(f)
			if want == nil {
				if listedValues.MatchString(f.Usage) {
					t.Errorf("%s has values by its usage, %q, but is no choice", name, f.Usage)
				}
				return
			}
			enumerations++
			got, directive := completions(t, append(wordsOf(c), "--"+f.Name, "")...)
			if diff := cmp.Diff(want, got); diff != "" || directive != ":4" {
				t.Errorf("%s is completed otherwise than its values (-want +got), %s:\n%s", name, directive, diff)
			}
			if !slices.Contains(want, f.DefValue) {
				t.Errorf("the default of %s, %q, is none of %q", name, f.DefValue, want)
			}
			mistake := harbinger("", append(wordsOf(c), "--"+f.Name, "Bogus")...)
			mistake.want(t, 2, fmt.Sprintf("error: --%s %q: use %s", f.Name, "Bogus", want[0]), " or "+want[len(want)-1])
		})
	}
	if enumerations < 6 {
		t.Errorf("only %d flags have values", enumerations)
	}
}

func TestCompletionKnowsTheHost(t *testing.T) {
	end := servePod(t)
	dir := t.TempDir()
	cfg := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(cfg, []byte("global\nfrontend kube-api\n  bind *:1\nlisten other\nbackend third\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"manifest --interface ", []string{"eth0", "switch"}},
		{"manifest --ignore Ports,Wire", []string{"Ports,WireAddress", "Ports,WireRouterID", "Ports,WireRouters", "Ports,WirePeers", "Ports,WireVRRP",
			"Ports,WireIdentityPort", "Ports,WireMTU", "Ports,WireEcho"}},
		{"manifest --vrrp-version ", []string{"2", "3"}},
		{"handover --to ", []string{"n2", "n3"}},
		{"convert --haproxy " + cfg + " --frontend ", []string{"kube-api", "other"}},
		{"preflight --config ", []string{"yaml", "yml"}},
		{"config validate ", []string{"yaml", "yml"}},
		{"completion ", []string{"bash", "zsh", "fish"}},
		{"explain election.vrrp.p", []string{"election.vrrp.priority", "election.vrrp.preempt", "election.vrrp.preemptDelay", "election.vrrp.peers"}},
		{"explain elec", []string{"election", "election."}},
		{"explain --status virtualRouter.st", []string{"virtualRouter.state"}},
		{"con", []string{"config", "convert"}},
	} {
		got, _ := completions(t, strings.Split(tt.line, " ")...)
		got = slices.DeleteFunc(got, func(value string) bool { return !strings.HasPrefix(value, tt.line[strings.LastIndex(tt.line, " ")+1:]) })
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.line, diff)
		}
	}
	end()
	if got, directive := completions(t, "handover", "--to", ""); len(got) > 0 || directive != ":4" {
		t.Errorf("without a pod the nodes are %q, %s", got, directive)
	}
}

// The script of each shell is one that the shell can read, where it is there.
func TestCompletionScripts(t *testing.T) {
	for shell, marks := range map[string]string{"bash": "__start_harbinger", "zsh": "#compdef harbinger", "fish": "complete -c harbinger"} {
		r := harbinger("", "completion", shell)
		r.want(t, 0)
		if !strings.Contains(r.stdout, marks) {
			t.Errorf("the script of %s has no %q", shell, marks)
		}
		if path, err := exec.LookPath(shell); err == nil {
			if err := feed(r.stdout, path, "-n"); err != nil {
				t.Errorf("%s: %v", shell, err)
			}
		}
	}
	for _, words := range [][]string{{}, {"tcsh"}, {"bash", "zsh"}} {
		harbinger("", append([]string{"completion"}, words...)...).want(t, 2, "name one shell: bash, zsh or fish")
	}
}

func TestMistakesAreExplained(t *testing.T) {
	for line, want := range map[string]string{
		"manifest --advertisemt-interval 1s": "unknown flag --advertisemt-interval: did you mean --advertisement-interval?",
		"manifest --virtual-router 5":        "unknown flag --virtual-router: did you mean --virtual-router-id?",
		"manifest --policy RoundRobbin":      `--policy "RoundRobbin": use RoundRobin, LeastConnections or SourceHash`,
		"manifest --election-mode raft":      `--election-mode "raft": use hybrid, vrrp or lease`,
		"manifest --frobnicate":              "unknown flag --frobnicate: harbinger manifest --help lists the flags",
		"manifest --renew":                   "unknown flag --renew: harbinger manifest has none, it is one of harbinger kubeconfig",
		"manifest -x":                        "unknown flag -x: harbinger manifest --help",
		"manifest --port high":               `invalid argument "high" for "--port" flag`,
		"manifest vip":                       `harbinger manifest takes no argument "vip": did you mean --vip?`,
		"manifest 10.0.0.1":                  `harbinger manifest takes no argument, but "10.0.0.1" was given`,
		"manifst":                            `unknown command "manifst" of harbinger: did you mean harbinger manifest?`,
		"frobnicate":                         `unknown command "frobnicate" of harbinger: use `,
		"config vlaidate":                    `unknown command "vlaidate" of harbinger config: did you mean harbinger config validate?`,
		"config bogus":                       `unknown command "bogus" of harbinger config: use default, validate or view`,
		"config view a b":                    "harbinger config view: accepts at most 1 arg(s), received 2: see harbinger config view --help",
		"explain a b":                        "harbinger explain: accepts at most 1 arg(s)",
		"--versin":                           "unknown flag --versin: did you mean --version?",
	} {
		r := harbinger("", strings.Fields(line)...)
		r.want(t, 2, "error: "+want)
		if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s prints %q and %q", line, r.stdout, r.stderr)
		}
	}
}

// The case of a value does not matter.
func TestValuesInAnyCase(t *testing.T) {
	cleanNode(t)
	r := harbinger("", "manifest", "--vip", "192.168.238.100/24", "--policy", "sourcehash", "--election-mode", "VRRP", "-o", "-")
	r.want(t, 0)
	if !strings.Contains(r.stdout, "policy: SourceHash") || !strings.Contains(r.stdout, "mode: VRRP") {
		t.Errorf("prints\n%s", r.stdout)
	}
	if r := harbinger("", "version", "-o", "JSON"); r.code != 0 || !strings.HasPrefix(r.stdout, "{") {
		t.Errorf("version -o JSON: %+v", r)
	}
}

func TestVersionFlag(t *testing.T) {
	info := version.Get()
	want := result{stdout: "harbinger " + info.Version + " (" + info.GoVersion + ", " + info.Platform + ")\n"}
	for _, line := range []string{"--version", "-v", "version"} {
		if got := harbinger("", line); got != want {
			t.Errorf("%s gives %+v, want %+v", line, got, want)
		}
	}
	if help, got := harbinger(""), harbinger("", "--version=false"); got != help || !strings.Contains(help.stdout, "  -v, --version               version for harbinger\n") {
		t.Errorf("the help is %+v, and without the version %+v", help, got)
	}
}
