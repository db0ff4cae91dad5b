// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const snippets = "../../../manifests/"

// commandsOf says how many commands of harbinger manifest each file for another program shows.
var commandsOf = map[string]int{
	"host/generate.sh":                1,
	"host/harbinger-manifest.service": 1,
	"kubeadm/init.yaml":               1,
	"kubeadm/join.yaml":               1,
	"cluster-api/on-node.yaml":        1,
	"cluster-api/rendered.yaml":       1,
	"cloud-init/user-data.yaml":       1,
	"ignition/harbinger.bu":           1,
}

// The files that show no command of it: import-image.sh is tested with generate.sh, the timer and its service by
// TestRenewalUnits, harbinger.ign with harbinger.bu, the monitoring in pkg/metrics, the chart and the kustomizations in hack/charts.
var commandless = []string{"host/harbinger-kubeconfig.service", "host/harbinger-kubeconfig.timer", "host/import-image.sh", "ignition/harbinger.ign",
	"helm/Chart.yaml", "helm/files", "helm/templates", "helm/values.schema.json", "helm/values.yaml",
	"monitoring/alerts.yaml", "monitoring/alerts_test.yaml", "monitoring/dashboard.json", "monitoring/kustomization.yaml", "monitoring/podmonitor.yaml",
	"monitoring/prometheusrule.yaml"}

var (
	manifestCommand = regexp.MustCompile(`(?:\bmanifest|generate\.sh) (--.*)`)
	// continued is the end of a line that a shell, systemd or a folded scalar of YAML joins with the next.
	continued = regexp.MustCompile(`(?: \\)?\n[# ]*(--|harbinger\.dev/)`)
)

// commands returns the arguments of each command of harbinger manifest in a file, in its comments too.
func commands(content string) (all [][]string) {
	for _, found := range manifestCommand.FindAllStringSubmatch(continued.ReplaceAllString(content, " $1"), -1) {
		if arguments, _, ok := strings.Cut(found[1], "$"); !ok { // not one that passes its own arguments on
			all = append(all, strings.Fields(arguments))
		}
	}
	return all
}

func TestSnippetsAreKnown(t *testing.T) {
	files, err := filepath.Glob(snippets + "*/*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		got = append(got, strings.TrimPrefix(file, snippets))
	}
	want := slices.Sorted(maps.Keys(commandsOf))
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(want, commandless...))), got); diff != "" {
		t.Errorf("files in the folders of manifests/ (-want +got):\n%s", diff)
	}
}

// Each command that a snippet shows is accepted on the host that the snippets are written for.
func TestSnippetCommands(t *testing.T) {
	for name, want := range commandsOf {
		t.Run(name, func(t *testing.T) {
			content := readFile(t, snippets+name)
			all := commands(content)
			if len(all) != want {
				t.Fatalf("%d commands, want %d: %q", len(all), want, all)
			}
			cleanNode(t)
			kubeadm := readFile(t, snippets+"kubeadm/init.yaml")
			if name == "cloud-init/user-data.yaml" {
				kubeadm = decode[cloudConfig](t, content).WriteFiles[0].Content
			}
			if err := os.WriteFile(kubernetes+"/kubeadm.yaml", []byte(kubeadm), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Chdir(filepath.Dir(snippets + name))
			for _, arguments := range all {
				r := harbinger("", slices.Concat([]string{"manifest", "--dry-run"}, arguments)...)
				r.want(t, 0)
				if !strings.Contains(r.stdout, "controlPlane:\n") || !strings.Contains(r.stdout, "port: 4300\n") {
					t.Errorf("%q renders no pod for port 4300:\n%s", arguments, r.stdout)
				}
			}
		})
	}
}

// cloudConfig has the fields of cloud-init's user data that are used.
type cloudConfig struct {
	WriteFiles []struct{ Path, Permissions, Content string } `json:"write_files"`
	RunCommand []string                                      `json:"runcmd"`
}

// controlPlane has the fields of Cluster API's KubeadmControlPlane that are used.
type controlPlane struct {
	APIVersion, Kind string
	Metadata         struct{ Name string }
	Spec             struct {
		Replicas        int
		Version         string
		MachineTemplate struct {
			InfrastructureRef struct{ APIVersion, Kind, Name string }
		}
		KubeadmConfigSpec struct {
			Files              []struct{ Path, Owner, Permissions, Content string }
			PreKubeadmCommands []string
		}
	}
}

// ignition has the fields of Ignition, and of Butane, that are used.
type ignition struct {
	Variant, Version string
	Ignition         struct{ Version string }
	Storage          struct {
		Directories []struct {
			Path string
			Mode int
		}
	}
	Systemd struct {
		Units []struct {
			Name, Contents string
			Enabled        bool
		}
	}
}

func decode[T any](t *testing.T, content string) (v T) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(content), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCloudInit(t *testing.T) {
	content := readFile(t, snippets+"cloud-init/user-data.yaml")
	if !strings.HasPrefix(content, "#cloud-config\n") {
		t.Error("cloud-init takes the file for something else without #cloud-config in its first line")
	}
	steps := decode[cloudConfig](t, content).RunCommand
	if len(steps) != 4 || !strings.Contains(steps[2], " manifest --vip ") || !strings.HasPrefix(steps[3], "kubeadm init ") {
		t.Errorf("runs %q, want the manifest before kubeadm", steps)
	}
}

func TestClusterAPI(t *testing.T) {
	steps := decode[controlPlane](t, readFile(t, snippets+"cluster-api/on-node.yaml")).Spec.KubeadmConfigSpec.PreKubeadmCommands
	if len(steps) != 3 || !strings.Contains(steps[2], " manifest --vip ") {
		t.Errorf("runs %q before kubeadm", steps)
	}
	rendered := readFile(t, snippets+"cluster-api/rendered.yaml")
	file := decode[controlPlane](t, rendered).Spec.KubeadmConfigSpec.Files[0]
	r := harbinger("", append([]string{"manifest"}, commands(rendered)[0]...)...)
	r.want(t, 0)
	if diff := cmp.Diff(r.stdout, file.Content); diff != "" || file.Path != manifestFile {
		t.Errorf("%s is not what the command prints (-printed +there):\n%s", file.Path, diff)
	}
}

// The file of Ignition is the one of Butane: folders, units, and the version that belongs to it.
func TestIgnition(t *testing.T) {
	butane := decode[ignition](t, readFile(t, snippets+"ignition/harbinger.bu"))
	got := decode[ignition](t, readFile(t, snippets+"ignition/harbinger.ign"))
	if butane.Variant != "fcos" || butane.Version != "1.5.0" || got.Ignition.Version != "3.4.0" {
		t.Errorf("Butane %s %s and Ignition %s do not belong together", butane.Variant, butane.Version, got.Ignition.Version)
	}
	butane.Variant, butane.Version, butane.Ignition = "", "", got.Ignition
	if diff := cmp.Diff(butane, got); diff != "" {
		t.Errorf("Ignition (-Butane +Ignition):\n%s", diff)
	}
}
