// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var update = flag.Bool("update", false, "rewrite the rendered pods of manifests/; read the difference before committing it")

const samples = "../../manifests"

func render(t *testing.T, cfg *config.HarbingerConfiguration, opts manifest.Options) (*corev1.Pod, []byte) {
	t.Helper()
	raw, err := manifest.Render(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(raw, pod); err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	return pod, raw
}

// readSample reads a configuration of manifests/.
func readSample(t *testing.T, name string) *config.HarbingerConfiguration {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(samples, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := scheme.Decode(raw)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return cfg
}

func TestSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasSuffix(name, "-pod") || strings.HasPrefix(name, "rbac") || name == "kustomization" { // no configurations
			continue
		}
		tested++
		t.Run(name, func(t *testing.T) {
			cfg := readSample(t, name)
			pod, got := render(t, cfg, manifest.Options{Image: manifest.DefaultImage})
			golden := filepath.Join(samples, name+"-pod.yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", golden, diff)
			}
			carried, err := scheme.Decode([]byte(variable(pod)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(cfg, carried, cmp.Comparer(equal[netip.Addr]), cmp.Comparer(equal[netip.AddrPort]), cmp.Comparer(equal[netip.Prefix])); diff != "" {
				t.Errorf("the pod carries another configuration (-want +got):\n%s", diff)
			}
		})
	}
	if tested < 5 {
		t.Errorf("found %d samples in %s", tested, samples)
	}
}

func equal[T comparable](a, b T) bool { return a == b }

func variable(pod *corev1.Pod) string {
	env := pod.Spec.Containers[0].Env
	if i := slices.IndexFunc(env, func(v corev1.EnvVar) bool { return v.Name == config.Variable }); i >= 0 {
		return env[i].Value
	}
	return ""
}

func TestRenderIsStable(t *testing.T) {
	opts := manifest.Options{Image: manifest.DefaultImage}
	_, want := render(t, readSample(t, "classic"), opts)
	spelled, err := scheme.Encode(readSample(t, "classic"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := scheme.Decode(spelled)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, got := render(t, cfg, opts); !bytes.Equal(want, got) {
			t.Fatalf("another spelling of the same configuration gives other bytes:\n%s", cmp.Diff(string(want), string(got)))
		}
	}
}

// The kubelet replaces $(NAME) by a variable and $$ by one dollar sign.
func TestVariableIsEscaped(t *testing.T) {
	cfg := readSample(t, "keepalived")
	cfg.ControlPlane.ClusterName = "$$$(A)$"
	pod, _ := render(t, cfg, manifest.Options{})
	if got := variable(pod); !strings.Contains(got, "clusterName: $$$$$$(A)$$\n") {
		t.Errorf("%s is %q", config.Variable, got)
	}
}

// Whoever may read pods reads their variables: a manifest with the password is not made, one that names its file is.
func TestPasswordIsNeverInThePod(t *testing.T) {
	cfg := readSample(t, "keepalived").WithPassword("s3cret")
	if raw, err := manifest.Render(cfg, manifest.Options{}); err == nil || !strings.Contains(err.Error(), "use passwordFile") || strings.Contains(err.Error(), "s3cret") || raw != nil {
		t.Errorf("a manifest with the password: %s, %v", raw, err)
	}
	without, password := cfg.WithPasswordFile(config.PasswordFile)
	pod, raw := render(t, without, manifest.Options{})
	if password != "s3cret" || bytes.Contains(raw, []byte("s3cret")) || !strings.Contains(variable(pod), "passwordFile: "+config.PasswordFile+"\n") {
		t.Errorf("the password is %q, the manifest:\n%s", password, raw)
	}
}

// A pod that signs keeps what it has heard and sent on the tmpfs of the host; its keys are below a directory that every pod has.
func TestKeysOfThePod(t *testing.T) {
	cfg := readSample(t, "classic")
	v := &cfg.Election.VRRP
	v.Authentication.Type = vrrp.AuthenticationHMAC
	v.HMAC = config.HMAC{Keys: []config.KeyFile{{ID: 1, File: config.KeyDirectory + "/1"}}, ActiveKey: 1}
	pod, _ := render(t, cfg, manifest.Options{})
	mounts := pod.Spec.Containers[0].VolumeMounts
	for dir, readOnly := range map[string]bool{"/run/harbinger": false, "/etc/kubernetes/harbinger": true} {
		i := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == dir && m.ReadOnly == readOnly })
		if i < 0 || *pod.Spec.Volumes[i].HostPath.Type != corev1.HostPathDirectoryOrCreate || pod.Spec.Volumes[i].HostPath.Path != dir {
			t.Errorf("%s is not mounted: %+v", dir, mounts)
		}
	}
	if !strings.Contains(variable(pod), "file: /etc/kubernetes/harbinger/vrrp-keys/1\n") {
		t.Errorf("the configuration does not name the key:\n%s", variable(pod))
	}
}

func TestConfigFile(t *testing.T) {
	pod, _ := render(t, readSample(t, "classic"), manifest.Options{Image: "registry.example.org/harbinger@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ConfigFile: true})
	container := pod.Spec.Containers[0]
	if want := []string{"run", "--config", "/etc/kubernetes/harbinger/config.yaml"}; !slices.Equal(container.Args, want) {
		t.Errorf("args are %q, want %q", container.Args, want)
	}
	if got := variable(pod); got != "" {
		t.Errorf("%s is %q beside a configuration file", config.Variable, got)
	}
	if want := "registry.example.org/harbinger@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; container.Image != want {
		t.Errorf("image is %q, want %q", container.Image, want)
	}
}

func TestGracePeriod(t *testing.T) {
	for _, tt := range []struct {
		interval, drain time.Duration
		want            int64
	}{
		{time.Second, 10 * time.Second, 20},
		{100 * time.Millisecond, 10 * time.Second, 16},
		{2 * time.Second, time.Minute, 74},
	} {
		cfg := readSample(t, "same-port")
		cfg.Election.VRRP.AdvertisementInterval, cfg.LoadBalancer.Drain.Timeout = tt.interval, tt.drain
		pod, _ := render(t, cfg, manifest.Options{})
		if got := *pod.Spec.TerminationGracePeriodSeconds; got != tt.want {
			t.Errorf("interval %v, drain %v: grace period is %d s, want %d s", tt.interval, tt.drain, got, tt.want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	for _, tt := range []struct {
		port     uint16
		steering balance.SteeringMode
		want     []corev1.Capability
	}{
		{4300, balance.SteeringAuto, []corev1.Capability{"KILL", "NET_ADMIN", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"}},
		{443, balance.SteeringAuto, []corev1.Capability{"KILL", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"}},
		{6443, balance.SteeringAuto, []corev1.Capability{"BPF", "KILL", "NET_ADMIN", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"}},
		{6443, balance.SteeringBPF, []corev1.Capability{"BPF", "KILL", "NET_ADMIN", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"}},
		{6443, balance.SteeringNFTables, []corev1.Capability{"KILL", "NET_ADMIN", "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"}},
	} {
		cfg := readSample(t, "classic")
		cfg.ControlPlane.Port, cfg.LoadBalancer.Steering.Mode = tt.port, tt.steering
		pod, _ := render(t, cfg, manifest.Options{})
		if got := pod.Spec.Containers[0].SecurityContext.Capabilities.Add; !slices.Equal(got, tt.want) {
			t.Errorf("port %d steered by %s adds %q, want %q", tt.port, tt.steering, got, tt.want)
		}
	}
	cfg := readSample(t, "classic")
	cfg.Status.Metrics.Port = 443
	pod, _ := render(t, cfg, manifest.Options{})
	if got := pod.Spec.Containers[0].SecurityContext.Capabilities.Add; !slices.Contains(got, "NET_BIND_SERVICE") {
		t.Errorf("metrics at port 443 add %q", got)
	}
}

func TestVolumes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		caFile string
		want   []string
	}{
		{"kubeadm's CA", "/etc/kubernetes/pki/ca.crt", []string{
			"/etc/kubernetes/pki/ca.crt File true", "/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"CA in a directory of its own", "/opt/cluster/trust/bundle/ca.pem", []string{
			"/opt/cluster/trust/bundle DirectoryOrCreate true", "/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"CA in a directory of the system", "/etc/ca.crt", []string{
			"/etc/ca.crt File true", "/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"CA at the root", "/ca.crt", []string{
			"/ca.crt File true", "/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"CA below that of the administrator", "/etc/kubernetes/harbinger/trust/ca.crt", []string{
			"/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"CA of the administrator", "/etc/kubernetes/harbinger/ca.crt", []string{
			"/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
		{"no CA", "", []string{
			"/etc/kubernetes/harbinger DirectoryOrCreate true", "/var/lib/harbinger DirectoryOrCreate false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := readSample(t, "classic")
			cfg.HealthCheck.CAFile = tt.caFile
			pod, _ := render(t, cfg, manifest.Options{})
			var got []string
			for i, volume := range pod.Spec.Volumes {
				mount := pod.Spec.Containers[0].VolumeMounts[i]
				if mount.Name != volume.Name || mount.MountPath != volume.HostPath.Path {
					t.Errorf("volume %s of %s is mounted as %s on %s", volume.Name, volume.HostPath.Path, mount.Name, mount.MountPath)
				}
				readOnly := map[bool]string{true: " true", false: " false"}[mount.ReadOnly]
				got = append(got, volume.HostPath.Path+" "+string(*volume.HostPath.Type)+readOnly)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProbesFollowTheStatusAddress(t *testing.T) {
	for bind, want := range map[string]string{
		"127.0.0.1:10443":     "127.0.0.1:10443",
		"[::1]:20443":         "[::1]:20443",
		"0.0.0.0:10443":       "127.0.0.1:10443",
		"192.168.238.130:443": "192.168.238.130:443",
	} {
		cfg := readSample(t, "classic")
		cfg.Status.BindAddress = netip.MustParseAddrPort(bind)
		pod, _ := render(t, cfg, manifest.Options{})
		get := pod.Spec.Containers[0].LivenessProbe.HTTPGet
		got := netip.AddrPortFrom(netip.MustParseAddr(get.Host), uint16(get.Port.IntVal)).String()
		if got != want {
			t.Errorf("with %s the probe asks %s, want %s", bind, got, want)
		}
	}
}
