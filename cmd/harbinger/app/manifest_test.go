// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
)

const classic = "../../../manifests/classic"

// classicFlags say what manifests/classic.yaml says.
var classicFlags = []string{
	"--vip", "192.168.238.100/24", "--port", "4300",
	"--peer", "192.168.238.130", "--peer", "192.168.238.131", "--peer", "192.168.238.132",
	"--backend", "192.168.238.130:6443", "--backend", "192.168.238.131:6443", "--backend", "192.168.238.132:6443",
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestManifestRefuses(t *testing.T) {
	const head = "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nvirtualAddresses: [192.168.238.100/24]\n"
	vip := []string{"--vip", "192.168.238.100/24"}
	tests := []struct {
		name  string
		args  []string
		stdin string
		want  string
	}{
		{"no virtual address", nil, "", "virtualAddresses: Required value"},
		{"virtual address not an IP", []string{"--vip", "api.example.org"}, "", "virtualAddresses[0]: Invalid value"},
		{"virtual address outside the subnet", []string{"--vip", "192.168.239.100/24", "--interface", "eth0"}, "", "virtualAddresses: Invalid value"},
		{"virtual address in no subnet", []string{"--vip", "192.168.239.100/24"}, "", "virtualAddresses: Invalid value"},
		{"virtual address of the node", []string{"--vip", "192.168.238.130/24"}, "", "virtualAddresses[0]: Invalid value"},
		{"unknown interface", append(vip, "--interface", "ens160"), "", "interface: Invalid value"},
		{"VRID 0", append(vip, "--virtual-router-id", "0"), "", "election.vrrp.virtualRouterID: Invalid value: 0"},
		{"VRID 256", append(vip, "--virtual-router-id", "256"), "", "election.vrrp.virtualRouterID: Invalid value: 256"},
		{"priority 0", append(vip, "--priority", "0"), "", "election.vrrp.priority: Invalid value: 0"},
		{"priority 255", append(vip, "--priority", "255"), "", "election.vrrp.priority: Invalid value: 255"},
		{"priority 255 in VRRP mode", append(vip, "--election-mode", "vrrp", "--priority", "255"), "", "election.vrrp.priority: Invalid value: 255"},
		{"version 2 with 100 ms", append(vip, "--vrrp-version", "2", "--advertisement-interval", "100ms"), "", "election.vrrp.advertisementInterval: Invalid value"},
		{"IPv6 with version 2", []string{"--vip", "fd00::100/64", "--vrrp-version", "2"}, "", "virtualAddresses[0]: Invalid value"},
		{"PASS longer than 8", append(vip, "--config", "-", "--vrrp-version", "2"), head + "election: {vrrp: {authentication: {type: Password, password: '123456789'}}}",
			"election.vrrp.authentication.password: Too long"},
		{"empty peer", append(vip, "--peer", "192.168.238.130", "--peer", ""), "", `election.vrrp.peers[1]: Invalid value: ""`},
		{"empty peer in a list", append(vip, "--peer", "192.168.238.130,,192.168.238.131"), "", `election.vrrp.peers[1]: Invalid value: ""`},
		{"duplicate peer", append(vip, "--peer", "192.168.238.130", "--peer", "192.168.238.130"), "", "election.vrrp.peers[1]: Duplicate value"},
		{"own address missing from the peers", append(vip, "--peer", "192.168.238.131", "--peer", "192.168.238.132"), "", "election.vrrp.peers: Invalid value"},
		{"unknown field", []string{"--config", "-"}, head + "vip: 192.168.238.100", `unknown field "vip"`},
		{"two documents", []string{"--config", "-"}, head + "---\n" + head, "2 documents"},
		{"empty file", []string{"--config", "-"}, "", "the configuration is empty"},
		{"missing file", []string{"--config", "/etc/kubernetes/none.yaml"}, "", "--config: open /etc/kubernetes/none.yaml"},
		{"missing password file", append(vip, "--auth-pass-file", "/etc/kubernetes/none"), "", "--auth-pass-file: open /etc/kubernetes/none"},
		{"password file of the pod missing", append(vip, "--vrrp-version", "2", "--auth-pass-file", config.Directory+"/pass"), "",
			`election.vrrp.authentication.passwordFile: Invalid value: "/etc/kubernetes/harbinger/pass": open /etc/kubernetes/harbinger/pass: no such file`},
		{"password device", append(vip, "--vrrp-version", "2", "--auth-pass-file", "/dev/zero"), "", "--auth-pass-file: /dev/zero is not a regular file"},
		{"missing kubeadm configuration", append(vip, "--kubeadm-config", "/etc/kubernetes/none"), "", "--kubeadm-config: open /etc/kubernetes/none"},
		{"two files from stdin", []string{"--config", "-", "--kubeadm-config", "-"}, head, "only one of them"},
		{"no kubeadm configuration", append(vip, "--kubeadm-config", "-"), head, "--kubeadm-config: no kubeadm configuration"},
		{"another endpoint in kubeadm", append(vip, "--kubeadm-config", "-"),
			"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 192.168.238.101:6443\n", "virtualAddresses: Invalid value"},
		{"port 0", append(vip, "--port", "0"), "", "--port: 0 is not allowed"},
		{"unknown policy", append(vip, "--policy", "random"), "", `--policy "random": use RoundRobin, LeastConnections or SourceHash`},
		{"empty image", append(vip, "--image", ""), "", `--image: image "": invalid reference format: use NAME:TAG or NAME@DIGEST`},
		{"image with a space", append(vip, "--image", "harbinger.dev/harbinger: v1"), "", "--image: image \"harbinger.dev/harbinger: v1\": invalid reference format"},
		{"image in upper case", append(vip, "--image", "harbinger.dev/Harbinger:v1"), "", "--image: image \"harbinger.dev/Harbinger:v1\": invalid reference format: repository name (Harbinger) must be lowercase"},
		{"image without a name", append(vip, "--image", ":v1"), "", "--image: image \":v1\": invalid reference format"},
		{"unknown mode", append(vip, "--election-mode", "raft"), "", `--election-mode "raft": use hybrid, vrrp or lease`},
	}
	cleanNode(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := harbinger(tt.stdin, append([]string{"manifest"}, tt.args...)...)
			r.want(t, 2, "error: ", tt.want)
			if files := written(t); len(files) > 0 || r.stdout != "" {
				t.Errorf("files written: %v; stdout: %q", files, r.stdout)
			}
		})
	}
}

func TestManifestRefusesPortInUse(t *testing.T) {
	cleanNode(t)
	ln, err := net.Listen("tcp", "[::]:6443")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	r := harbinger("", "manifest", "--vip", "192.168.238.100/24", "--port", "4300")
	r.want(t, 2, "controlPlane.apiServerPort: Invalid value: 6443: is in use on [::]:6443 by something that is not an apiserver")
	r = harbinger("", "manifest", "--vip", "192.168.238.100/24", "--port", "6443", "--apiserver-port", "7443")
	r.want(t, 2, "controlPlane.port: Invalid value: 6443")
	if files := written(t); len(files) > 0 {
		t.Errorf("files written: %v", files)
	}
}

func TestManifestAcceptsAnAPIServer(t *testing.T) {
	cleanNode(t)
	ln, err := net.Listen("tcp", "[::]:6443")
	if err != nil {
		t.Fatal(err)
	}
	apiServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	apiServer.Listener.Close()
	apiServer.Listener = ln
	apiServer.StartTLS()
	t.Cleanup(apiServer.Close)
	// The name in the certificate of httptest.
	const document = "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nhealthCheck: {serverName: example.com}"
	harbinger(document, "manifest", "--vip", "192.168.238.100/24", "--config", "-").want(t, 0)
	harbinger("", "manifest", "--vip", "192.168.238.100/24").want(t, 2, "something that is not an apiserver")
}

func TestManifestReportsEveryFault(t *testing.T) {
	r := harbinger("", "manifest", "--vip", "vip", "--virtual-router-id", "0", "--priority", "255", "--peer", "", "--port", "0")
	r.want(t, 2, "virtualAddresses[0]", "election.vrrp.virtualRouterID", "election.vrrp.priority", "election.vrrp.peers[0]", "--port")
	if lines := strings.Count(r.stderr, "error: "); lines != 5 {
		t.Errorf("stderr has %d errors, want 5:\n%s", lines, r.stderr)
	}
}

func TestManifestWrites(t *testing.T) {
	cleanNode(t)
	want := readFile(t, classic+"-pod.yaml")
	for _, says := range []string{"Wrote " + manifestFile + "\n", manifestFile + ": unchanged\n"} {
		r := harbinger("", append([]string{"manifest"}, classicFlags...)...)
		r.want(t, 0, says, "kubeadm init --control-plane-endpoint 192.168.238.100:4300 --upload-certs\n")
		if diff := cmp.Diff(map[string]string{manifestFile: want}, written(t)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
}

// Flags, lists in one flag, the file and kubeadm's configuration are four ways to say the same.
func TestManifestSources(t *testing.T) {
	kubeadm := `apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint: {bindPort: 6443}
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
controlPlaneEndpoint: 192.168.238.100:4300
`
	want := readFile(t, classic+"-pod.yaml")
	file := readFile(t, classic+".yaml")
	lists := []string{"--vip", "192.168.238.100/24", "--peer", "192.168.238.130,192.168.238.131,192.168.238.132",
		"--backend", "192.168.238.130:6443,192.168.238.131:6443,192.168.238.132:6443"}
	for name, tt := range map[string]struct {
		args  []string
		stdin string
	}{
		"flags":           {classicFlags, ""},
		"file":            {[]string{"--config", "-"}, file},
		"flags and file":  {classicFlags, strings.Replace(file, "4300", "4301", 1)},
		"flags win":       {[]string{"--config", "-", "--port", "4300"}, strings.Replace(file, "4300", "4301", 1)},
		"kubeadm":         {append(lists, "--kubeadm-config", "-"), kubeadm},
		"kubeadm v1beta4": {append(lists, "--kubeadm-config", "-", "--port", "4300"), strings.ReplaceAll(kubeadm, "v1beta3", "v1beta4")},
	} {
		t.Run(name, func(t *testing.T) {
			r := harbinger(tt.stdin, append([]string{"manifest", "--no-host-checks", "--output", "-"}, tt.args...)...)
			r.want(t, 0)
			if diff := cmp.Diff(want, r.stdout); diff != "" {
				t.Errorf("manifest (-want +got):\n%s", diff)
			}
		})
	}
}

func decodePod(t *testing.T, manifest string) (*corev1.Pod, *config.HarbingerConfiguration) {
	t.Helper()
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(manifest), pod); err != nil {
		t.Fatal(err)
	}
	env := pod.Spec.Containers[0].Env
	i := slices.IndexFunc(env, func(v corev1.EnvVar) bool { return v.Name == config.Variable })
	if i < 0 {
		return pod, nil
	}
	cfg, err := scheme.Decode([]byte(env[i].Value))
	if err != nil {
		t.Fatal(err)
	}
	return pod, cfg
}

func TestManifestFlags(t *testing.T) {
	password := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(password, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := harbinger("", "manifest", "--no-host-checks", "-o", "-", "--image", "example.org/harbinger@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"--vip", "192.168.238.100/24", "--interface", "ens160", "--apiserver-port", "7443",
		"--virtual-router-id", "60", "--priority", "254", "--vrrp-version", "2", "--advertisement-interval", "2s",
		"--nopreempt", "--auth-pass-file", password, "--election-mode", "vrrp", "--policy", "roundrobin")
	r.want(t, 0)
	pod, cfg := decodePod(t, r.stdout)
	if image := pod.Spec.Containers[0].Image; image != "example.org/harbinger@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("image is %q", image)
	}
	vrrp := cfg.Election.VRRP
	for _, field := range []struct{ name, got, want string }{
		{"interface", cfg.Interface, "ens160"},
		{"mode", string(cfg.Election.Mode), "VRRP"},
		{"policy", string(cfg.LoadBalancer.Policy), "RoundRobin"},
		{"interval", vrrp.AdvertisementInterval.String(), "2s"},
		{"password", vrrp.Authentication.Password, ""},
		{"file of the password", vrrp.PasswordFile, config.PasswordFile},
	} {
		if field.got != field.want {
			t.Errorf("%s is %q, want %q", field.name, field.got, field.want)
		}
	}
	if cfg.ControlPlane.APIServerPort != 7443 || vrrp.VirtualRouterID != 60 || vrrp.Priority != 254 || vrrp.Version != 2 || vrrp.Preempt {
		t.Errorf("configuration is %+v", cfg)
	}
	r = harbinger("", "manifest", "--no-host-checks", "-o", "-", "--vip", "192.168.238.100", "--vip", "fd00::100", "--preempt-delay", "5s")
	r.want(t, 0)
	if _, cfg := decodePod(t, r.stdout); len(cfg.VirtualAddresses) != 2 || cfg.Election.VRRP.PreemptDelay.String() != "5s" {
		t.Errorf("configuration is %+v", cfg)
	}
}

// The password reaches the pod by a file for root alone, whichever way it was given, and nothing else contains it.
func TestManifestPassword(t *testing.T) {
	const secret = "s3cret"
	elsewhere := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(elsewhere, []byte(secret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	inline := "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nelection: {vrrp: {authentication: {type: Password, password: " + secret + "}}}"
	version2 := []string{"manifest", "--vip", "192.168.238.100/24", "--vrrp-version", "2"}
	for name, tt := range map[string]struct {
		args  []string
		stdin string
	}{
		"file elsewhere":               {slices.Concat(version2, []string{"--auth-pass-file", elsewhere}), ""},
		"in the configuration":         {slices.Concat(version2, []string{"--config", "-"}), inline},
		"into a file of configuration": {slices.Concat(version2, []string{"--config", "-", "--config-file"}), inline},
	} {
		t.Run(name, func(t *testing.T) {
			cleanNode(t)
			for _, args := range [][]string{slices.Concat(tt.args, []string{"--output", "-"}), slices.Concat(tt.args, []string{"--dry-run"})} {
				r := harbinger(tt.stdin, args...)
				r.want(t, 0, "The pod reads the password from "+config.PasswordFile)
				if files := written(t); len(files) > 0 || strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("%q: files %v, stdout %s, stderr %s", args, files, r.stdout, r.stderr)
				}
			}
			r := harbinger(tt.stdin, tt.args...)
			r.want(t, 0, "Wrote "+config.PasswordFile+" with the password")
			info, err := os.Stat(config.PasswordFile)
			if err != nil || info.Mode() != 0o600 {
				t.Fatalf("%s: %v, %v", config.PasswordFile, info, err)
			}
			for path, content := range written(t) {
				if has := strings.Contains(content, secret); has != (path == config.PasswordFile) {
					t.Errorf("%s contains the password: %v", path, has)
				}
			}
			if strings.Contains(r.stderr, secret) {
				t.Errorf("stderr is %s", r.stderr)
			}
		})
	}
}

// A file where the pod sees it is not copied, but checked: the pod will read it only if nobody else can.
func TestManifestPasswordFileOfThePod(t *testing.T) {
	cleanNode(t)
	path := config.Directory + "/mine"
	if err := errors.Join(os.MkdirAll(config.Directory, 0o755), os.WriteFile(path, []byte("123"), 0o644)); err != nil {
		t.Fatal(err)
	}
	args := []string{"manifest", "--vip", "192.168.238.100/24", "--vrrp-version", "2", "--auth-pass-file", path}
	harbinger("", args...).want(t, 2, "has mode 0644", "chmod 0600 "+path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	harbinger("", args...).want(t, 0)
	if _, cfg := decodePod(t, written(t)[manifestFile]); cfg.Election.VRRP.PasswordFile != path {
		t.Errorf("the pod reads %q", cfg.Election.VRRP.PasswordFile)
	}
	if err := os.WriteFile(path, []byte("123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	harbinger("", args...).want(t, 2, "the password has 9 bytes")
}

func TestManifestDryRun(t *testing.T) {
	cleanNode(t)
	r := harbinger("", append([]string{"manifest", "--dry-run"}, classicFlags...)...)
	r.want(t, 0, "Would write "+manifestFile)
	if r.stdout != readFile(t, classic+"-pod.yaml") {
		t.Errorf("stdout is %q", r.stdout)
	}
	if files := written(t); len(files) > 0 {
		t.Errorf("files written: %v", files)
	}
}

func TestManifestConfigFile(t *testing.T) {
	cleanNode(t)
	harbinger("", append([]string{"manifest", "--config-file"}, classicFlags...)...).want(t, 0)
	files := written(t)
	if len(files) != 2 {
		t.Fatalf("files written: %v", files)
	}
	if _, err := scheme.Decode([]byte(files[config.File])); err != nil {
		t.Errorf("%s: %v", config.File, err)
	}
	pod, carried := decodePod(t, files[manifestFile])
	if carried != nil {
		t.Error("the pod carries a configuration beside the file")
	}
	if args := pod.Spec.Containers[0].Args; !slices.Contains(args, config.File) {
		t.Errorf("args are %q", args)
	}
}

// What is no regular file is refused before the first file is written, and by a dry run as well.
func TestManifestRefusesOutput(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(os.DevNull, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	null, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		os.DevNull: "/dev/null is a device, not a regular file", filepath.Join(dir, "link"): "/dev/null is a device, not a regular file",
		dir: " is a directory, not a regular file", pipe: " is a named pipe, not a regular file", filepath.Join(dir, "none", "ha.yaml"): " does not exist",
	} {
		for _, more := range [][]string{nil, {"--config-file"}, {"--dry-run"}} {
			t.Run(path+strings.Join(more, " "), func(t *testing.T) {
				cleanNode(t)
				r := harbinger("", append([]string{"manifest", "--vip", "192.168.238.100/24", "--output", path}, more...)...)
				r.want(t, 1, "error: ", want, "choose another output")
				if files := written(t); len(files) > 0 || r.stdout != "" {
					t.Errorf("files written: %v; stdout: %q", files, r.stdout)
				}
			})
		}
	}
	if after, err := os.Stat(os.DevNull); err != nil || !os.SameFile(null, after) || after.Mode() != null.Mode() {
		t.Fatalf("%s is %v (%v) now", os.DevNull, after, err)
	}
}

func TestManifestWithoutDirectory(t *testing.T) {
	r := harbinger("", "manifest", "--no-host-checks", "--vip", "192.168.238.100/24", "--output", filepath.Join(t.TempDir(), "none", "ha.yaml"))
	r.want(t, 1, "error: directory ", "does not exist")
}

func TestManifestClusterName(t *testing.T) {
	const join = `{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, discovery: {bootstrapToken: {apiServerEndpoint: "192.168.238.100:6443"}}}`
	t.Chdir(t.TempDir())
	args := []string{"manifest", "--no-host-checks", "--output", "ha.yaml", "--kubeadm-config", "-"}
	harbinger(join, args...).want(t, 0, `The cluster name is assumed to be "kubernetes", because a JoinConfiguration does not contain it.`, "--cluster-name")

	r := harbinger(join, append(args, "--cluster-name", "edge")...)
	r.want(t, 0, "Wrote ha.yaml")
	if strings.Contains(r.stderr, "is taken to be") {
		t.Errorf("the name was given, and is called missing: %s", r.stderr)
	}
	pod, err := os.ReadFile("ha.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, cfg := decodePod(t, string(pod)); cfg.ControlPlane.ClusterName != "edge" {
		t.Errorf("the pod has cluster name %q, want edge", cfg.ControlPlane.ClusterName)
	}
}
