// SPDX-License-Identifier: Apache-2.0

// Package manifest renders a configuration as the static pod that runs it. It is pure: the same configuration gives the same
// bytes on every host and in every patch version. Package staticpod writes them.
package manifest

import (
	"encoding/json"
	"errors"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

// DefaultImage is the image of this minor version, so that a patch version does not change the manifest. Give one with a
// digest to pin it.
const DefaultImage = "harbinger.dev/harbinger:" + version.Minor

// DefaultPath is where the kubelet of a kubeadm node finds the manifest.
const DefaultPath = "/etc/kubernetes/manifests/ha.yaml"

const name = "harbinger"

// systemNodeCritical is the priority of the class of that name, which no API is there to look up.
const systemNodeCritical = 2000001000

// Options are the choices that the configuration does not hold.
type Options struct {
	// Image of the pod.
	Image string
	// ConfigFile makes the pod read config.File instead of carrying the configuration in its environment.
	ConfigFile bool
}

// Render returns the manifest of a configuration.
func Render(cfg *config.HarbingerConfiguration, opts Options) ([]byte, error) {
	pod, err := Pod(cfg, opts)
	if err != nil {
		return nil, err
	}
	return marshal(pod)
}

// Pod returns the static pod that runs a configuration.
func Pod(cfg *config.HarbingerConfiguration, opts Options) (*corev1.Pod, error) {
	container, err := container(cfg, opts)
	if err != nil {
		return nil, err
	}
	volumes, mounts := volumes(cfg)
	container.VolumeMounts = mounts
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name:      name,
			Namespace: metav1.NamespaceSystem,
			Labels:    map[string]string{"component": name, "tier": "control-plane"},
		},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{container},
			DNSPolicy:                     corev1.DNSDefault,
			HostNetwork:                   true,
			Priority:                      new(int32(systemNodeCritical)),
			PriorityClassName:             "system-node-critical",
			SecurityContext:               &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			TerminationGracePeriodSeconds: new(gracePeriodSeconds(cfg)),
			Volumes:                       volumes,
		},
	}, nil
}

func container(cfg *config.HarbingerConfiguration, opts Options) (corev1.Container, error) {
	c := corev1.Container{
		Name:            name,
		Image:           opts.Image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"/harbinger"},
		Args:            []string{"run"},
		// No limit: throttling delays advertisements, and a late holder gives up its addresses.
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("50m"),
			corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
		SecurityContext: securityContext(cfg),
		StartupProbe:    probe(cfg, "/livez", 1, 30),
		LivenessProbe:   probe(cfg, "/livez", 5, 3),
		ReadinessProbe:  probe(cfg, "/readyz", 5, 3),
	}
	// kubeadm init starts the first apiserver after this pod, and the network of the node comes later still. Before the first there
	// is no backend; before the second the node controller marks a ready pod as not ready. Neither is worth a warning.
	c.ReadinessProbe.InitialDelaySeconds = 60
	// A busy host takes seconds to start the process. kubeadm gives its own pods as long.
	c.StartupProbe.InitialDelaySeconds = 10
	if opts.ConfigFile {
		c.Args = append(c.Args, "--config", config.File)
	} else {
		if cfg.Election.VRRP.Authentication.Password != "" {
			return corev1.Container{}, errors.New("election.vrrp.authentication.password: the manifest must not contain the password, which everybody who may read pods could read: use passwordFile")
		}
		document, err := scheme.EncodeMinimal(cfg)
		if err != nil {
			return corev1.Container{}, err
		}
		c.Env = append(c.Env, corev1.EnvVar{Name: config.Variable, Value: escape(string(document))})
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: config.NodeNameVariable, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"},
	}})
	return c, nil
}

// escape keeps the kubelet from reading $$ and $(NAME) in a value.
func escape(value string) string { return strings.ReplaceAll(value, "$", "$$") }

// securityContext leaves what the election, the address, the steering (BPF) and real-time scheduling (SYS_NICE) need. The
// default seccomp profile of containerd and CRI-O lets bpf(2) through for those who have CAP_BPF.
//
// The rest is there to be taken from the balancer process: SETUID and SETGID make it another user, SETPCAP empties its bounding set, and with
// KILL the keeper can still end it. In the process IDs of its own container, and beside the user root, they add nothing to what the keeper
// may do.
func securityContext(cfg *config.HarbingerConfiguration) *corev1.SecurityContext {
	var add []corev1.Capability
	if steersByBPF(cfg) {
		add = append(add, "BPF")
	}
	add = append(add, "KILL", "NET_ADMIN")
	if lowPort(cfg) {
		add = append(add, "NET_BIND_SERVICE")
	}
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Add: append(add, "NET_RAW", "SETGID", "SETPCAP", "SETUID", "SYS_NICE"), Drop: []corev1.Capability{"ALL"}},
		ReadOnlyRootFilesystem:   new(true),
		RunAsUser:                new(int64(0)),
	}
}

// steersByBPF says whether the pod may need CAP_BPF. A runtime that does not know the capability refuses the whole pod, so it
// is not asked for without need.
func steersByBPF(cfg *config.HarbingerConfiguration) bool {
	mode := cfg.LoadBalancer.Steering.Mode
	return cfg.ControlPlane.Shared() && (mode == balance.SteeringAuto || mode == balance.SteeringBPF)
}

func lowPort(cfg *config.HarbingerConfiguration) bool {
	const unprivileged = 1024
	ports := []uint16{cfg.ControlPlane.Port, cfg.Status.BindAddress.Port(), cfg.Status.IdentityPort, cfg.LoadBalancer.Steering.Port}
	if cfg.Status.Metrics.Served() {
		ports = append(ports, cfg.Status.Metrics.Port)
	}
	return slices.Min(ports) < unprivileged
}

func probe(cfg *config.HarbingerConfiguration, endpoint string, period, failures int32) *corev1.Probe {
	address := cfg.Status.BindAddress.Addr()
	if address.IsUnspecified() {
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Host:   address.String(),
			Path:   endpoint,
			Port:   intstr.FromInt32(int32(cfg.Status.BindAddress.Port())),
			Scheme: corev1.URISchemeHTTP,
		}},
		FailureThreshold: failures,
		PeriodSeconds:    period,
		TimeoutSeconds:   period,
	}
}

// gracePeriodSeconds is how long a planned stop may take: at most until a successor of the lowest priority must have
// spoken (three advertisements, one interval of skew and half a second), then the drain of connections.
func gracePeriodSeconds(cfg *config.HarbingerConfiguration) int64 {
	const (
		intervals = 4
		grace     = 500 * time.Millisecond
		margin    = 5 * time.Second
	)
	total := intervals*cfg.Election.VRRP.AdvertisementInterval + grace + cfg.LoadBalancer.Drain.Timeout + margin
	return int64((total + time.Second - 1) / time.Second)
}

// volumes are the host paths of the pod. Each has a type: of a path without one that does not exist, the runtime makes an empty
// directory.
//
// Directories are mounted, not files: a mounted file goes on showing what was there when the container was made, whatever is
// moved over it. But the directory of kubeadm's CA has the private keys of the cluster, which the pod must not see: there the one
// file is mounted, and the pod notices that it was replaced. Another directory of a CA need not exist when the pod starts.
func volumes(cfg *config.HarbingerConfiguration) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	add := func(name, hostPath string, kind corev1.HostPathType, readOnly bool) {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: hostPath, Type: &kind},
		}})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: hostPath, ReadOnly: readOnly})
	}
	switch dir := path.Dir(cfg.HealthCheck.CAFile); {
	case cfg.HealthCheck.CAFile == "", dir == config.Directory, strings.HasPrefix(dir, config.Directory+"/"):
	case path.Dir(dir) == "/", path.Base(dir) == "pki": // "/", one such as /etc, or that of kubeadm
		add("ca", cfg.HealthCheck.CAFile, corev1.HostPathFile, true)
	default:
		add("ca", dir, corev1.HostPathDirectoryOrCreate, true)
	}
	add("config", config.Directory, corev1.HostPathDirectoryOrCreate, true)
	add("state", config.StateDirectory, corev1.HostPathDirectoryOrCreate, false)
	if cfg.Election.VRRP.Signed() {
		add("runtime", config.RuntimeDirectory, corev1.HostPathDirectoryOrCreate, false)
	}
	return volumes, mounts
}

// marshal returns the YAML of a pod without the fields that only a running one has.
func marshal(pod *corev1.Pod) ([]byte, error) {
	raw, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	delete(fields, "status")
	return yaml.Marshal(fields)
}
